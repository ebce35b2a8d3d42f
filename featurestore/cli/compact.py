"""`featurestore compact`: make one sorted run of a feature version's runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["compact"]


@verb(
    "compact",
    "featurestore compact airport_weather@v1",
)
@click.argument("view", metavar="VIEW[@vN]")
def compact(session: Session, view: str) -> None:
    """Merge the runs that windows have left into one, with the same rows, by default of the version applied last.

    Frames are joined faster then. The rows are read back and compared before the new snapshot counts. Earlier snapshots
    stay, with the frames pinned to them and what is published from them. One run already: nothing is done.
    """
    with session.store() as store, progress(session.output) as report:
        store.report_progress(report)
        snapshot = store.compact(view)
    session.output.answer(snapshot)
