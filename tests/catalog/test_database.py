"""The catalog's database: serial writes, consistent reads, nothing half-written, nothing lost."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from featurestore.catalog import database, schema, versions
from featurestore.catalog.database import Catalog, Transaction, acting_as, current_actor
from featurestore.errors import ConflictError
from featurestore.model.definition import Computation, Definition, FeatureDefinition, Metadata
from featurestore.model.types import Float64, String
from featurestore.model.version import CodeState

ROOT = Path(__file__).parents[2]

COUNT = """
import sys
from featurestore.catalog import versions
from featurestore.catalog.database import Catalog
from featurestore.model.definition import Metadata
from featurestore.model.version import CodeState
from tests.catalog.test_database import definition

catalog = Catalog(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for turn in range(10):
    with catalog.write() as tx:
        before = versions.current(tx.connection, "weather").number
        made = versions.insert(tx, definition(f"{sys.argv[2]}.{turn}"), Metadata(), CodeState())
        assert made.number == before + 1
        tx.record("applied", "version", made.reference, by=sys.argv[2])
catalog.close()
"""

DIE = """
import os, sys
from featurestore.catalog.database import Catalog
catalog = Catalog(sys.argv[1])
with catalog.write() as tx:
    tx.record("applied", "version", "kept")
with catalog.write() as tx:
    tx.record("applied", "version", "lost")
    print("ready", flush=True)
    sys.stdin.readline()
"""


def definition(what: str) -> Definition:
    return Definition(
        "weather",
        "airport",
        (("origin", String),),
        (),
        Computation("sql", what, what),
        "time_hour",
        None,
        None,
        None,
        (FeatureDefinition("temp", Float64, identity=what),),
    )


def subjects(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return list(connection.execute(select(schema.changes.c.subject).order_by(schema.changes.c.id)).scalars())


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


# --- what a transaction writes


def test_a_failed_write_leaves_nothing(catalog: Catalog) -> None:
    with catalog.write() as tx:
        tx.record("applied", "version", "kept")

    def fail(tx: Transaction) -> None:
        versions.insert(tx, definition("1"), Metadata(), CodeState())
        tx.record("applied", "version", "lost")
        raise RuntimeError("the verb failed")

    with pytest.raises(RuntimeError, match="the verb failed"), catalog.write() as tx:
        fail(tx)
    assert subjects(catalog) == ["kept"]
    with catalog.read() as connection:
        assert versions.view_names(connection) == []
    with catalog.write() as tx:
        assert versions.insert(tx, definition("1"), Metadata(), CodeState()).number == 1


def test_a_transaction_says_who_and_when_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_ACTOR", "ada")
    before = datetime.now(UTC)
    with catalog.write() as tx:
        first = tx.record("applied", "version", "a", "because", rows=3)
        second = tx.record("applied", "version", "b")
        assert (second, tx.actor) == (first + 1, "ada")
        assert before <= tx.now <= datetime.now(UTC)
    with catalog.read() as connection:
        rows = connection.execute(select(schema.changes).order_by(schema.changes.c.id)).all()
    assert {row.at for row in rows} == {tx.now}
    assert (rows[0].actor, rows[0].reason, rows[0].detail) == ("ada", "because", {"rows": 3})
    assert (rows[1].reason, rows[1].detail) == ("", {})
    assert catalog.sequence() == second


def test_the_actor_is_the_processes_user_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_ACTOR", "")
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    assert current_actor() == "grace"

    def fail() -> str:
        raise OSError("no such user")

    monkeypatch.setattr(getpass, "getuser", fail)
    assert current_actor() == "unknown"


def test_a_server_acts_as_its_callers_each_in_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_ACTOR", "server")
    with acting_as("ann"):
        assert current_actor() == "ann"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(current_actor).result() == "server"
        with acting_as("bob"):
            assert current_actor() == "bob"
        assert current_actor() == "ann"
    assert current_actor() == "server"


def test_numbers_of_lost_changes_may_come_again_but_never_those_of_kept_ones(catalog: Catalog) -> None:
    with catalog.write() as tx:
        first = tx.record("applied", "version", "a")
        tx.connection.execute(schema.changes.delete())
    with catalog.write() as tx:
        assert tx.record("applied", "version", "b") > first


@pytest.mark.parametrize("year", [1, 1969, 1970, 9999])
def test_moments_are_exact(catalog: Catalog, year: int) -> None:
    moment = datetime(year, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
    with catalog.write() as tx:
        tx.insert(schema.assets, kind="k", key="a", folded="a", created_at=moment)
    with catalog.read() as connection:
        assert connection.execute(select(schema.assets.c.created_at)).scalar_one() == moment
        assert isinstance(connection.execute(text("select created_at from assets")).scalar_one(), int)


# --- how the database is opened


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_commits_are_durable_and_references_hold(catalog: Catalog) -> None:
    settings = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
    with catalog.read() as one, catalog.read() as two, catalog.write() as tx:
        for connection in (one, two, tx.connection):
            found = {name: connection.execute(text(f"pragma {name}")).scalar() for name in settings}
            assert found == settings


def test_a_row_cannot_name_what_is_not_there(catalog: Catalog) -> None:
    def dangle(tx: Transaction) -> None:
        tx.connection.execute(insert(schema.edges).values(upstream=7, downstream=8, kind="reads", at=tx.now))

    with pytest.raises(IntegrityError, match=r"(?i)foreign key"), catalog.write() as tx:
        dangle(tx)


def test_what_was_committed_survives_a_kill_and_the_rest_does_not(made: str, catalog: Catalog) -> None:
    process = start(DIE, made)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)
    with catalog.write() as tx:  # the lock died with its holder
        tx.record("applied", "version", "after")
    assert subjects(catalog) == ["kept", "after"]


# --- several at once


def test_writes_of_several_processes_are_serial(made: str, catalog: Catalog) -> None:
    with catalog.write() as tx:
        versions.insert(tx, definition("first"), Metadata(), CodeState())
    processes = [start(COUNT, made, who) for who in ("ada", "grace")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=90)
        assert process.returncode == 0, errors
    with catalog.read() as connection:
        found = versions.of_view(connection, "weather")
        assert versions.current(connection, "weather").number == 21
    assert [version.number for version in found] == list(range(1, 22))
    assert subjects(catalog) == [f"weather@v{number}" for number in range(2, 22)]


def test_a_lock_that_stays_is_a_conflict(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
    one, two = Catalog(made), Catalog(made)
    with one.write() as tx:
        tx.record("applied", "version", "one")
        message = "stayed locked by another process for 0.1 seconds: try again"
        with pytest.raises(ConflictError, match=message), two.write():
            pytest.fail("no second transaction may start")
    with two.write() as tx:
        tx.record("applied", "version", "two")
    assert subjects(one) == ["one", "two"]
    one.close()
    two.close()


def test_other_failures_of_the_database_stay_what_they_are(catalog: Catalog) -> None:
    def misspell(tx: Transaction) -> None:
        tx.connection.execute(text("select * from no_such_table"))

    with pytest.raises(DBAPIError, match=r"no such table|does not exist"), catalog.write() as tx:
        misspell(tx)


def test_a_read_sees_one_state_while_another_writes(made: str, catalog: Catalog) -> None:
    other = Catalog(made)
    with catalog.write() as tx:
        tx.record("applied", "version", "a")
    query = select(schema.changes.c.subject).order_by(schema.changes.c.id)
    with catalog.read() as connection:
        assert connection.execute(query).scalars().all() == ["a"]
        with other.write() as tx:
            tx.record("applied", "version", "b")
            assert connection.execute(query).scalars().all() == ["a"]
        assert connection.execute(query).scalars().all() == ["a"]
        assert subjects(other) == ["a", "b"]
    assert subjects(catalog) == ["a", "b"]
    other.close()


def test_a_write_sees_all_that_was_written_before_it(made: str, catalog: Catalog) -> None:
    other = Catalog(made)
    for number in range(3):
        with (catalog, other)[number % 2].write() as tx:
            assert tx.record("applied", "version", str(number)) == number + 1
    assert catalog.sequence() == other.sequence() == 3
    other.close()
