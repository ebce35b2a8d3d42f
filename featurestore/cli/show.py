"""`featurestore show`: one thing in the store, or a list of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.cards import CARDS, LISTS, with_rows
from featurestore.cli.command import verb
from featurestore.errors import RequestError

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
@click.option("--rows", metavar="N", type=click.IntRange(1), help="Of a snapshot: its first N rows too.")
def show(session: Session, node: str, rows: int | None) -> None:
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
            if rows is not None:
                if kind != "snapshot":
                    raise RequestError(f"--rows is for a snapshot, and {node!r} is a {kind}: name one by its digits.")
                answer, write = with_rows(store, key, rows, answer, write)
    session.output.answer(answer, people=write)
