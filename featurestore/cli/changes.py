"""`featurestore changes`: what has changed, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.model.history import CLASSES

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["changes"]


@verb(
    "changes",
    "featurestore changes --since 14d",
    "featurestore changes --upstream-of delay@1 --since 14d",
    "featurestore changes --since 14d --class definition --class schema",
)
@click.option("--since", metavar="TIME", help="From then on; ISO text, or back from now: 14d.")
@click.option("--until", metavar="TIME", help="Up to then.")
@click.option("--upstream-of", metavar="NODE", help="Only what this model version, endpoint or feature comes from.")
@click.option(
    "--class", "classes", multiple=True, type=click.Choice(CLASSES), help="Only changes of this class; may be repeated."
)
@click.option("--each", is_flag=True, help="A line for every change: routine ones are told together otherwise.")
def changes(
    session: Session,
    *,
    since: str | None,
    until: str | None,
    upstream_of: str | None,
    classes: tuple[str, ...],
    each: bool,
) -> None:
    """List what has changed, in the order in which it was committed, with its class, who and why.

    Classes: definition, schema, contract, data, activation (pointers and deployments), model (training and
    registration). New rows and publishes that follow each other are told in one line, at the time of the last; --each
    lists every one, and --json always does. With --upstream-of, newer versions of a view that is read, and changes of
    columns that are not read, are listed too, marked as not read.
    """
    from featurestore.lineage.timeline import timeline

    with session.store(read_only=True) as store:
        found = store.changes(since=since, until=until, upstream_of=upstream_of)
    answer = [change for change in found if not classes or change.category in classes]
    session.output.answer(answer, people=timeline(answer, each=each))
