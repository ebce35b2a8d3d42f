"""`featurestore refresh`: bring every version that anyone reads up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["refresh"]


@verb(
    "refresh",
    "featurestore refresh",
    "featurestore refresh airport_weather --until 2013-08-01 --no-publish",
)
@click.argument("views", nargs=-1)
@click.option("--until", metavar="TIME", help="End of the new rows (not included).")
@click.option("--no-publish", is_flag=True, help="Leave the online store as it is.")
@click.pass_context
def refresh(
    context: click.Context, session: Session, *, views: tuple[str, ...], until: str | None, no_publish: bool
) -> None:
    """Materialize, from where each stopped, every version applied last, active or read by an endpoint; publish them.

    Without VIEWS, all of them. Says what it skipped, and why. Rows that break a contract go into quarantine; readers
    keep the last good ones, and the exit code is 1.
    """
    with session.store() as store, progress(session.output) as report:
        store.report_progress(report)
        done = store.refresh(list(views) or None, until=until, publish=not no_publish)
    session.output.answer(done)
    context.exit(1 if any(item.quarantined for item in done) else 0)
