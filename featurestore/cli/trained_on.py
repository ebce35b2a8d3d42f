"""`featurestore trained-on`: what exact data a model version was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["trained_on"]


@verb(
    "trained-on",
    "featurestore trained-on delay@1",
)
@click.argument("model", metavar="MODEL@VERSION")
def trained_on(session: Session, model: str) -> None:
    """Show what a model version was trained on: sources' data versions, feature versions, snapshots, rows, code."""
    with session.store(read_only=True) as store:
        answer = store.trained_on(model)
    session.output.answer(answer)
