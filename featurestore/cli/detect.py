"""`featurestore detect`: what has changed in rows, causes named, and whom it reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.output import as_json

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["detect"]


@verb(
    "detect",
    "featurestore detect airport_weather",
    "featurestore detect airport_weather@v2 --against airport_weather@v1",
    "featurestore detect airport_weather@v1 --against delay@1 --json",
)
@click.argument("reference", metavar="VIEW")
@click.option(
    "--against",
    metavar="NODE",
    help="Compare with this alone: a snapshot, a version, a model version or a training frame.",
)
@click.pass_context
def detect(context: click.Context, session: Session, reference: str, against: str | None) -> None:
    """Compare the newest rows of VIEW (view, view@v1, a snapshot) with what was known of them, and name what differs.

    They are compared with the snapshot before, earlier windows of the same season, the version before, and the rows
    that each live model was trained on. Each finding says how much, since when, and which live models and endpoints
    it reaches.

    The exit code is 0 if nothing was found that is blocking, 1 if something was.
    """
    with session.store(read_only=True) as store:
        found = store.detect(reference, against=against)
    session.output.answer({"blocking": found.blocking, **as_json(found)}, people=str(found))
    context.exit(1 if found.blocking else 0)
