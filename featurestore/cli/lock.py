"""`featurestore lock`: the lock of a model version or a training frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["lock"]


@verb(
    "lock",
    "featurestore lock delay@1 --out delay.lock",
)
@click.argument("target", metavar="MODEL@VERSION|FRAME")
@click.option("--out", metavar="FILE.lock", help="Write it to a file.")
def lock(session: Session, target: str, out: str | None) -> None:
    """Print the lock of a model version, or of a training frame by its id: the exact versions, snapshots and spine."""
    with session.store(read_only=True) as store:
        pins = store.lock(target)
    if out is not None:
        pins.save(out)
        session.output.log(f"wrote {out}")
    session.output.answer(pins, people=pins.dumps().rstrip("\n"))
