"""What became of pushed rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.model.types import FeatureType

__all__ = ["PushSchema", "Pushed", "PushedVersion", "RejectedRow"]


@dataclass(frozen=True, slots=True)
class PushSchema:
    """What rows pushed to a source must be.

    Attributes
    ----------
    columns
        Column to type.
    required
        Columns in which no row may hold null: keys and event times of every version that reads the source.
    """

    columns: Mapping[str, FeatureType]
    required: frozenset[str]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that was not taken.

    Attributes
    ----------
    row
        Its position among the rows given, from 0.
    field
        The column at fault.
    reason
        What is wrong with it.
    """

    row: int
    field: str
    reason: str


@dataclass(frozen=True, slots=True)
class PushedVersion:
    """What a push meant for one feature version.

    Attributes
    ----------
    reference
        `view@vN`.
    rows
        Rows of the version that went online.
    waits
        Why none did, so that the rows are online after a later refresh; empty otherwise.
    """

    reference: str
    rows: int
    waits: str = ""


@dataclass(frozen=True, slots=True)
class Pushed:
    """The report of a push.

    Attributes
    ----------
    source
        The push source.
    rows
        Rows kept in its log.
    rejected
        One entry for each row that was not kept.
    versions
        The feature versions that declare the source.
    id
        What names the push; None if the caller gave nothing.
    repeated
        A push of that id had come before: the log already held the rows.
    """

    source: str
    rows: int
    rejected: tuple[RejectedRow, ...]
    versions: tuple[PushedVersion, ...]
    id: str | None = None
    repeated: bool = False
