"""`featurestore stale`: what has changed since each live model was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["stale"]


@verb(
    "stale",
    "featurestore stale",
)
def stale(session: Session) -> None:
    """Show, for every live model version, what has changed upstream of it since it was trained."""
    with session.store(read_only=True) as store:
        answer = store.stale_models()
    session.output.answer(answer)
