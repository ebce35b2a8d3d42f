"""Names: what a view, feature, entity, source, model or endpoint may be called."""

from __future__ import annotations

import re

from featurestore.errors import DefinitionError

__all__ = ["check_deployable_name", "check_name", "fold"]

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DEPLOYABLE = re.compile(r"[A-Za-z][A-Za-z0-9_.\-]*")


def fold(name: str) -> str:
    """Return the form in which names are compared: two names that differ only in case are one name."""
    return name.casefold()


def _check(name: object, what: str, pattern: re.Pattern[str], allowed: str) -> str:
    if isinstance(name, str) and pattern.fullmatch(name) and name.isascii() and "__" not in name and name[-1] != "_":
        return name
    message = (
        f"{name!r} is not a name for a {what}: use {allowed}, start with a letter, "
        "and use no '__' (it separates view and feature in column names) and no '_' at the end."
    )
    raise DefinitionError(message)


def check_name(name: object, what: str) -> str:
    """Return `name` if a view, feature, entity, key or source may carry it.

    Raises
    ------
    DefinitionError
        If it is not an identifier, holds `__`, or starts or ends with `_`.
    """
    return _check(name, what, _IDENTIFIER, "ASCII letters, digits and '_'")


def check_deployable_name(name: object, what: str) -> str:
    """Return `name` if a model or an endpoint may carry it: as `check_name`, with `-` and `.` allowed too."""
    return _check(name, what, _DEPLOYABLE, "ASCII letters, digits, '_', '-' and '.'")
