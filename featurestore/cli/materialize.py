"""`featurestore materialize`: compute the rows of a feature version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["materialize"]


@verb(
    "materialize",
    "featurestore materialize airport_weather",
    "featurestore materialize airport_weather@v1 --start 2013-07-01 --end 2013-08-01",
)
@click.argument("view", metavar="VIEW[@vN]")
@click.option("--start", metavar="TIME", help="First event time of the window (included).")
@click.option("--end", metavar="TIME", help="End of the window (not included).")
@click.pass_context
def materialize(context: click.Context, session: Session, *, view: str, start: str | None, end: str | None) -> None:
    """Compute the rows of a view's version, by default the one applied last, and keep them as a snapshot.

    The window is [start, end) of the rows' event time; the same window again replaces its rows. Without a window the
    table is replaced whole. Times are ISO text (UTC unless they say otherwise), or a duration back from now: 14d.

    Rows that break a contract go into quarantine, unless the view's on_violation says otherwise: the snapshot can be
    looked at (`featurestore show`), and neither be published nor trained on until it is approved (`featurestore
    approve`) or rows that pass replace it. The exit code then is 1.
    """
    with session.store() as store, progress(session.output) as report:
        store.report_progress(report)
        snapshot = store.materialize(view, start=start, end=end)
    session.output.answer(snapshot)
    if snapshot.quarantine is not None and snapshot.quarantined:
        for reason in snapshot.quarantine.reasons:
            session.output.log(f"in quarantine: {reason}")
        session.output.log(f"if the rows are right all the same: featurestore approve {snapshot.id[:8]} --reason ...")
        context.exit(1)
