"""`featurestore active`: which version was active, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["active"]


@verb(
    "active",
    "featurestore active airport_weather",
    "featurestore active airport_weather:temp --at 7d",
    "featurestore active airport_weather:temp --endpoint eta-prod",
)
@click.argument("reference", metavar="VIEW[:FEATURE]")
@click.option("--at", metavar="TIME", help="When; by default now. ISO text, or back from now: 7d.")
@click.option("--endpoint", metavar="NAME", help="What the readers of this endpoint read.")
def active(session: Session, reference: str, at: str | None, endpoint: str | None) -> None:
    """Show which version of a view, or of one feature, was active at a time: for whom, from when until when, and why.

    Without --endpoint in the default scope, which requests without a version read; with it, what each model that was
    live on the endpoint read then. And which rows of the version were online then, even if they are dropped by now.
    """
    with session.store(read_only=True) as store:
        answer = store.active_at(reference, at=at, endpoint=endpoint)
    session.output.answer(answer)
