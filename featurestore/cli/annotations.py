"""A check as the workflow commands by which GitHub Actions shows messages at the lines of a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.cli.check_words import place_of, sentence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from featurestore.cli.places import Places
    from featurestore.operations.check import Check

__all__ = ["github"]

_LEVELS = {"block": "error", "warn": "warning", "allow": "notice"}


def github(found: Check, places: Places) -> Iterator[str]:
    """Yield one line for each ruling that is more than allowed, and for each problem."""
    for ruling in found.rulings:
        if ruling.action == "allow":
            continue
        level = "notice" if ruling.acknowledgement is not None else _LEVELS[ruling.action]
        properties = {"title": f"featurestore: {ruling.change}"}
        place = place_of(ruling.change, places)
        if place is not None:
            properties |= {"file": place.file, "line": str(place.line)}
        yield _command(level, properties, sentence(ruling))
    for problem in found.problems:
        yield _command("error", {"title": "featurestore: could not tell"}, problem)


def _command(level: str, properties: dict[str, str], message: str) -> str:
    shown = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {shown}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
