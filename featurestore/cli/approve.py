"""`featurestore approve`: let rows in quarantine through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["approve"]


@verb(
    "approve",
    'featurestore approve 1f3a9c42 --reason "the new sensor reads lower; agreed with the data team"',
)
@click.argument("snapshot", metavar="SNAPSHOT")
@click.option("--reason", required=True, metavar="TEXT", help="Why the rows are right all the same; kept.")
def approve(session: Session, snapshot: str, reason: str) -> None:
    """Let a snapshot in quarantine through: its rows become the newest state of its version's table.

    SNAPSHOT is eight or more digits of its id; `featurestore show SNAPSHOT --rows 10` tells why it is in quarantine,
    and shows rows. Nothing is published. A snapshot that rows which pass have replaced can no longer be approved.
    """
    with session.store() as store:
        approved = store.approve(snapshot, reason=reason)
    session.output.answer(approved)
