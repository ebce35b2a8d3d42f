"""`featurestore status`: what the store holds, and how fresh it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["status"]


@verb(
    "status",
    "featurestore status",
)
def status(session: Session) -> None:
    """Show what the store holds: versions, what is active and published, models, endpoints; and how fresh each is."""
    with session.store(read_only=True) as store:
        answer = store.status()
    session.output.answer(answer)
