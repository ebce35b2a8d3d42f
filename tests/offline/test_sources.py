"""Sources: what is read, what names the data, and what bad data says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import DataScan
from pyiceberg.types import DateType, LongType

from featurestore.errors import ContractError, DefinitionError, FeatureStoreError, SourceError
from featurestore.model.definition import SourceDefinition
from featurestore.model.settings import Settings
from featurestore.model.source import (
    ArrowSource,
    CsvSource,
    DuckDBSource,
    IcebergSource,
    ParquetSource,
    PushSource,
    Source,
)
from featurestore.model.types import Embedding, Int64, String, Timestamp
from featurestore.offline.connection import connect
from featurestore.offline.sources import SourceReader

BIG = 2**53 + 1


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def reader() -> SourceReader:
    return SourceReader(Path("store"), Settings())


def declared(reader: SourceReader, source: Source, columns: Mapping[str, str] | None = None) -> SourceDefinition:
    found = reader.schema(source) if columns is None else columns
    return SourceDefinition(source.name, source.kind, source.location(), tuple(sorted(found.items())))


def rows(
    reader: SourceReader,
    source: Source,
    columns: Mapping[str, str] | None = None,
    *,
    where: tuple[str, datetime] | None = None,
) -> list[dict[str, Any]]:
    definition = declared(reader, source, columns)
    with connect(Path("store"), Settings()) as connection:
        reader.register(connection, definition, where=where)
        try:
            return list(connection.sql(f"SELECT * FROM {source.name}").to_arrow_table().to_pylist())
        except duckdb.Error as error:
            raise ContractError(str(error)) from error


def write(path: str, table: dict[str, Any] | pa.Table) -> Path:
    place = Path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), place)
    return place


# --- parquet


def test_parquet_is_read_from_a_file_a_glob_or_a_folder(reader: SourceReader) -> None:
    write("data/2013/a.parquet", {"k": ["a"], "i": [BIG]})
    write("data/b.parquet", {"k": ["b"], "i": pa.array([None], pa.int64())})
    write("data/.hidden/c.parquet", {"k": ["c"], "i": [1]})
    both = [{"i": BIG, "k": "a"}, {"i": None, "k": "b"}]
    assert rows(reader, ParquetSource("s", path="data")) == both
    assert rows(reader, ParquetSource("s", path="data/**/*.parquet")) == both
    assert rows(reader, ParquetSource("s", path="data/b.parquet")) == both[1:]


def test_nothing_found_says_what_was_looked_for_and_where(reader: SourceReader, folder: Path) -> None:
    for path in ("gone.parquet", "gone/*.parquet", str(folder)):
        with pytest.raises(SourceError, match="source 's'") as caught:
            reader.schema(ParquetSource("s", path=path))
        assert path in str(caught.value)
        assert str(folder) in str(caught.value)
    with pytest.raises(SourceError, match="not a local path"):
        reader.schema(ParquetSource("s", path="s3://bucket/x.parquet"))


def test_a_file_that_is_no_parquet_is_a_source_error(reader: SourceReader) -> None:
    Path("x.parquet").write_text("no", encoding="utf-8")
    with pytest.raises(SourceError, match="source 's'"):
        reader.schema(ParquetSource("s", path="x.parquet"))


def test_a_column_that_vanished_or_changed_its_type_is_a_contract_error(reader: SourceReader) -> None:
    source = ParquetSource("s", path="x.parquet")
    write("x.parquet", {"i": [1]})  # wider than it was: read as declared, while the values fit
    assert rows(reader, source, {"i": "INTEGER"}) == [{"i": 1}]
    write("x.parquet", {"i": [2**40]})
    with pytest.raises(FeatureStoreError, match=r"INT32|INTEGER"):
        rows(reader, source, {"i": "INTEGER"})
    write("x.parquet", {"i": ["1"]})
    with pytest.raises(ContractError, match="'i' of source 's' is declared INTEGER and now is VARCHAR"):
        rows(reader, source, {"i": "INTEGER"})
    with pytest.raises(ContractError, match=r"no longer has the declared column gone\. There is: i"):
        rows(reader, source, {"gone": "INTEGER"})


def test_only_declared_columns_are_read(reader: SourceReader) -> None:
    write("x.parquet", {"i": [1], "new": [{"a": 1}]})
    assert rows(reader, ParquetSource("s", path="x.parquet"), {"i": "BIGINT"}) == [{"i": 1}]


def test_the_data_version_is_the_content_wherever_the_files_lie(reader: SourceReader) -> None:
    write("one/a.parquet", {"i": [1]})
    write("two/a.parquet", {"i": [1]})
    first = reader.data_version(ParquetSource("s", path="one"))
    assert first.startswith("files:")
    assert len(first) == len("files:") + 32
    assert reader.data_version(ParquetSource("t", path="two/*.parquet")) == first
    write("two/a.parquet", {"i": [2]})
    assert reader.data_version(ParquetSource("t", path="two")) != first
    write("one/b.parquet", {"i": [1]})
    assert reader.data_version(ParquetSource("s", path="one")) != first


def test_a_lower_bound_leaves_out_earlier_rows_and_rows_without_a_time(reader: SourceReader) -> None:
    moments = [datetime(2013, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    for type_ in (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32(), pa.timestamp("ns")):
        write("x.parquet", {"t": pa.array([*moments, None], pa.timestamp("us", "UTC")).cast(type_, safe=False)})
        found = rows(reader, ParquetSource("s", path="x.parquet"), where=("t", moments[1]))
        assert len(found) == 2, type_


# --- csv


def test_a_quoted_empty_field_is_text_and_an_empty_one_is_null(reader: SourceReader) -> None:
    Path("x.csv").write_text('k,s,i\na,"",1\nb,,2\nc,"NA",\nd,NA,4\n', encoding="utf-8")
    source = CsvSource("s", path="x.csv", nulls=("", "NA"))
    assert reader.schema(source) == {"k": "VARCHAR", "s": "VARCHAR", "i": "BIGINT"}
    assert [(row["s"], row["i"]) for row in rows(reader, source)] == [("", 1), (None, 2), ("NA", None), (None, 4)]


def test_without_null_texts_nothing_is_null(reader: SourceReader) -> None:
    Path("x.csv").write_text("k,s\na,\n", encoding="utf-8")
    assert rows(reader, CsvSource("s", path="x.csv", nulls=())) == [{"k": "a", "s": ""}]


def test_stated_types_win_over_detected_ones(reader: SourceReader) -> None:
    Path("x.csv").write_text("zip,t\n00501,2013-01-01 05:00:00\n", encoding="utf-8")
    source = CsvSource("s", path="x.csv", types={"zip": String, "t": Timestamp})
    assert rows(reader, source) == [{"t": datetime(2013, 1, 1, 5, tzinfo=UTC), "zip": "00501"}]
    with pytest.raises(DefinitionError, match="types= names gone, but the columns are zip, t"):
        reader.schema(CsvSource("s", path="x.csv", types={"gone": String}))


@pytest.mark.parametrize("day", ["13/02/2013", "02/13/2013", "01/02/2013"])
def test_dates_that_could_be_read_two_ways_stay_text(reader: SourceReader, day: str) -> None:
    Path("x.csv").write_text(f"d,iso\n{day},2013-02-13\n", encoding="utf-8")
    assert reader.schema(CsvSource("s", path="x.csv")) == {"d": "VARCHAR", "iso": "DATE"}


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        (["2013-01-01", "2013-01-01 05:00"], "TIMESTAMP"),
        (["2013-01-01T05:00:00.123", ""], "TIMESTAMP"),
        (["2013-01-01T05:00:00Z", "2013-01-01 05:00:00+01:00"], "TIMESTAMP WITH TIME ZONE"),
        (["2013-01-01", "soon"], "VARCHAR"),
        (["2013-13-01"], "VARCHAR"),
        (["", ""], "VARCHAR"),
        (["1", "2.5"], "DOUBLE"),
        (["true", "false"], "BOOLEAN"),
    ],
)
def test_types_are_detected(reader: SourceReader, values: list[str], type_: str) -> None:
    lines = "".join(f"x,{value}\n" for value in values)
    Path("x.csv").write_text(f"k,v\n{lines}", encoding="utf-8")
    assert reader.schema(CsvSource("s", path="x.csv"))["v"] == type_


def test_changed_data_cannot_retype_a_column_of_a_stored_version(reader: SourceReader) -> None:
    path = Path("x.csv")
    path.write_text("k,i\na,1\n", encoding="utf-8")
    source = CsvSource("s", path="x.csv")
    columns = reader.schema(source)
    path.write_text("k,i\n1,1\n", encoding="utf-8")
    assert rows(reader, source, columns) == [{"i": 1, "k": "1"}]
    path.write_text("k,i\na,1\nb,many\n", encoding="utf-8")
    with pytest.raises(ContractError, match="Line: 3") as caught:
        rows(reader, source, columns)
    for part in ('"i"', '"many"', "x.csv"):
        assert part in str(caught.value)
    path.write_text("k,j\na,1\n", encoding="utf-8")
    with pytest.raises(ContractError, match="no longer has the declared column i"):
        rows(reader, source, columns)


@pytest.mark.parametrize("value", ["01/02/2013", "2013-01-01T00:00:00.1234567", "soon"])
def test_a_time_that_is_none_or_too_fine_names_file_column_and_value(reader: SourceReader, value: str) -> None:
    Path("x.csv").write_text(f"t\n{value}\n", encoding="utf-8")
    with pytest.raises(ContractError, match="'t' of source 's' is declared TIMESTAMP") as caught:
        rows(reader, CsvSource("s", path="x.csv"), {"t": "TIMESTAMP"})
    assert f"'{value}' in " in str(caught.value)
    assert "x.csv" in str(caught.value)


def test_try_cast_over_csv_is_null_where_it_fails(reader: SourceReader) -> None:
    """duckdb#23818: pushed into the reader, it would fail the query."""
    Path("x.csv").write_text("v\n1\nmany\n", encoding="utf-8")
    with connect(Path("store"), Settings()) as connection:
        reader.register(connection, declared(reader, CsvSource("s", path="x.csv")))
        found = connection.execute("SELECT TRY_CAST(v AS BIGINT) FROM s").fetchall()
    assert found == [(1,), (None,)]


# --- duckdb


def test_a_database_file_is_read_only_and_its_query_sees_its_own_tables(reader: SourceReader) -> None:
    with duckdb.connect("x.db") as connection:
        connection.execute("CREATE SCHEMA other; CREATE TABLE other.t AS SELECT 1::HUGEINT AS a, 'x' AS b")
        connection.execute("CREATE VIEW v AS SELECT a, b FROM other.t")
    source = DuckDBSource("s", database="x.db", sql="SELECT a::BIGINT AS a, b FROM v JOIN other.t USING (a, b);")
    before = reader.data_version(source)
    assert rows(reader, source) == [{"a": 1, "b": "x"}]
    assert reader.data_version(source) == before
    with duckdb.connect("x.db") as connection:
        connection.execute("INSERT INTO other.t VALUES (2, 'y')")
    assert reader.data_version(source) != before
    assert rows(reader, source, {"b": "VARCHAR"}) == [{"b": "x"}, {"b": "y"}]


def test_a_database_or_query_that_cannot_be_read_says_so(reader: SourceReader) -> None:
    with pytest.raises(SourceError, match=r"there is no DuckDB database 'gone\.db'"):
        reader.schema(DuckDBSource("s", database="gone.db", sql="SELECT 1"))
    duckdb.connect("x.db").close()
    for sql in ("DROP TABLE t", "SELECT 1; SELECT 2"):
        with pytest.raises(DefinitionError, match="not one query"):
            reader.schema(DuckDBSource("s", database="x.db", sql=sql))
    with pytest.raises(DefinitionError, match="nowhere"):
        reader.schema(DuckDBSource("s", database="x.db", sql="SELECT * FROM nowhere"))


# --- rows kept in the store


def test_an_arrow_table_is_kept_with_its_exact_types_and_replaced(reader: SourceReader) -> None:
    table = pa.table({"i": [BIG, None], "e": pa.array([[1, 2], None], pa.list_(pa.float32(), 2))})
    source = ArrowSource("s", table=table)
    assert reader.schema(source) == {"i": "BIGINT", "e": "FLOAT[2]"}
    with pytest.raises(SourceError, match="no rows in this store"):
        reader.data_version(declared(reader, source))
    reader.keep(source)
    assert rows(reader, source) == [{"e": [1.0, 2.0], "i": BIG}, {"e": None, "i": None}]
    first = reader.data_version(source)
    reader.keep(ArrowSource("s", table=pa.concat_tables([table.slice(0, 1), table.slice(1)])))
    assert reader.data_version(source) == first
    reader.keep(ArrowSource("s", table=table.slice(1)))
    assert rows(reader, source) == [{"e": None, "i": None}]
    reader.keep(source)
    assert reader.data_version(source) == first
    assert len(list(Path("store/sources/s").iterdir())) == 3


def test_rows_of_other_libraries_are_tables_too(reader: SourceReader) -> None:
    import pandas as pd
    import polars as pl

    for given in ({"i": [1]}, [{"i": 1}], pl.DataFrame({"i": [1]}), pd.DataFrame({"i": [1]})):
        source = ArrowSource("s", table=given)
        reader.keep(source)
        assert rows(reader, source) == [{"i": 1}]
    with pytest.raises(SourceError, match="a int, do not make a table"):
        reader.schema(ArrowSource("s", table=1))
    with pytest.raises(ContractError, match="'x' has type null"):
        reader.keep(ArrowSource("s", table={"x": [None]}))


def test_of_a_push_source_what_its_log_has_folded_is_read(reader: SourceReader) -> None:
    source = PushSource("s", schema={"i": Int64, "e": Embedding(2)})
    assert rows(reader, source) == []
    empty = reader.data_version(source)
    table = pa.table({"i": [BIG], "e": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2))})
    reader.log("s").append(table)
    assert (rows(reader, source), reader.data_version(source)) == ([], empty)
    reader.log("s").fold()
    assert rows(reader, source) == table.to_pylist()
    assert reader.data_version(source) != empty


def test_rows_may_be_read_in_place_of_a_sources_own(reader: SourceReader) -> None:
    source = declared(reader, PushSource("s", schema={"i": Int64, "e": Embedding(2)}))
    table = pa.table({"i": [BIG], "e": pa.array([[1.0, 2.0]], pa.list_(pa.float32(), 2)), "more": ["x"]})
    with connect(Path("store"), Settings()) as connection:
        reader.register_rows(connection, source, table)
        assert connection.execute("SELECT i, e FROM s").fetchall() == [(BIG, (1.0, 2.0))]
        with pytest.raises(ContractError, match="column 'i' of source 's' is declared BIGINT and now is VARCHAR"):
            reader.register_rows(connection, source, table.set_column(0, "i", pa.array(["1"])))


# --- iceberg


def test_iceberg_is_read_by_field_id_with_added_files_beside(reader: SourceReader, folder: Path) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    source = IcebergSource("s", catalog=properties, table="n.t")
    with SqlCatalog("default", **properties) as catalog:
        catalog.create_namespace("n")
        fields: list[Any] = [("a", pa.int32()), ("b", pa.string()), ("l", pa.list_(pa.int64()))]
        table = catalog.create_table("n.t", schema=pa.schema(fields))
        assert reader.data_version(source) == "iceberg:empty"
        assert rows(reader, source) == []
        table.append(pa.table({"a": pa.array([1], pa.int32()), "b": ["x"], "l": [[1, None]]}))
        first = table.current_snapshot()
        assert first is not None
        with table.update_schema() as update:
            update.rename_column("b", "c")
            update.add_column("d", DateType())
            update.update_column("a", LongType())
        table.add_files([str(write("added.parquet", {"a": [BIG], "c": ["added"]}).resolve())])
        second = table.current_snapshot()
        assert second is not None
    assert reader.schema(source) == {"a": "BIGINT", "c": "VARCHAR", "l": "BIGINT[]", "d": "DATE"}
    assert reader.data_version(source) == f"iceberg:{second.snapshot_id}"
    assert sorted(rows(reader, source), key=lambda row: row["a"]) == [
        {"a": 1, "c": "x", "d": None, "l": [1, None]},
        {"a": BIG, "c": "added", "d": None, "l": None},
    ]
    pinned = IcebergSource("s", catalog=properties, table="n.t", snapshot_id=first.snapshot_id)
    assert rows(reader, pinned) == [{"a": 1, "b": "x", "l": [1, None]}]
    with pytest.raises(SourceError, match="no snapshot 5"):
        reader.schema(IcebergSource("s", catalog=properties, table="n.t", snapshot_id=5))
    with pytest.raises(SourceError, match=r"no Iceberg table 'n\.gone'"):
        reader.schema(IcebergSource("s", catalog=properties, table="n.gone"))
    with pytest.raises(SourceError, match="catalog cannot be opened"):
        reader.schema(IcebergSource("s", catalog={"type": "nonsense"}, table="n.t"))


def test_iceberg_tables_with_delete_files_or_remote_files_are_refused(
    reader: SourceReader, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    properties = {"type": "sql", "uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"}
    definition = SourceDefinition("s", "iceberg", {"catalog": properties, "table": "n.t"}, (("a", "BIGINT"),))
    with SqlCatalog("default", **properties) as catalog:
        catalog.create_namespace("n")
        catalog.create_table("n.t", schema=pa.schema([pa.field("a", pa.int64())])).append(pa.table({"a": [1]}))
    (task,) = plan(definition)
    for deletes, path, why in (
        ({task.file}, task.file.file_path, "delete files"),
        (set(), "s3://b/x.parquet", "local"),
    ):
        faked = SimpleNamespace(delete_files=deletes, file=SimpleNamespace(file_path=path))
        monkeypatch.setattr(DataScan, "plan_files", lambda _, faked=faked: [faked])
        with connect(Path("store"), Settings()) as connection, pytest.raises(SourceError, match=why):
            reader.register(connection, definition)


def plan(definition: SourceDefinition) -> list[Any]:
    with SqlCatalog("default", **definition.location["catalog"]) as catalog:
        return list(catalog.load_table("n.t").scan().plan_files())
