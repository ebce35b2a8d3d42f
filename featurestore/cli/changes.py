"""`featurestore changes`: what has changed, by whom and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["changes"]


@verb(
    "changes",
    "featurestore changes --since 14d",
    "featurestore changes --upstream-of delay@1 --since 14d",
)
@click.option("--since", metavar="TIME", help="From then on; ISO text, or back from now: 14d.")
@click.option("--until", metavar="TIME", help="Up to then.")
@click.option("--upstream-of", metavar="NODE", help="Only what this model version, endpoint or feature comes from.")
def changes(session: Session, since: str | None, until: str | None, upstream_of: str | None) -> None:
    """List what has changed, in the order in which it was committed: definitions, rows, pointers, models.

    With --upstream-of, newer versions of a view that is read are listed too, marked as not read.
    """
    with session.store(read_only=True) as store:
        answer = store.changes(since=since, until=until, upstream_of=upstream_of)
    session.output.answer(answer)
