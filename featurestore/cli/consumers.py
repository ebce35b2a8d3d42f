"""`featurestore consumers`: who reads a feature, a version or a source column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["consumers"]


@verb(
    "consumers",
    "featurestore consumers airport_weather@v1:temp",
    "featurestore consumers weather.wind_speed --live",
)
@click.argument("node")
@click.option("--live", is_flag=True, help="Only models that are on an endpoint now.")
def consumers(session: Session, node: str, *, live: bool) -> None:
    """Show which model versions and endpoints read NODE, and which feature sets and default pointers lead to it.

    NODE is view@v1:feature, view@v1, view:feature, view, source.column, source/name, or rows: a snapshot, a frame or a
    spine by eight or more digits, a source's data version. An endpoint reads by the lock of its model, which pins it to
    the version, or by a pointer that was moved for it. Of rows it is told when they were online, and which training
    frames pin them.
    """
    with session.store(read_only=True) as store:
        answer = store.consumers(node, live=live)
    session.output.answer(answer)
