"""One Iceberg commit that takes data files out and puts others in. Imported by `tables.py` when it commits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update.snapshot import _OverwriteFiles

if TYPE_CHECKING:
    from pyiceberg.manifest import ManifestFile
    from pyiceberg.table import Transaction

__all__ = ["Replacement", "replacement"]


class Replacement(_OverwriteFiles):
    """An overwrite that carries on only manifests with live files.

    pyiceberg 0.12 lists the manifests of files deleted long ago in every later snapshot, so that each commit would
    read all of history; without them the number of manifests is bounded by that of live files.
    """

    def _process_manifests(self, manifests: list[ManifestFile]) -> list[ManifestFile]:
        return [
            manifest
            for manifest in manifests
            if manifest.added_snapshot_id == self._snapshot_id
            or manifest.has_added_files()
            or manifest.has_existing_files()
        ]


def replacement(transaction: Transaction) -> Replacement:
    """Begin such a commit on a table that has a snapshot."""
    return Replacement(operation=Operation.OVERWRITE, transaction=transaction, io=transaction._table.io)  # noqa: SLF001 - as pyiceberg does itself
