"""`featurestore skew`: what a model was served against what it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.output import as_json
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["skew"]


@verb(
    "skew",
    "featurestore skew delay@1 --since 1d",
    "featurestore skew delay@1 --endpoint eta-prod --since 2026-01-01 --until 2026-01-02",
)
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--since", metavar="TIME", help="Compare answers to questions of this time or later.")
@click.option("--until", metavar="TIME", help="Compare answers to questions before this time.")
@click.option("--endpoint", metavar="NAME", help="Compare what this endpoint was served.")
@click.pass_context
def skew(
    context: click.Context,
    session: Session,
    *,
    model: str,
    since: str | None,
    until: str | None,
    endpoint: str | None,
) -> None:
    """Compare what MODEL was served, as a server with `log_answers` kept it, with what it was trained on.

    States and values are held against the model's training frame. Each cell served is held against the offline join of
    the same key at the same time, from the newest snapshot: differing, missing, extra, or waiting for the next publish
    (lag, which is no difference).

    The exit code is 0 if the model is served what it was trained on, 1 if anything deserves a look.
    """
    with session.store(read_only=True) as store, progress(session.output) as report:
        store.report_progress(report)
        found = store.skew(model, since=since, until=until, endpoint=endpoint)
    session.output.answer({"skewed": found.skewed, **as_json(found)}, people=str(found))
    context.exit(1 if found.skewed else 0)
