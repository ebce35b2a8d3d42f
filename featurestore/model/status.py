"""The four states of a looked-up feature value."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["STATUS_BY_CODE", "Status"]


class Status(StrEnum):
    """What a looked-up value is.

    PRESENT: a row matched and holds a value. NULL: a row matched and holds null. NOT_FOUND: no row of that key is
    known (or the key is null). EXPIRED: the newest row is older than the view's TTL. A feature's default fills
    NOT_FOUND and EXPIRED, never NULL, and leaves the status as it is.
    """

    PRESENT = "PRESENT"
    NULL = "NULL"
    NOT_FOUND = "NOT_FOUND"
    EXPIRED = "EXPIRED"


STATUS_BY_CODE = (Status.PRESENT, Status.NULL, Status.NOT_FOUND, Status.EXPIRED)
"""A status's position is its code: one byte a cell wherever many are stored or sent."""
