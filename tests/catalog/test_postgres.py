"""A catalog in PostgreSQL: which folder it belongs to, what is told when it cannot be had, and whom it outlives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

import featurestore as fs
from featurestore import config
from featurestore.catalog.database import Catalog
from featurestore.catalog.place import ID_FILE
from featurestore.errors import ConfigError, ConflictError, UnavailableError
from tests.postgres_servers import PostgresProcess, postgres_process

SECRET = "s3cr"
"""How the server's password begins, as it is and as it is written in a URL."""


@pytest.fixture
def url(postgres_server: PostgresProcess, monkeypatch: pytest.MonkeyPatch) -> str:
    made = postgres_server.schema()
    monkeypatch.setenv("FEATURESTORE_CATALOG", made)
    return made


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresProcess]:
    with postgres_process() as server:
        yield server


# --- a folder and a database belong together


def test_a_store_keeps_only_rows_in_its_folder(url: str, tmp_path: Path) -> None:
    airport = fs.Entity("airport", keys={"origin": fs.String})
    with fs.open_store(tmp_path / "store") as store:
        store.apply(
            [
                fs.FeatureView(
                    "w", entity=airport, source=fs.PushSource("p", schema={"origin": fs.String, "fog": fs.Bool})
                )
            ]
        )
    assert not (tmp_path / "store" / "catalog.db").exists()
    with fs.open_store(tmp_path / "store", read_only=True) as store:
        assert store.views() == ["w"]
    catalog = Catalog(url)
    assert catalog.sequence() == 1
    catalog.close()


def test_two_schemas_hold_two_stores(url: str, postgres_server: PostgresProcess, tmp_path: Path) -> None:
    fs.open_store(tmp_path / "one").close()
    toml = tmp_path / "two.toml"
    toml.write_text(f'store = "two"\ncatalog = "{postgres_server.schema()}"\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("FEATURESTORE_CATALOG")
        fs.open_store(toml).close()
    ids = {(tmp_path / name / ID_FILE).read_text() for name in ("one", "two")}
    assert len(ids) == 2
    assert url not in toml.read_text()


def test_another_folder_is_refused(url: str, tmp_path: Path) -> None:
    assert url
    fs.open_store(tmp_path / "one").close()
    for read_only in (False, True):
        (tmp_path / "two").mkdir(exist_ok=True)
        (tmp_path / "two" / ID_FILE).write_text("0" * 32)
        with pytest.raises(ConfigError, match=r"is the catalog of another folder than .*two"):
            fs.open_store(tmp_path / "two", read_only=read_only)
    with pytest.raises(ConfigError, match=r"is the catalog of another folder than .*three"):
        fs.open_store(tmp_path / "three")


def test_an_empty_database_is_refused_for_a_folder_with_rows(
    url: str, postgres_server: PostgresProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert url
    fs.open_store(tmp_path / "store").close()
    (tmp_path / "store" / "offline").mkdir()
    monkeypatch.setenv("FEATURESTORE_CATALOG", postgres_server.schema())
    with pytest.raises(ConfigError, match=r"is empty, but the store's folder .* is not: name its own database"):
        fs.open_store(tmp_path / "store")


def test_a_crash_between_the_id_and_its_row_is_made_good(url: str, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / ID_FILE).write_text("1" * 32)
    fs.open_store(tmp_path / "store").close()
    fs.open_store(tmp_path / "store", read_only=True).close()
    catalog = Catalog(url)
    with catalog.read() as connection:
        assert connection.execute(text("select id from store")).scalars().all() == ["1" * 32]
    catalog.close()


def test_processes_that_open_a_new_store_at_once_all_succeed(url: str, tmp_path: Path) -> None:
    assert url
    program = "import sys, featurestore as fs; fs.open_store(sys.argv[1]).close()"
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "store")], stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in started:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors


def test_a_store_is_not_opened_without_the_setting(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert url
    fs.open_store(tmp_path / "store").close()
    monkeypatch.delenv("FEATURESTORE_CATALOG")
    with pytest.raises(ConfigError, match=r"is in PostgreSQL: name the featurestore\.toml that says where"):
        fs.open_store(tmp_path / "store")


def test_the_setting_does_not_hide_a_catalog_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs.open_store(tmp_path / "store").close()
    monkeypatch.setenv("FEATURESTORE_CATALOG", "postgresql://127.0.0.1:1/none")
    with pytest.raises(ConfigError, match=r"has its catalog in catalog\.db"):
        fs.open_store(tmp_path / "store")


# --- addresses, and what is never told


@pytest.mark.parametrize(
    "setting",
    [
        "mysql://ada:s3cret@host/db",
        "s3cret",
        "",
        "postgresql://ada:s3c@ret@127.0.0.1:1/db",
        "postgresql://ada:s3c/ret@127.0.0.1:1/db",
        "postgresql://ada:s3cr#t@127.0.0.1:1/db",
        "postgresql://ada:s3cr%zzt@127.0.0.1:1/db",
        "postgresql://ada:s3cret@127.0.0.1:1/db?no_such_option=1",
        "postgresql://ada:s3cret@127.0.0.1:99999/db",
        "postgresql://ada:s3cret@127.0.0.1:1/db",
    ],
)
def test_no_message_tells_a_password(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    if setting:
        monkeypatch.setenv("FEATURESTORE_CATALOG", setting)
    else:
        (tmp_path / "featurestore.toml").write_text("catalog = ['s3cret']")
    with pytest.raises((ConfigError, UnavailableError)) as caught:
        fs.open_store(tmp_path / "featurestore.toml" if not setting else tmp_path / "store")
    error: BaseException | None = caught.value
    while error is not None:
        assert "s3c" not in str(error), type(error)
        assert "ret@" not in str(error), type(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    assert not recwarn.list


def test_settings_do_not_show_the_address(url: str, tmp_path: Path) -> None:
    root, settings = config.load(tmp_path / "store")
    assert settings.catalog == url
    assert SECRET not in repr(settings)
    with fs.open_store(root) as store:
        assert SECRET not in repr(store)


def test_an_unknown_scheme_is_named() -> None:
    from featurestore.catalog.place import check_setting

    with pytest.raises(ConfigError, match=r"unknown scheme 'postgre'\. Did you mean 'postgres'"):
        check_setting("postgre://ada:s3cret@host/db")


def test_without_the_client_library_the_extra_is_named(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from featurestore.catalog.database import Catalog\n"
        "from featurestore.errors import ConfigError\n"
        "try: Catalog('postgresql://127.0.0.1:1/db')\n"
        "except ConfigError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "pip install 'featurestore[postgres]'" in done.stdout


# --- servers that are not there, or refuse


def test_a_server_that_is_not_there_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"the catalog at postgresql://ada@127\.0\.0\.1:1/db cannot be reached"):
        Catalog("postgresql://ada:s3cret@127.0.0.1:1/db")


def test_a_server_that_went_away_is_told_and_found_again(own_server: PostgresProcess) -> None:
    catalog = Catalog(own_server.database())
    with catalog.write() as tx:
        tx.record("applied", "version", "kept")

    def read_on() -> None:
        with catalog.read() as connection:
            connection.execute(text("select 1"))
            own_server.stop()
            connection.execute(text("select 1"))

    with pytest.raises(UnavailableError, match="cannot be reached"):
        read_on()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        catalog.sequence()
    own_server.start()
    assert catalog.sequence() == 1
    with catalog.write() as tx:
        assert tx.record("applied", "version", "after") > 1  # a crash may skip numbers, never repeat one
    catalog.close()


def test_a_user_without_rights_is_told(own_server: PostgresProcess) -> None:
    url = own_server.database()
    Catalog(url).close()
    own_server.run(
        "create role reader login password 'reader'; grant select on all tables in schema public to reader", url
    )
    catalog = Catalog(f"postgresql://reader:reader@{url.rpartition('@')[2]}")
    assert catalog.sequence() == 0

    def write() -> None:
        with catalog.write() as tx:
            tx.record("applied", "version", "no")

    with pytest.raises(ConfigError, match="refuses, its user has not the right: permission denied"):
        write()
    catalog.close()


def test_a_read_refuses_to_write(catalog: Catalog) -> None:
    def write() -> None:
        with catalog.read() as connection:
            connection.execute(text("delete from changes"))

    with pytest.raises(ConfigError, match="read-only"):
        write()


def test_a_writer_that_fell_silent_lets_go(postgres_catalog: str) -> None:
    """As a machine that died: the server ends its transaction, here by hand rather than after a minute."""
    silent, catalog = Catalog(postgres_catalog), Catalog(postgres_catalog)

    def fall_silent() -> None:
        with silent.write() as tx:
            tx.record("applied", "version", "lost")
            backend = tx.connection.execute(text("select pg_backend_pid()")).scalar_one()
            limit = tx.connection.execute(text("show idle_in_transaction_session_timeout")).scalar_one()
            assert limit == "1min"
            with catalog.read() as connection:
                connection.execute(text("select pg_terminate_backend(:pid, 10000)"), {"pid": backend})
            with catalog.write() as other:
                other.record("applied", "version", "kept")

    with pytest.raises((UnavailableError, ConflictError)):
        fall_silent()
    with catalog.read() as connection:
        assert connection.execute(text("select subject from changes")).scalars().all() == ["kept"]
    silent.close()
    catalog.close()


@pytest.fixture
def catalog(postgres_catalog: str) -> Iterator[Catalog]:
    opened = Catalog(postgres_catalog)
    yield opened
    opened.close()
