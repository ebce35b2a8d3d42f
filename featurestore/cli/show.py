"""`featurestore show`: one thing in the store, or a list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.cards import CARDS, LISTS
from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["show"]


@verb(
    "show",
    "featurestore show views",
    "featurestore show airport_weather",
    "featurestore show airport_weather@v1",
    "featurestore show delay@1",
    "featurestore show endpoint/eta-prod",
)
@click.argument("node", metavar="NODE|views|sets|models|endpoints|frames")
def show(session: Session, node: str) -> None:
    """Show one view, version, feature, set, source, snapshot, frame, model version or endpoint; or list them.

    A version is shown with its features, its SQL and its snapshots. Snapshots and frames are named by eight or more
    digits of their id. A name that fits several things is written with its kind: view/views, endpoint/eta-prod.
    """
    with session.store(read_only=True) as store:
        if node in LISTS:
            answer, write = LISTS[node](store)
        else:
            kind, _, key = store.lineage(node, depth=0).root.partition("/")
            answer, write = CARDS[kind](store, key)
    session.output.answer(answer, people=write)
