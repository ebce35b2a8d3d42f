"""`featurestore publish`: put a version's newest rows into the online store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["publish"]


@verb(
    "publish",
    "featurestore publish airport_weather@v1",
    "featurestore publish airport_weather@v1 --at 2013-07-20",
)
@click.argument("reference", metavar="VIEW@vN")
@click.option("--snapshot", metavar="ID", help="Serve these rows, and hold them until the next publish.")
@click.option("--at", metavar="TIME", help="The newest row per key up to this event time; by default now.")
def publish(session: Session, reference: str, snapshot: str | None, at: str | None) -> None:
    """Put the newest row per key into the online store, as a generation of its own, then show it to all readers."""
    with session.store() as store, progress(session.output) as report:
        store.report_progress(report)
        generation = store.publish(reference, snapshot=snapshot, at=at)
    session.output.answer(generation)
