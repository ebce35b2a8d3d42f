"""Migrations: every catalog is at this release's tables, or is refused in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, String, create_engine, inspect, select, text

import featurestore as fs
from featurestore.catalog import database, feature_sets, graph, models, schema
from featurestore.catalog.database import REVISION, Catalog
from featurestore.errors import ConfigError, ReadOnlyError
from tests.postgres_servers import PostgresProcess

MIGRATIONS = Path(database.__file__).parent / "migrations"

OPEN = """
import sys
from featurestore.catalog.database import Catalog
print("ready", flush=True)
sys.stdin.readline()
catalog = Catalog(sys.argv[1])
with catalog.write() as tx:
    tx.record("applied", "version", sys.argv[2])
catalog.close()
"""

PINS = """'{"versions"\\: {}, "columns"\\: {}, "spine"\\: {"digest"\\: "5b1e", "rows"\\: 3, "columns"\\: {}}}'"""

BEFORE_MAKERS = """
insert into assets (id, kind, key, folded, created_at) values
    (1, 'view', 'weather', 'weather', 7), (2, 'version', 'weather@v1', 'weather@v1', 7), (3, 'frame', 'f1', 'f1', 9),
    (4, 'source', 'old', 'old', 5), (5, 'frame', 'f2', 'f2', 10);
insert into changes (at, kind, asset_kind, subject, actor, reason, detail) values
    (7, 'applied', 'version', 'weather@v1', 'ada', '', '{}'), (9, 'trained', 'frame', 'f1', 'bob', '', '{}');
insert into views (id, name, folded, current_version, owner, description, tags) values
    (1, 'weather', 'weather', 1, '', '', '{}');
insert into feature_versions (view_id, number, fingerprint, definition, author, created_at, git_commit, git_dirty)
    values (1, 1, 'ff', '{}', 'ada', 7, 'c0ffee', false);
insert into frames (id, pins, rows, actor, git_commit, git_dirty, created_at) values
    ('f1', {pins}, 3, 'bob', 'beef', true, 9), ('f2', {pins}, 3, 'bob', null, null, 10)
"""


def file(folder: Path) -> str:
    return f"sqlite:///{folder / 'catalog.db'}"


def set_revision(url: str, revision: str) -> None:
    catalog = Catalog(url)
    with catalog.write() as tx:
        tx.connection.execute(text("update alembic_version set version_num = :revision"), {"revision": revision})
    catalog.close()


def test_this_release_is_at_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    assert scripts.get_heads() == [REVISION]
    newest = max(path.name for path in (MIGRATIONS / "versions").glob("*.py"))
    assert newest.partition("_")[0] == REVISION


def test_revisions_sort_by_age() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))
    oldest_first = [script.revision for script in scripts.walk_revisions()][::-1]
    assert oldest_first == sorted(oldest_first)
    assert {len(revision) for revision in oldest_first} == {len(REVISION)}


def test_a_new_catalog_has_the_tables_of_the_schema(url: str) -> None:
    catalog = Catalog(url)
    with catalog.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert context.get_current_revision() == REVISION
        assert compare_metadata(context, schema.metadata) == []
        tables = set(inspect(connection).get_table_names())
    catalog.close()
    assert tables - {"sqlite_sequence"} == {*schema.metadata.tables, "alembic_version"}


def test_a_new_catalog_has_the_constraints_of_the_schema(tmp_path: Path) -> None:
    """What alembic does not compare: nullability, uniqueness, foreign keys and AUTOINCREMENT, table by table."""
    catalog = Catalog(file(tmp_path))
    with catalog.read() as connection:
        migrated = _statements(connection)
        schema.metadata.drop_all(connection)
        schema.metadata.create_all(connection)
        created = _statements(connection)
        connection.rollback()
    catalog.close()
    for name in schema.metadata.tables:
        assert sorted(_lines(migrated[name])) == sorted(_lines(created[name])), name


def test_both_databases_have_the_same_constraints(tmp_path: Path, postgres_catalog: str) -> None:
    found = []
    for url in (file(tmp_path), postgres_catalog):
        catalog = Catalog(url)
        with catalog.read() as connection:
            found.append({name: _constraints(connection, name) for name in schema.metadata.tables})
        catalog.close()
    assert found[0] == found[1]


def _constraints(connection: Connection, table: str) -> list[object]:
    seen = inspect(connection)
    unique = {item["name"] for item in seen.get_unique_constraints(table)}
    return [
        [(item["name"], item["nullable"]) for item in seen.get_columns(table)],
        seen.get_pk_constraint(table)["constrained_columns"],
        sorted(item["column_names"] for item in seen.get_unique_constraints(table)),
        sorted((item["constrained_columns"], item["referred_table"]) for item in seen.get_foreign_keys(table)),
        sorted(item["column_names"] for item in seen.get_indexes(table) if item["name"] not in unique),
    ]


def test_texts_sort_by_code_point_whatever_the_language_of_the_database(postgres_server: PostgresProcess) -> None:
    catalog = Catalog(postgres_server.database("template template0 locale_provider icu icu_locale 'sv-SE'"))
    keys = ["B", "a", "\u00e4", "\U0010ffff", "_", "0"]
    with catalog.write() as tx:
        for key in keys:
            tx.insert(schema.assets, kind="view", key=key, folded=key, created_at=tx.now)
    with catalog.read() as connection:
        columns = [column for table in schema.metadata.tables for column in inspect(connection).get_columns(table)]
        texts = [column["type"].collation for column in columns if isinstance(column["type"], String)]
        found = connection.execute(select(schema.assets.c.key).order_by(schema.assets.c.key)).scalars().all()
    catalog.close()
    assert len(texts) > 20
    assert set(texts) == {"C"}
    assert found == sorted(keys)


def _statements(connection: Connection) -> dict[str, str]:
    rows = connection.execute(text("select name, sql from sqlite_schema where type = 'table'"))
    return {row.name: row.sql for row in rows}


def _lines(statement: str) -> list[str]:
    """Return a table's columns and constraints: what stands between commas that are in no further parentheses."""
    _, _, body = statement.partition("(")
    parts, depth = [""], 0
    for character in body.rstrip().removesuffix(")"):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [" ".join(part.split()) for part in parts]


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    Catalog(file(tmp_path)).close()
    before = (tmp_path / "catalog.db").read_bytes()
    catalog = Catalog(file(tmp_path))
    assert catalog.sequence() == 0
    catalog.close()
    assert (tmp_path / "catalog.db").read_bytes() == before


def test_an_older_catalog_is_brought_up_to_date(url: str) -> None:
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("insert into endpoints (name, folded) values ('eta', 'eta')"))
    engine.dispose()
    catalog = Catalog(url)
    with catalog.read() as connection:
        assert models.endpoint_names(connection) == ["eta"]
        assert feature_sets.names(connection) == []
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    catalog.close()


def test_makers_and_spines_of_an_older_catalog_are_filled_in(tmp_path: Path) -> None:
    engine = create_engine(file(tmp_path))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        for statement in BEFORE_MAKERS.split(";"):
            connection.execute(text(statement.replace("{pins}", PINS)))
    engine.dispose()
    catalog = Catalog(file(tmp_path))
    with catalog.read() as connection:
        made = graph.makings(connection, range(1, 7))
        ((spine, _),) = graph.find(connection, "5b1e", "spine")
        frames = {asset.key for _, _, _, asset in graph.links(connection, [spine], "down", columns=False)}
    catalog.close()
    assert {row: (making.actor, making.code.commit) for row, making in made.items()} == {
        1: ("ada", None),
        2: ("ada", "c0ffee"),
        3: ("bob", "beef"),
        4: (None, None),
        5: (None, None),
        6: ("bob", "beef"),
    }
    assert (spine, frames) == (6, {"f1", "f2"})


def test_a_catalog_without_tables_gets_them(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").touch()
    catalog = Catalog(file(tmp_path))
    assert catalog.sequence() == 0
    catalog.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_catalog_is_refused(made: str, *, read_only: bool) -> None:
    set_revision(made, "9999")
    with pytest.raises(ConfigError, match=r"at revision 9999, written by a newer featurestore; .*: upgrade this one"):
        Catalog(made, read_only=read_only)


def test_a_catalog_of_an_unknown_past_is_refused(made: str) -> None:
    set_revision(made, "0000")
    with pytest.raises(ConfigError, match="upgrade this one"):
        Catalog(made)


def test_reading_needs_a_catalog(url: str) -> None:
    with pytest.raises(ConfigError, match="has no catalog yet, and it was opened read-only: open it once for writing"):
        Catalog(url, read_only=True)


def test_asking_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no catalog yet"):
        Catalog(file(tmp_path), read_only=True)
    assert not (tmp_path / "catalog.db").exists()


def test_reading_needs_the_tables_of_this_release(made: str) -> None:
    set_revision(made, "0000")
    with pytest.raises(ConfigError, match=rf"at revision 0000, not {REVISION}, .* read-only: open it once for writing"):
        Catalog(made, read_only=True)


def test_reading_writes_nothing(made: str) -> None:
    Catalog(made).close()
    catalog = Catalog(made, read_only=True)
    with (
        pytest.raises(ReadOnlyError, match="opened read-only: open it with read_only=False to change it"),
        catalog.write(),
    ):
        pytest.fail("no transaction may start")
    assert catalog.sequence() == 0
    catalog.close()


def test_processes_that_open_a_new_catalog_at_once_all_succeed(url: str) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN, url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    catalog = Catalog(url)
    with catalog.read() as connection:
        subjects = connection.execute(text("select subject from changes")).scalars().all()
        assert connection.execute(text("select version_num from alembic_version")).scalars().all() == [REVISION]
    catalog.close()
    assert sorted(subjects) == [str(number) for number in range(3)]


def test_processes_that_open_a_new_store_at_once_all_succeed(tmp_path: Path) -> None:
    program = "import sys, featurestore as fs; fs.open_store(sys.argv[1]).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    with fs.open_store(tmp_path / "store", read_only=True) as store:
        assert store.views() == []
