"""`featurestore retire`: mark a feature version as not to be used any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["retire"]


@verb(
    "retire",
    'featurestore retire airport_weather@v1 --reason "wind in knots" --replacement airport_weather@v2',
)
@click.argument("reference", metavar="VIEW@vN")
@click.option("--reason", required=True, metavar="TEXT", help="Why; readers are told.")
@click.option("--replacement", metavar="VIEW@vN", help="What to use instead.")
def retire(session: Session, reference: str, reason: str, replacement: str | None) -> None:
    """Mark a feature version as not to be used any more; what was trained on it can still be rebuilt."""
    with session.store() as store:
        retired = store.retire(reference, reason=reason, replacement=replacement)
    session.output.answer(retired)
