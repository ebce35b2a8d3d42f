"""The Iceberg side: one table for each feature version, whose head shows the files that the catalog's head names.

The catalog is the truth. `sync` makes a table follow it, whatever state a crash left it in.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from featurestore.errors import ConflictError, CorruptError
from featurestore.model.definition import Definition
from featurestore.model.snapshot import DataFile
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import to_arrow
from featurestore.offline.output import output_columns
from featurestore.offline.runs import version_folder

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.manifest import DataFile as IcebergFile
    from pyiceberg.table import Table

__all__ = ["Tables"]

_ATTEMPTS = 8
_CATALOG = "featurestore"
_MOST_SNAPSHOTS = 16
_KEPT_SNAPSHOTS = 8
_NAME_MAPPING = "schema.name-mapping.default"
T = TypeVar("T")


class Tables:
    """The Iceberg tables of one store, in a SQLite catalog of pyiceberg at `iceberg.db`.

    Other engines find them as catalog `featurestore`, namespace = view, table = `v<N>`.

    Parameters
    ----------
    root
        The store's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = Path(root).resolve()
        self._opened: SqlCatalog | None = None
        self._lock = threading.Lock()

    def sync(self, definition: Definition, number: int, files: Sequence[DataFile]) -> str:
        """Make the data files of a version's table exactly `files`, in one Iceberg snapshot, and return its id.

        What is there already stays as it is: if nothing differs, nothing is written.

        Raises
        ------
        ConflictError
            If other processes keep changing the table.
        CorruptError
            If a file is missing.
        """
        missing = [file.path for file in files if not (self._root / file.path).is_file()]
        if missing:
            message = f"{self._root / missing[0]} is missing: restore it from a backup, or materialize again."
            raise CorruptError(message)

        def attempt() -> str:
            return self._sync(self._table(definition, number), files)

        return self._retried(attempt, f"{definition.view}@v{number}")

    def tag(self, view: str, number: int, snapshot_id: str, name: str) -> None:
        """Tag a snapshot of a version's table, so that other engines keep it; the same tag again moves it.

        Raises
        ------
        ConflictError
            If other processes keep changing the table.
        CorruptError
            If the table does not hold that snapshot (any more).
        """
        from pyiceberg.exceptions import NoSuchTableError  # noqa: PLC0415 - as below

        def attempt() -> None:
            try:
                table = self._catalog().load_table((view, f"v{number}"))
            except (NoSuchTableError, FileNotFoundError) as error:
                message = f"there is no Iceberg table of {view}@v{number} here: materialize again."
                raise CorruptError(message) from error
            known = table.refs().get(name)
            if known is not None and known.snapshot_id == int(snapshot_id):
                return
            if table.snapshot_by_id(int(snapshot_id)) is None:
                message = f"the Iceberg table of {view}@v{number} holds no snapshot {snapshot_id}: materialize again."
                raise CorruptError(message)
            with table.manage_snapshots() as change:
                change.create_tag(int(snapshot_id), name)

        self._retried(attempt, f"{view}@v{number}")

    def close(self) -> None:
        """Close the catalog's connections."""
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    def _catalog(self) -> SqlCatalog:
        from pyiceberg.catalog.sql import SqlCatalog  # noqa: PLC0415 - half a second, only for who materializes

        with self._lock:
            if self._opened is None:
                self._root.mkdir(parents=True, exist_ok=True)
                self._opened = SqlCatalog(_CATALOG, uri=f"sqlite:///{self._root / 'iceberg.db'}")
            return self._opened

    def _table(self, definition: Definition, number: int) -> Table:
        from pyiceberg.exceptions import (  # noqa: PLC0415 - as above
            NamespaceAlreadyExistsError,
            NoSuchTableError,
            TableAlreadyExistsError,
        )

        catalog = self._catalog()
        name = (definition.view, f"v{number}")
        location = f"file://{self._root}/{version_folder(definition.view, number)}"
        try:
            table = catalog.load_table(name)
            if table.location() == location:
                return table
        except NoSuchTableError:
            pass
        except FileNotFoundError:  # the store's folder was moved: metadata holds absolute paths
            self._forget(name)
        else:
            self._forget(name)
        with suppress(NamespaceAlreadyExistsError):
            catalog.create_namespace(definition.view)
        try:
            return catalog.create_table(name, _schema(definition), location=location, properties=_properties())
        except TableAlreadyExistsError:
            return catalog.load_table(name)

    def _forget(self, name: tuple[str, str]) -> None:
        self._catalog().drop_table(name)
        shutil.rmtree(self._root / "offline" / name[0] / name[1] / "metadata", ignore_errors=True)

    def _sync(self, table: Table, files: Sequence[DataFile]) -> str:
        from pyiceberg.io.pyarrow import parquet_file_to_data_file  # noqa: PLC0415 - as above

        from featurestore.offline.iceberg_commit import replacement  # noqa: PLC0415 - as above

        present = _head_files(table)
        wanted = {f"file://{self._root / file.path}": file for file in files}
        extra = [item for path, item in present.items() if path not in wanted]
        added = [path for path in wanted if path not in present]
        head = table.current_snapshot()
        if head is not None and not extra and not added:
            return str(head.snapshot_id)
        with table.transaction() as transaction:
            if table.name_mapping() is None:  # our files carry no field ids
                transaction.set_properties({_NAME_MAPPING: table.schema().name_mapping.model_dump_json()})
            with replacement(transaction) if extra else transaction.update_snapshot().merge_append() as producer:
                for item in extra:
                    producer.delete_data_file(item)
                for path in added:
                    producer.append_data_file(parquet_file_to_data_file(table.io, table.metadata, path))
        head = table.current_snapshot()
        if head is None:
            raise AssertionError(table.name())
        _expire(table)
        return str(head.snapshot_id)

    def _retried(self, attempt: Callable[[], T], what: str) -> T:
        from pyiceberg.exceptions import CommitFailedException, ValidationException  # noqa: PLC0415 - as above
        from sqlalchemy.exc import IntegrityError, OperationalError  # noqa: PLC0415 - as above

        for number in range(_ATTEMPTS):
            try:
                return attempt()
            except (CommitFailedException, ValidationException, IntegrityError, OperationalError) as error:
                if number == _ATTEMPTS - 1:
                    message = (
                        f"other processes keep changing the Iceberg table of {what}: try again when they are done."
                    )
                    raise ConflictError(message) from error
                time.sleep(0.05 * 2**number)
        raise AssertionError(what)


def _head_files(table: Table) -> dict[str, IcebergFile]:
    head = table.current_snapshot()
    if head is None:
        return {}
    return {
        entry.data_file.file_path: entry.data_file
        for manifest in head.manifests(table.io)
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }


def _expire(table: Table) -> None:
    """Forget old Iceberg snapshots that no tag protects, since every commit costs more the more there are."""
    snapshots = table.snapshots()
    if len(snapshots) <= _MOST_SNAPSHOTS:
        return
    protected = {reference.snapshot_id for reference in table.refs().values()}
    protected |= {snapshot.snapshot_id for snapshot in snapshots[-_KEPT_SNAPSHOTS:]}
    old = [snapshot.snapshot_id for snapshot in snapshots if snapshot.snapshot_id not in protected]
    if old:
        table.maintenance.expire_snapshots().by_ids(old).commit()


def _schema(definition: Definition) -> pa.Schema:
    return pa.schema([(name, _iceberg_type(type_)) for name, type_ in output_columns(definition)])


def _iceberg_type(type_: FeatureType) -> pa.DataType:
    """Return the type as Iceberg knows it: an embedding is a list there."""
    return pa.list_(pa.float32()) if type_.kind == "Embedding" else to_arrow(type_)


def _properties() -> dict[str, Any]:
    return {
        "commit.manifest-merge.enabled": "true",
        "commit.manifest.min-count-to-merge": "10",
        "write.metadata.delete-after-commit.enabled": "true",
        "write.metadata.previous-versions-max": "10",
        "commit.retry.num-retries": "0",  # pyiceberg would rebase on the winner's head; `sync` compares again instead
    }
