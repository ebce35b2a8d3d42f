"""`featurestore activate`: point readers at feature versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["activate"]


@verb(
    "activate",
    'featurestore activate airport_weather@v1 --reason "first version"',
)
@click.argument("references", metavar="VIEW@vN[:FEATURE]...", nargs=-1, required=True)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the history.")
@click.option("--endpoint", metavar="NAME", help="For the readers of this endpoint only.")
def activate(session: Session, references: tuple[str, ...], reason: str, endpoint: str | None) -> None:
    """Point readers at these versions; several are one atomic change. A whole view's pointer clears its features' own.

    Readers are those who name no version (the default scope), or those of one endpoint.
    """
    with session.store() as store:
        moved = store.activate(*references, reason=reason, endpoint=endpoint)
    session.output.answer(moved)
