"""Compared: what is kept of a comparison of two versions, so that a pointer's move can ask for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import changes
from featurestore.errors import RequestError
from featurestore.lineage.text import short
from featurestore.operations.publish import head_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.version import FeatureVersion

__all__ = ["COMPARED", "require_comparison"]

COMPARED = "compared"
"""The kind of the change that records a comparison, on the version that would be moved to."""


def require_comparison(connection: Connection, before: FeatureVersion, after: FeatureVersion) -> None:
    """Hold that the newest comparison of `after` was with `before`, and of the rows that `after` has still.

    Raises
    ------
    RequestError
        If it was not.
    """
    newest = changes.newest(connection, COMPARED, "version", after.reference)
    head = head_of(connection, after)
    if newest is None or newest.detail["before"] != before.reference or newest.detail["snapshots"][1] != head.id:
        raise RequestError(
            f"the configuration has require_comparison, and {after.reference} was not compared with "
            f"{before.reference} since its rows {short(head.id)} were materialized: run "
            f"`featurestore compare {before.reference} {after.reference} --record`, and read what it says."
        )
