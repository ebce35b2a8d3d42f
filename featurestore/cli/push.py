"""`featurestore push`: append rows to a push source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["push"]


@verb(
    "push",
    "featurestore push observations rows.json",
)
@click.argument("source")
@click.argument("rows", metavar="FILE")
def push(session: Session, source: str, rows: str) -> None:
    """Append the rows in FILE (.json, .jsonl, .csv or .parquet; - reads JSON from standard input) to a push source."""
    from featurestore.cli.rows import read_rows

    table = read_rows(rows)
    with session.store() as store:
        pushed = store.push(source, table)
    session.output.answer(pushed)
