"""`featurestore serve`: serve features over gRPC."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["serve"]


@verb(
    "serve",
    "featurestore serve --address localhost:6566 --workers 2",
)
@click.option("--address", default="127.0.0.1:6566", show_default=True, metavar="HOST:PORT", help="Where to listen.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes; by default one per core.")
@click.option("--writable", is_flag=True, help="Let callers push rows, publish, activate and roll back.")
def serve(session: Session, address: str, workers: int | None, *, writable: bool) -> None:
    """Serve features over gRPC until interrupted; every worker listens on the one port.

    Port 0 takes a free one. Once every worker serves, the address is printed.
    """
    from featurestore.serving.server import serve as run

    def ready(bound: str, pids: tuple[int, ...]) -> None:
        answer = {"address": bound, "workers": pids}
        session.output.answer(answer, people=f"serving on {bound} with {len(pids)} worker{'s' * (len(pids) > 1)}")

    count = workers or len(os.sched_getaffinity(0))
    run(session.path, address, workers=count, writable=writable, ready=ready)
