"""`featurestore rollback`: point readers back at an earlier version, of a view or of one feature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["rollback"]


@verb(
    "rollback",
    'featurestore rollback airport_weather --reason "wind is wrong"',
    "featurestore rollback airport_weather:wind_6h --to v1 --endpoint eta-prod --dry-run",
)
@click.argument("reference", metavar="VIEW[:FEATURE]")
@click.option("--to", metavar="vN", help="The version to read; by default the one that was active before.")
@click.option("--endpoint", metavar="NAME", help="For the readers of this endpoint only; its model stays.")
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the history.")
@click.option("--expect", metavar="vN", help="Refuse if the pointer does not read this version any more.")
@click.option("--dry-run", is_flag=True, help="Say who would be touched, and change nothing.")
def rollback(
    session: Session,
    *,
    reference: str,
    to: str | None,
    endpoint: str | None,
    reason: str,
    expect: str | None,
    dry_run: bool,
) -> None:
    """Point readers back at an earlier version of a view, or of one feature of it. Models are not touched."""
    with session.store() as store:
        answer = store.rollback(reference, to=to, endpoint=endpoint, reason=reason, expect=expect, dry_run=dry_run)
    session.output.answer(answer)
