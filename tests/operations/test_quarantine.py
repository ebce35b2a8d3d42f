"""Quarantine: rows that break a contract are kept and looked at, and neither published nor trained on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from tests.cli.story import call
from tests.operations.conftest import ViewMaker, hour, weather

PROMISED = fs.Contract({"wind": fs.Expect(fs.Float64, absent=None, at_least=0)}, key=("origin", "time_hour"))


def source(contract: fs.Contract | None = PROMISED) -> fs.ParquetSource:
    return fs.ParquetSource("weather", path="weather/*.parquet", contract=contract)


def write(folder: Path, hours: range, wind: float | None = None) -> None:
    """Write the hours into a file of their own, with a wind that breaks the contract or does not."""
    rows = weather(hours)
    rows = rows if wind is None else rows.with_columns(wind=pl.lit(wind))
    rows.write_parquet(folder / "weather" / f"{hours.start}.parquet")


@pytest.fixture
def good(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    """Give a store with a good head, published and activated."""
    store.apply([view(source=source(), ttl=None)])
    store.materialize("airport_weather", end=hour(48))
    store.publish("airport_weather@v1")
    store.activate("airport_weather@v1")
    return store


def head(store: fs.FeatureStore) -> str | None:
    (version,) = store.status().views[0].versions
    return version.snapshot


def iceberg_rows(store: fs.FeatureStore) -> int:
    from pyiceberg.catalog.sql import SqlCatalog

    catalog = SqlCatalog("featurestore", uri=f"sqlite:///{store.root / 'iceberg.db'}", warehouse=str(store.root))
    return catalog.load_table(("airport_weather", "v1")).scan().to_arrow().num_rows


def test_bad_rows_stop_at_the_door(good: fs.FeatureStore, folder: Path, spine: pl.DataFrame) -> None:
    before = head(good)
    write(folder, range(48, 50), wind=-1.0)
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert held.quarantined
    assert held.quarantine is not None
    assert held.quarantine.below == before
    (reason,) = held.quarantine.reasons
    assert (reason.subject, reason.detail["rows"], reason.detail["examples"]) == ("weather.wind", 4, ["-1.0"])

    # the head, and what other engines see, are the last good ones; the rows can be looked at
    assert head(good) == before
    assert iceberg_rows(good) == 96
    assert good.read_snapshot(held).num_rows == 100
    assert good.read_snapshot(held.id[:8], limit=3).num_rows == 3
    assert good.snapshots("airport_weather")[-1] == held == good.snapshot(held.id)

    # publish says why, and what to do; what is online stays
    with pytest.raises(fs.QuarantineError, match=rf"{held.id[:8]} .* cannot be published.*-1.0.*featurestore approve"):
        good.publish("airport_weather@v1", snapshot=held)
    with pytest.raises(fs.QuarantineError, match=f"What is online stays.* --snapshot {(before or '')[:8]}"):
        good.publish("airport_weather@v1")
    (version,) = good.status().views[0].versions
    assert version.published is not None
    assert (version.published.snapshot, version.quarantined) == (before, (held.id,))
    assert held.id[:12] in str(good.status())

    # a frame reads the last good rows, and cannot be pinned to these
    frame = good.get_training_frame(["airport_weather@v1"], spine.drop_nulls())
    (pin,) = frame.pins.pins
    assert pin.snapshot == before
    pins = fs.PinSet.loads(frame.pins.dumps().replace(str(before), held.id))
    with pytest.raises(fs.QuarantineError, match="cannot be trained on"):
        good.get_training_frame(pins)

    # the history tells it
    change = good.changes()[-2]
    assert (change.kind, change.subject, change.detail["snapshot"]) == (
        "quarantined",
        "version/airport_weather@v1",
        held.id,
    )


def test_an_approved_snapshot_is_the_head(good: fs.FeatureStore, folder: Path) -> None:
    write(folder, range(48, 50), wind=-1.0)
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    with pytest.raises(fs.RequestError, match="approved for a reason"):
        good.approve(held, reason=" ")
    approved = good.approve(held.id[:8], reason="a new sensor")
    assert approved.id == held.id == head(good)
    assert approved.quarantine is not None
    assert (approved.quarantine.state, approved.quarantine.reason) == ("approved", "a new sensor")
    assert approved.iceberg_snapshot_id is not None
    assert iceberg_rows(good) == 100
    assert good.publish("airport_weather@v1").snapshot == held.id
    change = next(item for item in good.changes() if item.kind == "approved")
    assert (change.reason, change.detail["snapshot"]) == ("a new sensor", held.id)
    with pytest.raises(fs.QuarantineError, match="was approved already"):
        good.approve(held, reason="again")
    again = good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert (again.id, again.quarantined) == (held.id, False), "the very same rows were approved"


def test_rows_that_pass_replace_those_in_quarantine(good: fs.FeatureStore, folder: Path) -> None:
    write(folder, range(48, 50), wind=-1.0)
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    write(folder, range(48, 50))
    passed = good.materialize("airport_weather", start=hour(48), end=hour(51))
    assert (passed.quarantined, head(good)) == (False, passed.id)
    assert good.publish("airport_weather@v1").snapshot == passed.id
    stay = good.snapshot(held.id).quarantine
    assert stay is not None
    assert (stay.state, stay.became) == ("superseded", passed.id)
    with pytest.raises(fs.QuarantineError, match=r"was superseded by .* whose rows are newer"):
        good.approve(held, reason="too late")
    with pytest.raises(fs.QuarantineError, match="is replaced by"):
        good.publish("airport_weather@v1", snapshot=held.id)
    # and the same bad rows again are held again, and can be approved then
    write(folder, range(48, 50), wind=-1.0)
    again = good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert again.quarantined
    assert not good.approve(again, reason="yes").quarantined


def test_a_contract_that_allows_the_rows_lets_them_pass(good: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    write(folder, range(48, 50), wind=-1.0)
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    good.apply([view(source=source(fs.Contract({"wind": fs.Expect(fs.Float64)})), ttl=None)])
    passed = good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert (passed.id, head(good)) == (held.id, held.id)
    stay = good.snapshot(held.id).quarantine
    assert stay is not None
    assert stay.state == "passed"
    # rows that were good once stay good for who pinned them, and are not served again under a contract they break
    good.apply([view(source=source(), ttl=None)])
    with pytest.raises(fs.QuarantineError, match=f"those of snapshot {held.id[:8]}, which was good"):
        good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert head(good) == held.id


def test_approval_puts_a_window_beside_those_that_passed_meanwhile(good: fs.FeatureStore, folder: Path) -> None:
    write(folder, range(48, 50), wind=-1.0)
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    write(folder, range(60, 62))
    later = good.materialize("airport_weather", start=hour(60), end=hour(62))
    assert head(good) == later.id
    assert good.publish("airport_weather@v1").snapshot == later.id, "the newest rows passed"
    became = good.approve(held, reason="right")
    assert became.id not in {held.id, later.id}
    assert (became.rows, became.quarantined, head(good)) == (104, False, became.id)
    stay = good.snapshot(held.id).quarantine
    assert stay is not None
    assert (stay.state, stay.became) == ("approved", became.id)


def test_refresh_keeps_readers_on_the_last_good_rows(good: fs.FeatureStore, folder: Path) -> None:
    before = head(good)
    good.publish("airport_weather@v1", at=hour(48))
    write(folder, range(48, 50), wind=-1.0)
    (first,) = good.refresh(until=hour(50))
    assert first.quarantined is not None
    assert first.snapshot is not None
    assert first.snapshot.id == before
    assert "is in quarantine" in first.skipped
    held = first.quarantined.id
    (again,) = good.refresh(until=hour(50))
    assert again.quarantined is not None
    assert again.quarantined.id == held
    assert len(good.snapshots("airport_weather")) == 2, "nothing has changed, so nothing is computed again"
    online = good.get_online_features(features=["airport_weather:wind"], entities={"origin": ["JFK"]}, at=hour(50))
    assert online.to_dict() == {"airport_weather__wind": [float(47 % 7)]}
    write(folder, range(48, 50))
    (mended,) = good.refresh(until=hour(50))
    assert (mended.quarantined, mended.skipped) == (None, "")
    assert mended.generation is not None
    assert mended.generation.snapshot == head(good) != before


def test_the_first_rows_may_be_bad(store: fs.FeatureStore, view: ViewMaker, folder: Path, spine: pl.DataFrame) -> None:
    store.apply([view(source=source(), ttl=None)])
    write(folder, range(48), wind=-1.0)
    (folder / "weather" / "0.parquet").replace(folder / "weather" / "1.parquet")
    held = store.materialize("airport_weather")
    for use in (
        lambda: store.publish("airport_weather@v1"),
        lambda: store.get_training_frame(["airport_weather@v1"], spine.drop_nulls()),
        lambda: store.compact("airport_weather"),
    ):
        with pytest.raises(fs.QuarantineError, match=f"featurestore approve {held.id[:8]}"):
            use()
    assert not store.approve(held, reason="all of it").quarantined
    assert store.publish("airport_weather@v1").snapshot == held.id


def test_what_a_view_does_about_violations(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(folder, range(48), wind=-1.0)
    store.apply([view(source=source(), ttl=None, on_violation="warn")])
    passed = store.materialize("airport_weather")
    assert not passed.quarantined
    assert "wind" in caplog.text
    (broken,) = [change for change in store.changes() if change.kind == "contract broken"]
    assert broken.detail["snapshot"] == passed.id
    store.apply([view(source=source(), ttl=None, on_violation="off")])
    write(folder, range(48), wind=-2.0)
    assert not store.materialize("airport_weather").quarantined
    assert len([change for change in store.changes() if change.kind == "contract broken"]) == 1
    (folder / "strict.toml").write_text('store = "store"\non_violation = "warn"\n')
    store.apply([view(source=source(), ttl=None)])
    write(folder, range(48), wind=-3.0)
    with fs.open_store(folder / "strict.toml") as other:
        assert not other.materialize("airport_weather").quarantined
    write(folder, range(48), wind=-4.0)
    assert store.materialize("airport_weather").quarantined, "to block is the default"


def test_a_promise_of_a_feature_is_held(store: fs.FeatureStore, view: ViewMaker) -> None:
    features = [fs.Feature("temp"), fs.Feature("wind", expect=fs.Expect(at_most=5.0))]
    store.apply([view(features=features, ttl=None)])
    held = store.materialize("airport_weather")
    assert held.quarantine is not None
    (reason,) = held.quarantine.reasons
    assert (reason.subject, reason.detail["rule"]) == ("airport_weather:wind", "at_most")
    store.approve(held, reason="gusts")
    (violation,) = store.check_contract("view/airport_weather").violations
    assert (violation.rule, violation.column) == ("at_most", "wind")


def test_an_older_version_is_held_to_the_features_that_it_has(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view(features=[fs.Feature("temp")], ttl=None)])
    store.apply([view(features=[fs.Feature("temp"), fs.Feature("wind", expect=fs.Expect(at_most=5.0))], ttl=None)])
    assert not store.materialize("airport_weather@v1").quarantined
    assert store.materialize("airport_weather@v2").quarantined


def test_only_the_window_of_the_source_is_held_to_its_contract(good: fs.FeatureStore, folder: Path) -> None:
    """What was approved, or was never let in, does not stop the hours after it."""
    write(folder, range(48, 50), wind=-1.0)
    assert good.materialize("airport_weather", start=hour(48), end=hour(50)).quarantined
    write(folder, range(50, 52))
    assert not good.materialize("airport_weather", start=hour(50), end=hour(52)).quarantined


def test_freshness_counts_from_the_end_of_the_window(store: fs.FeatureStore, view: ViewMaker) -> None:
    fresh = fs.Contract(freshness=fs.Freshness("time_hour", timedelta(hours=2)))
    store.apply([view(source=source(fresh), ttl=None)])
    assert not store.materialize("airport_weather", end=hour(49)).quarantined
    held = store.materialize("airport_weather", end=hour(52))
    assert held.quarantine is not None
    assert held.quarantine.reasons[0].detail["rule"] == "freshness"


def test_a_contract_declared_while_rows_are_written_counts(
    good: fs.FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction that decides holds that the contract is the one that the rows were held against."""
    from featurestore.operations import materialize

    strict = fs.Contract({"wind": fs.Expect(fs.Float64, at_most=3.0)})
    commit = materialize._commit
    calls: list[object] = []

    def declare_first(*arguments: object) -> None:
        if not calls:
            with fs.open_store(good.root) as other:
                other.declare_contract("weather", strict)
        calls.append(arguments)
        commit(*arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(materialize, "_commit", declare_first)
    write(folder, range(48, 60))
    held = good.materialize("airport_weather", start=hour(48), end=hour(60))
    assert held.quarantine is not None
    assert held.quarantine.contracts["source/weather"] == "weather@c2"
    assert len(calls) == 1


def test_the_command_line(good: fs.FeatureStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEATURESTORE_STORE", str(good.root))
    write(folder, range(48, 50), wind=-1.0)
    said = call("materialize", "airport_weather", "--start", "2013-07-03", "--end", "2013-07-03T02:00", "--json")
    assert said.code == 1
    held = said.json["id"]
    assert said.json["quarantine"]["state"] == "waiting"
    assert f"featurestore approve {held[:8]}" in said.err
    refused = call("publish", "airport_weather@v1")
    assert (refused.code, "is in quarantine" in refused.err) == (1, True)
    assert call("refresh", "--until", "2013-07-03T02:00").code == 1
    shown = call("show", held[:8], "--rows", "2")
    assert "-1.0" in shown.out
    assert len(json.loads(call("show", held, "--rows", "2", "--json").out)["rows"]) == 2
    assert call("show", "airport_weather@v1", "--rows", "2").code == 1
    assert "quarantine" in call("status").out
    assert call("approve", held[:8], "--reason", "agreed").code == 0
    assert call("approve", held[:8], "--reason", "agreed").code == 1
    assert call("publish", "airport_weather@v1").code == 0


# ----------------------------------------------------------------------------------- crashes and concurrency

KILLED = """
import os, signal, sys
import featurestore as fs
from featurestore.catalog import quarantine, snapshots
from featurestore.offline.tables import Tables
from featurestore.operations import approve, doors, materialize
from tests.operations.conftest import hour

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function):
    def run(*arguments, **named):
        function(*arguments, **named)
        die()
    return run

def run(what, where):
    setattr(*STEPS[where])
    with fs.open_store("store") as store:
        if what == "materialize":
            store.materialize("airport_weather@v1", start=hour(48), end=hour(50))
        else:
            store.approve(store.snapshots("airport_weather@v1")[-1], reason="yes")

STEPS = {
    "looked": (doors.Door, "look", after(doors.Door.look)),
    "before the transaction": (materialize, "_hold", die),
    "kept, not held": (snapshots, "keep", after(snapshots.keep)),
    "held, not committed": (doors.Door, "hold", after(doors.Door.hold)),
    "shown, not committed": (materialize, "_commit", die),
    "moved, not released": (snapshots, "move_head", after(snapshots.move_head)),
    "released, not committed": (quarantine, "release", after(quarantine.release)),
}
for line in sys.stdin:
    child = os.fork()  # before anything is opened: a process of its own, without the imports
    if not child:
        run(*line.strip().split("|"))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.fixture
def kill(folder: Path) -> Iterator[Callable[[str, str], None]]:
    """Give what runs a verb in a process that kills itself at a step."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED],
        cwd=folder,
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        say, hear = process.stdin, process.stdout

        def at(what: str, where: str) -> None:
            say.write(f"{what}|{where}\n")
            say.flush()
            assert hear.readline() == f"{-signal.SIGKILL}\n", where

        yield at
        say.close()


def test_killed_anywhere_bad_rows_are_never_good(
    good: fs.FeatureStore, folder: Path, kill: Callable[[str, str], None]
) -> None:
    before = head(good)
    write(folder, range(48, 50), wind=-1.0)
    for where in ("looked", "before the transaction", "kept, not held", "held, not committed"):
        kill("materialize", where)
        assert [item.id for item in good.snapshots("airport_weather")] == [before], where
        assert (head(good), iceberg_rows(good)) == (before, 96), where
    held = good.materialize("airport_weather", start=hour(48), end=hour(50))
    assert held.quarantined
    for where in ("shown, not committed", "moved, not released", "released, not committed"):
        kill("approve", where)
        assert head(good) == before, where
        assert good.snapshot(held.id).quarantined, where
        with pytest.raises(fs.QuarantineError):
            good.publish("airport_weather@v1")
    assert good.approve(held, reason="yes").id == head(good) == held.id
    assert iceberg_rows(good) == 100


AT_ONCE = """
import sys
import featurestore as fs
from tests.operations.conftest import hour

what, number = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with fs.open_store("store") as store:
    for turn in range(4):
        start = 48 + number * 8 + turn * 2
        if what == "materialize":  # every second window breaks the contract
            store.materialize("airport_weather@v1", start=hour(start), end=hour(start + 2))
        elif what == "publish":
            try:
                print(store.publish("airport_weather@v1").snapshot)
            except fs.QuarantineError:
                pass
        else:
            for snapshot in store.snapshots("airport_weather@v1"):
                if snapshot.quarantined:
                    try:
                        store.approve(snapshot, reason=f"by {number}")
                    except fs.QuarantineError:
                        pass
"""


def test_materialize_publish_and_approve_at_once(good: fs.FeatureStore, folder: Path) -> None:
    for number in range(8):
        write(folder, range(48 + number * 2, 50 + number * 2), wind=-1.0 if number % 2 else None)
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, what, str(number)],
            cwd=folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for what, number in (("materialize", 0), ("materialize", 1), ("publish", 0), ("approve", 0))
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = []
    for process in started:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        said.append(out.split())
    # whatever the order: what is still held was never published, and all rows are in the head once all is approved
    kept = {item.id: item for item in good.snapshots("airport_weather")}
    heads = [change.detail for change in good.changes() if change.kind in {"materialized", "approved"}]
    known = {detail.get("became") or detail["snapshot"] for detail in heads}
    assert set(said[2]) <= known
    assert not any(kept[published].quarantined for published in said[2])
    for snapshot in kept.values():
        if snapshot.quarantined:
            good.approve(snapshot, reason="the rest")
    final = head(good)
    assert final is not None
    rows = pl.DataFrame(good.read_snapshot(final))
    assert rows["time_hour"].unique().sort().to_list() == [hour(number) for number in range(64)]
    assert rows.filter(pl.col("wind") < 0).height == 16
