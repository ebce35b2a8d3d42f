"""What the reports of a check for machines share: where a change stands, and what it does in one text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.operations.check_text import reader_line, verdict

if TYPE_CHECKING:
    from featurestore.cli.places import Place, Places
    from featurestore.model.effect import ProposedChange, Ruling

__all__ = ["place_of", "sentence"]


def place_of(change: ProposedChange, places: Places) -> Place | None:
    """Return the line that a change is made at, if it is one of a definition and is found."""
    if not change.view:
        return None
    return places.of(change.view, change.subject.partition(":")[2])


def sentence(ruling: Ruling) -> str:
    """Return what a change does to whom, a line for each."""
    why = f" ({ruling.change.why})" if ruling.change.why else ""
    lines = [f"{ruling.change}{why}: {verdict(ruling)}."]
    return "\n".join([*lines, *(reader_line(effect) for effect in ruling.effects)])
