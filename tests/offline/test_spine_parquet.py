"""Spines in Parquet: files, folders and globs, read in pieces, checked and kept block by block."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import featurestore
from featurestore.errors import RequestError
from featurestore.model import types as fs
from featurestore.offline import blocks, spine_parquet
from featurestore.offline.blocks import cut
from featurestore.offline.spine import checked, read_spine
from featurestore.offline.spine_archive import ArchivedSpine, archive_blocks, archive_spine
from featurestore.offline.spine_parquet import ParquetSpine

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
TABLE = pa.table({"origin": ["JFK", None, "EWR", "LGA", "JFK"], "t": [NOON] * 5, "label": [1, 2, None, 4, 5]})
KEYS = {"origin": fs.String}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 2)
    monkeypatch.setattr(spine_parquet, "_PIECE", 3)


def test_a_folder_and_a_glob_are_read_in_the_order_of_names(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    pq.write_table(TABLE.slice(0, 2), tmp_path / "a.parquet")
    pq.write_table(TABLE.slice(2, 2), tmp_path / "b.parquet", row_group_size=1)
    pq.write_table(TABLE.slice(4), tmp_path / "deep" / "c.parquet")
    (tmp_path / "_SUCCESS").touch()
    for path in (tmp_path, tmp_path / "**" / "*.parquet"):
        spine = ParquetSpine(str(path))
        assert (spine.rows, spine.schema) == (5, TABLE.schema)
        assert spine.read() == TABLE
    assert ParquetSpine(str(tmp_path / "[ab].parquet")).read() == TABLE.slice(0, 4)
    assert read_spine(tmp_path, timestamp="t", needed=KEYS) == TABLE


def test_files_that_are_not_one_spine(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    pq.write_table(TABLE.drop_columns("label"), tmp_path / "b.parquet")
    with pytest.raises(RequestError, match=r"b\.parquet' has other columns than .*a\.parquet'"):
        ParquetSpine(str(tmp_path))
    with pytest.raises(RequestError, match=r"no Parquet file '.*c\*' .* give a file, a folder or a glob"):
        ParquetSpine(str(tmp_path / "c*"))


def test_a_damaged_file_is_no_spine(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet", compression="none", use_dictionary=False)
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(data[:4] + b"\xff" * 60 + data[64:])
    with pytest.raises(RequestError, match="cannot be read"):
        ParquetSpine(str(tmp_path / "a.parquet")).read()


def test_metadata_and_chunks_are_not_part_of_it(tmp_path: Path) -> None:
    fields = [field.with_metadata({"a": "b"}) for field in TABLE.schema]
    pq.write_table(TABLE.cast(pa.schema(fields, metadata={"pandas": "{}"})), tmp_path / "a.parquet")
    spine = ParquetSpine(str(tmp_path / "a.parquet"))
    assert spine.schema.metadata is None
    assert all(table.schema.equals(TABLE.schema, check_metadata=True) for table in spine.tables())


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_rows_are_kept_as_the_same_file_in_whatever_form_they_came(tmp_path: Path, rows: int) -> None:
    table = TABLE.slice(0, rows).append_column(
        "kind", pa.array(["b", "a", None, "b", "c"][:rows], pa.string()).dictionary_encode()
    )
    for number, given in enumerate((table, table.drop_columns("kind"))):
        pq.write_table(given, tmp_path / f"{number}.parquet", row_group_size=2)
        spine = ParquetSpine(str(tmp_path / f"{number}.parquet"))
        pin = archive_spine(tmp_path / "one", given)
        assert archive_blocks(tmp_path / "two", spine.schema, cut(spine.tables(), spine.schema)) == pin
        archived = ArchivedSpine(tmp_path / "two", pin)
        assert (archived.rows, archived.schema) == (rows, given.schema)
        kept = list(archived.tables())
        assert [found.num_rows for found in kept] == {0: [0], 1: [1], 2: [2], 5: [2, 2, 1]}[rows]
        assert all(found.schema == given.schema for found in kept)
        assert pa.concat_tables(kept).to_pydict() == given.to_pydict()


def test_an_archive_that_fails_midway_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[pa.Table]:
        yield TABLE
        message = "row 7 of the spine: no"
        raise RequestError(message)

    with pytest.raises(RequestError, match="row 7"):
        archive_blocks(tmp_path, TABLE.schema, broken())
    assert list((tmp_path / "spines").iterdir()) == []


@pytest.mark.parametrize(
    ("column", "values", "text"),
    [
        ("t", ["2013-07-01", "2013-07-02", "2013-07-03", None, "yesterday"], "row 4 of the spine: t 'yesterday'"),
        ("t", pa.array([0, 0, 0, 2**62, 0], pa.timestamp("us")), "row 3 of the spine: t .* outside the years"),
        ("t", pa.array([0, 0, 1, 0, 0], pa.timestamp("ns")), "row 2 of the spine: t .* finer than a microsecond"),
        ("origin", [1, 2, 3, None, 2**40], "row 4 of the spine has origin = 1099511627776"),
    ],
)
def test_rows_are_counted_over_all_blocks(column: str, values: list[Any], text: str) -> None:
    table = TABLE.set_column(TABLE.column_names.index(column), column, pa.array(values))
    keys = {"origin": fs.Int32 if column == "origin" else fs.String}
    blocks_ = cut([table], table.schema)
    with pytest.raises(RequestError, match=text):
        list(checked(blocks_, timestamp="t", needed=keys))


def test_a_frame_on_a_parquet_path_needs_neither_pandas_nor_the_dataset_api(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "a.parquet")
    source = featurestore.ParquetSource("source", path=str(tmp_path / "a.parquet"))
    view = featurestore.FeatureView(
        "view", entity=featurestore.Entity("airport", keys={"origin": fs.String}), source=source, event_time="t"
    )  # fmt: skip
    with featurestore.open_store(tmp_path / "store") as store:
        store.apply([view])
        store.materialize("view")
        store.get_training_frame(["view@v1"], TABLE, timestamp="t")  # the first frame of a snapshot tags it in Iceberg
    program = (
        "import sys, featurestore as fs; from pathlib import Path\n"
        "folder = Path(sys.argv[1]); store = fs.open_store(folder / 'store')\n"
        "frame = store.get_training_frame(['view@v1'], folder / 'a.parquet', timestamp='t')\n"
        "assert len(frame.to_arrow()) == len(frame)\n"
        "print([name for name in ('pandas', 'pyarrow.dataset', 'polars') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
