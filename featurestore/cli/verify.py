"""`featurestore verify`: whether what is stored is as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.exits import exit_code
from featurestore.cli.progress import progress
from featurestore.errors import CorruptError

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["verify"]


@verb(
    "verify",
    "featurestore verify",
    "featurestore verify airport_weather@v1",
)
@click.argument("reference", metavar="[VIEW@vN]", required=False)
@click.pass_context
def verify(context: click.Context, session: Session, *, reference: str | None) -> None:
    """Read every stored row, offline and online, and compare it with the digest recorded when it was written.

    The exit code is 0 if all is as it was written, 6 if anything is missing or damaged; the answer says what.
    """
    with session.store(read_only=True) as store, progress(session.output) as report:
        store.report_progress(report)
        found = store.verify(reference)
    session.output.answer({"damaged": found.damaged, "checked": found.checked}, people=str(found))
    context.exit(exit_code(CorruptError()) if found.damaged else 0)
