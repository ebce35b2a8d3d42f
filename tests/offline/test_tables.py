"""The Iceberg side follows the catalog: whatever a crash, another process or a moved folder left."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from featurestore.errors import ConflictError, CorruptError
from featurestore.model.definition import Computation, Definition, FeatureDefinition
from featurestore.model.snapshot import DataFile
from featurestore.model.types import Bytes, Date, Decimal, Embedding, Int64, List, String
from featurestore.offline import tables as module
from featurestore.offline.output import output_schema
from featurestore.offline.runs import write_run
from featurestore.offline.tables import Tables

TYPES = {
    "i": Int64, "money": Decimal(20, 2), "items": List(Int64), "vector": Embedding(2), "raw": Bytes, "day": Date,
}  # fmt: skip
DEFINITION = Definition(
    view="v",
    entity="e",
    keys=(("k", String),),
    sources=(),
    computation=Computation("columns", "", ""),
    event_time="t",
    created_time=None,
    ttl=None,
    lookback=None,
    features=tuple(FeatureDefinition(name, type_) for name, type_ in TYPES.items()),
)


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    opened = Tables(tmp_path)
    yield opened
    opened.close()


def file(root: Path, number: int) -> DataFile:
    """Write one file whose `i` is `number`."""
    schema = output_schema(DEFINITION)
    row = ["a", number, 2**53 + number, None, [number, None], [1.0, 2.0], b"\xff", number]
    columns = [pa.array([value], field.type) for value, field in zip(row, schema, strict=True)]
    (written,) = write_run(root, DEFINITION, 1, [pa.record_batch(columns, schema=schema)])
    return written


def seen(root: Path, snapshot: str | None = None) -> list[int]:
    """Read the table as another engine would: which files' rows it shows."""
    with SqlCatalog("featurestore", uri=f"sqlite:///{root}/iceberg.db") as catalog:
        found = catalog.load_table("v.v1").scan(snapshot_id=None if snapshot is None else int(snapshot)).to_arrow()
    assert found.schema.field("vector").type.value_type == pa.float32()
    values: list[int] = found.column("i").to_pylist()  # type: ignore[assignment] # none is null
    return sorted(value - 2**53 for value in values)


def snapshots(root: Path) -> int:
    with SqlCatalog("featurestore", uri=f"sqlite:///{root}/iceberg.db") as catalog:
        return len(catalog.load_table("v.v1").snapshots())


def test_the_head_shows_exactly_the_files(tmp_path: Path, tables: Tables) -> None:
    one, two, three = (file(tmp_path, number) for number in (1, 2, 3))
    first = tables.sync(DEFINITION, 1, [one, two])
    assert seen(tmp_path) == [1, 2]
    second = tables.sync(DEFINITION, 1, [two, three])
    assert seen(tmp_path) == [2, 3]
    assert seen(tmp_path, first) == [1, 2]
    assert first != second
    assert first.isdigit()
    assert snapshots(tmp_path) == 2
    assert tables.sync(DEFINITION, 1, [three, two]) == second
    assert snapshots(tmp_path) == 2
    tables.sync(DEFINITION, 1, [])
    assert seen(tmp_path) == []


def test_a_table_without_files_has_a_snapshot_too(tmp_path: Path, tables: Tables) -> None:
    empty = tables.sync(DEFINITION, 1, [])
    assert tables.sync(DEFINITION, 1, []) == empty
    assert seen(tmp_path) == []


def test_a_crash_between_iceberg_and_catalog_is_mended_by_the_next_sync(tmp_path: Path, tables: Tables) -> None:
    known, lost, new = (file(tmp_path, number) for number in (1, 2, 3))
    tables.sync(DEFINITION, 1, [known])
    tables.sync(DEFINITION, 1, [known, lost])  # and the process dies before its catalog transaction
    again = Tables(tmp_path)
    again.sync(DEFINITION, 1, [known, new])
    again.close()
    assert seen(tmp_path) == [1, 3]


def test_many_commits_keep_few_manifests(tmp_path: Path, tables: Tables) -> None:
    files = []
    for number in range(14):
        files.append(file(tmp_path, number))
        tables.sync(DEFINITION, 1, files)
    with SqlCatalog("featurestore", uri=f"sqlite:///{tmp_path}/iceberg.db") as catalog:
        table = catalog.load_table("v.v1")
        head = table.current_snapshot()
        assert head is not None
        assert len(head.manifests(table.io)) < 10
    assert seen(tmp_path) == list(range(14))


def test_old_snapshots_are_forgotten_and_tagged_ones_kept(tmp_path: Path, tables: Tables) -> None:
    one, two = file(tmp_path, 1), file(tmp_path, 2)
    pinned = tables.sync(DEFINITION, 1, [one])
    tables.tag("v", 1, pinned, "pinned")
    for number in range(20):
        tables.sync(DEFINITION, 1, [one, two] if number % 2 else [two])
    with SqlCatalog("featurestore", uri=f"sqlite:///{tmp_path}/iceberg.db") as catalog:
        table = catalog.load_table("v.v1")
        assert len(table.snapshots()) <= 17
        assert table.snapshot_by_id(int(pinned)) is not None
        assert table.scan(snapshot_id=int(pinned)).to_arrow().num_rows == 1
    assert seen(tmp_path) == [1, 2]


def test_a_missing_file_is_refused_before_anything_is_committed(tmp_path: Path, tables: Tables) -> None:
    one, two = file(tmp_path, 1), file(tmp_path, 2)
    tables.sync(DEFINITION, 1, [one])
    (tmp_path / two.path).unlink()
    with pytest.raises(CorruptError, match="is missing"):
        tables.sync(DEFINITION, 1, [one, two])
    assert seen(tmp_path) == [1]


def test_a_tag_keeps_its_snapshot(tmp_path: Path, tables: Tables) -> None:
    one, two = file(tmp_path, 1), file(tmp_path, 2)
    first = tables.sync(DEFINITION, 1, [one])
    tables.tag("v", 1, first, "pin-1")
    tables.tag("v", 1, first, "pin-1")
    tables.sync(DEFINITION, 1, [two])
    with SqlCatalog("featurestore", uri=f"sqlite:///{tmp_path}/iceberg.db") as catalog:
        refs = catalog.load_table("v.v1").refs()
    assert str(refs["pin-1"].snapshot_id) == first
    with pytest.raises(CorruptError, match="holds no snapshot 5"):
        tables.tag("v", 1, "5", "pin-2")
    with pytest.raises(CorruptError, match="no Iceberg table of v@v2"):
        tables.tag("v", 2, first, "pin-1")


@pytest.mark.parametrize("copied", [True, False])
def test_a_store_that_was_moved_or_copied_gets_its_tables_again(tmp_path: Path, copied: bool) -> None:
    old, new = tmp_path / "old", tmp_path / "a new place"
    tables = Tables(old)
    one = file(old, 1)
    tables.sync(DEFINITION, 1, [one])
    tables.close()
    if copied:
        shutil.copytree(old, new)
    else:
        old.rename(new)
    tables = Tables(new)
    tables.sync(DEFINITION, 1, [one])
    tables.close()
    assert seen(new) == [1]
    if copied:
        assert seen(old) == [1]


def test_a_lost_race_is_tried_again_on_the_new_head(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three = (file(tmp_path, number) for number in (1, 2, 3))
    tables.sync(DEFINITION, 1, [one])
    commit = Table._do_commit
    raced: list[bool] = []

    def slow(table: Table, updates: tuple[object, ...], requirements: tuple[object, ...]) -> None:
        if not raced:
            raced.append(True)
            other = Tables(tmp_path)
            other.sync(DEFINITION, 1, [one, two])
            other.close()
        commit(table, updates, requirements)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(Table, "_do_commit", slow)
    tables.sync(DEFINITION, 1, [one, three])
    assert seen(tmp_path) == [1, 3]


def test_races_lost_for_ever_are_a_conflict(tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_: object, **__: object) -> None:
        raise CommitFailedException("somebody was faster")

    one = file(tmp_path, 1)
    monkeypatch.setattr(module, "_ATTEMPTS", 2)
    monkeypatch.setattr(Table, "_do_commit", lose)
    with pytest.raises(ConflictError, match="Iceberg table of v@v1"):
        tables.sync(DEFINITION, 1, [one])


def test_threads_end_in_the_state_of_one_of_them(tmp_path: Path) -> None:
    files = [file(tmp_path, number) for number in range(4)]
    errors: list[BaseException] = []

    def work(number: int) -> None:
        tables = Tables(tmp_path)
        try:
            tables.sync(DEFINITION, 1, [files[number]])
        except ConflictError as error:
            errors.append(error)
        finally:
            tables.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(seen(tmp_path)) == 1
