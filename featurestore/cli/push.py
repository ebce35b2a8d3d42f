"""`featurestore push`: give rows to a push source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.model.pushed import Pushed

__all__ = ["push"]


@verb(
    "push",
    "featurestore push observations rows.json",
)
@click.argument("source")
@click.argument("rows", metavar="FILE")
@click.option("--id", "push_id", metavar="TEXT", help="Names this push: the same again adds nothing.")
def push(session: Session, source: str, rows: str, push_id: str | None) -> None:
    """Add the rows in FILE (.json, .jsonl, .csv or .parquet; - reads JSON from standard input) to a push source.

    They are kept for the next materialization, and are online at once in every version that can take them. A row that
    does not fit the source is rejected, and told with its field; the others are kept, and the exit code is 1.
    """
    from featurestore.cli.rows import read_objects

    given = read_objects(rows)
    with session.store() as store:
        pushed = store.push(source, given, push_id)
    session.output.answer(pushed, people=_said(pushed))
    if pushed.rejected:
        click.get_current_context().exit(1)


def _said(pushed: Pushed) -> str:
    known = ", as an earlier push of this id had done" if pushed.repeated else ""
    lines = [f"{pushed.source}: {pushed.rows} rows kept{known}, {len(pushed.rejected)} rejected"]
    lines += [f"  row {one.row}, {one.field}: {one.reason}" for one in pushed.rejected]
    for version in pushed.versions:
        lines.append(f"  {version.reference}: {version.waits or f'{version.rows} rows online'}")
    return "\n".join(lines)
