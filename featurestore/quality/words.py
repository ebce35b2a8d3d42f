"""How numbers and values are told in a finding's sentence."""

from __future__ import annotations

__all__ = ["percent", "shown"]

_LONG = 40
_TEN = 10


def percent(share: float) -> str:
    """Return a share as text: `12%`, `1.3%`, `0.04%`."""
    value = abs(share) * 100
    digits = 0 if value >= _TEN else 1 if value >= 1 else 2
    return f"{value:.{digits}f}%"


def shown(value: object) -> str:
    """Return a value as a person would write it, cut where it is long."""
    text = repr(value) if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 3]}..."
