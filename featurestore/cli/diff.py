"""`featurestore diff`: what differs between two model versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["diff"]


@verb(
    "diff",
    "featurestore diff delay@1 delay@2",
)
@click.argument("left", metavar="MODEL@VERSION")
@click.argument("right", metavar="MODEL@VERSION")
def diff(session: Session, left: str, right: str) -> None:
    """Show what differs between two model versions: inputs, feature versions and their definitions, rows."""
    with session.store(read_only=True) as store:
        answer = store.diff_models(left, right)
    session.output.answer(answer)
