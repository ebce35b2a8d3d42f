"""Pushed rows: online at once where they can be, in the log always, and the same after the log is folded."""

from __future__ import annotations

import multiprocessing
import random
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.model.pushed import Pushed
from featurestore.online.lmdb_store import LmdbStore
from featurestore.operations import push as push_module
from featurestore.operations.comparison import Verdict

USER = fs.Entity("user", keys={"who": fs.String})
SCHEMA = {"who": fs.String, "seen": fs.Timestamp, "n": fs.Int64}
CLICKS = fs.PushSource("clicks", schema=SCHEMA)
NOW = datetime.now(UTC)
SQL = {
    "doubled": "select who, seen, n * 2 as n from clicks where n > 0",
    "summed": "select who, seen, sum(n) over (partition by who order by seen) as n from clicks",
}


def ago(**units: float) -> datetime:
    return NOW - timedelta(**units)


def click(who: str | None, n: object, **units: float) -> dict[str, object]:
    return {"who": who, "seen": ago(**units), "n": n}


def view(name: str, **changes: Any) -> fs.FeatureView:  # noqa: ANN401 - any change
    settings: dict[str, Any] = {"entity": USER, "source": CLICKS, "event_time": "seen", "sql": SQL.get(name)}
    return fs.FeatureView(name, **(settings | changes))


@pytest.fixture
def live(store: fs.FeatureStore) -> fs.FeatureStore:
    """A store with three views over one push source, published with one row."""
    store.apply([view("as_is"), view("doubled"), view("summed")])
    store.push("clicks", [click("ann", 1, hours=5)])
    for name in ("as_is", "doubled", "summed"):
        store.materialize(name)
        store.publish(f"{name}@v1")
    return store


def online(store: fs.FeatureStore, *views: str, who: tuple[str, ...] = ("ann",), at: Any = None) -> list[list[Any]]:  # noqa: ANN401
    features = [f"{name}@v1:n" for name in views]
    return list(store.get_online_features(features, entities={"who": list(who)}, at=at).to_dict().values())


def waits(report: Pushed) -> dict[str, str]:
    return {one.reference: one.waits for one in report.versions}


def test_rows_go_online_in_every_version_that_can_take_them_and_wait_in_the_others(live: fs.FeatureStore) -> None:
    live.apply([view("as_is", ttl=timedelta(days=1))])
    report = live.push("clicks", [click("ann", 5, hours=1), click("bob", -1, hours=1)])
    assert (report.source, report.rows, report.rejected) == ("clicks", 2, ())
    assert {one.reference: one.rows for one in report.versions} == {
        "as_is@v1": 2,
        "as_is@v2": 0,
        "doubled@v1": 1,
        "summed@v1": 0,
    }
    assert waits(report)["as_is@v1"] == waits(report)["doubled@v1"] == ""
    assert waits(report)["as_is@v2"] == "it is not published"
    assert "more than one row" in waits(report)["summed@v1"]
    assert online(live, "as_is", "doubled", "summed", who=("ann", "bob")) == [[5, -1], [10, None], [1, None]]


def test_a_comparison_tells_what_was_pushed_from_what_differs(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("ann", 5, hours=1), click("bob", 2, hours=1)])
    asked = {"who": ["ann", "bob", "nobody"]}

    def counts() -> dict[Verdict, int]:
        found = live.compare_online("as_is@v1:n", entities=asked)
        assert found.equal
        return {verdict: number for verdict, number in found.columns[0].counts.items() if number}

    assert counts() == {Verdict.NEWER_ONLINE: 2, Verdict.EQUAL: 1}
    live.refresh()
    assert counts() == {Verdict.EQUAL: 3}


def test_after_a_refresh_generation_and_overlay_agree(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("ann", 5, hours=1), click("bob", 2, hours=1)])
    before = online(live, "as_is", "doubled", who=("ann", "bob"))
    live.refresh()
    assert online(live, "as_is", "doubled", who=("ann", "bob")) == before
    assert online(live, "summed", who=("ann", "bob")) == [[6, 2]]
    store = LmdbStore(live.root)
    assert [list(store.overlay(name)) for name in store.generations()[-1:]] == [[]]


def test_a_late_row_of_another_key_is_folded_in_by_the_next_refresh(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("bob", 7, hours=9), click("ann", 4, hours=7)])
    done = {result.reference: result for result in live.refresh()}
    assert done["as_is@v1"].late == 2
    assert online(live, "as_is", "summed", who=("ann", "bob")) == [[1, 7], [5, 7]]
    assert live.snapshots("as_is@v1")[-1].rows == 3


def test_a_correction_of_the_same_moment_replaces_the_row(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("ann", 9, hours=5)])
    assert online(live, "as_is", "doubled") == [[9], [18]]
    live.refresh()
    assert online(live, "as_is", "doubled", "summed")[:2] == [[9], [18]]


@pytest.mark.parametrize("split", [True, False])
def test_the_last_event_time_wins_to_the_microsecond(live: fs.FeatureStore, *, split: bool) -> None:
    rows = [click("ann", number, hours=1, microseconds=-offset) for number, offset in enumerate([1, 3, 2, 0])]
    for part in [[row] for row in rows] if split else [rows]:
        live.push("clicks", part)
    assert online(live, "as_is") == [[1]]
    live.refresh()
    assert online(live, "as_is") == [[1]]


def test_a_row_of_a_later_time_waits_for_it(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("ann", 5, hours=1), click("ann", 6, hours=-1)])
    assert online(live, "as_is") == [[5]]
    assert online(live, "as_is", at=ago(hours=-2)) == [[6]]
    live.refresh()
    assert online(live, "as_is") == [[5]]
    assert online(live, "as_is", at=ago(hours=-2)) == [[6]]


def test_pushed_rows_follow_the_rules_of_times_states_and_defaults(store: fs.FeatureStore) -> None:
    store.apply([view("short", ttl=timedelta(hours=2), features=[fs.Feature("n", fs.Int64, default=-1)])])
    store.materialize("short")
    store.publish("short@v1", at=ago(hours=9))
    store.push("clicks", [click("ann", 1, hours=8), click("bob", 2, hours=3), click("eve", None, hours=1)])
    store.push("clicks", [click("ann", 3, hours=1)])

    def states(at: datetime | None = None) -> list[tuple[Any, str]]:
        who = ["ann", "bob", "eve", "joe", None]
        answer = store.get_online_features(["short@v1:n"], entities={"who": who}, at=at)
        return list(zip(answer.to_dict()["short__n"], map(str, answer.statuses["short__n"]), strict=True))

    missing = (-1, "NOT_FOUND")
    assert states() == [(3, "PRESENT"), (-1, "EXPIRED"), (None, "NULL"), missing, missing]
    assert states(ago(hours=8, microseconds=1)) == [missing] * 5
    with pytest.raises(fs.RequestError, match="since replaced"):
        states(ago(hours=2))
    with pytest.raises(fs.RequestError, match="earlier rows are no longer there"):
        states(ago(hours=10))
    just_now = store.push("clicks", [{"who": "joe", "seen": datetime.now(UTC), "n": number} for number in (1, 2)])
    assert just_now.rows == 2
    assert states()[3] == (2, "PRESENT")


def test_a_rejected_row_names_its_field_and_loses_none_of_the_others(live: fs.FeatureStore) -> None:
    rows = [
        click("ann", 5, hours=1),
        click(None, 5, hours=1),
        click("bob", "five", hours=1),
        {"who": "bob", "seen": ago(hours=1)},
        {"who": "bob", "seen": None, "n": 1},
        click("bob", None, hours=1),
    ]
    report = live.push("clicks", rows)
    assert [(one.row, one.field) for one in report.rejected] == [(1, "who"), (2, "n"), (3, "n"), (4, "seen")]
    assert report.rows == 2
    assert online(live, "as_is", who=("ann", "bob")) == [[5, None]]
    with pytest.raises(fs.ContractError, match="no column 'm'"):
        live.push("clicks", [{**click("ann", 5, hours=1), "m": 1}])
    assert live.materialize("as_is").rows == 3


def test_a_null_that_is_a_key_of_some_versions_only_is_kept_for_the_others(live: fs.FeatureStore) -> None:
    by_number = fs.FeatureView(
        "by_number", entity=fs.Entity("number", keys={"n": fs.Int64}), source=CLICKS, event_time="seen"
    )
    live.apply([by_number])
    live.materialize("by_number")
    live.publish("by_number@v1")
    report = live.push("clicks", [click("ann", None, hours=1), click(None, 3, hours=1)])
    assert (report.rows, report.rejected) == (2, ())
    assert {one.reference: one.rows for one in report.versions}["by_number@v1"] == 1
    assert online(live, "as_is") == [[None]]
    answer = live.get_online_features(["by_number@v1:who"], entities={"n": [3]})
    assert answer.statuses == {"by_number__who": [fs.Status.NULL]}


def test_a_push_again_with_its_id_adds_nothing(live: fs.FeatureStore) -> None:
    rows = [click("ann", 2, hours=1), click("bob", "?", hours=1)]
    first = live.push("clicks", rows, id="one")
    again = live.push("clicks", rows, id="one")
    assert not first.repeated
    assert again.repeated
    assert (again.rows, again.rejected, again.versions) == (first.rows, first.rejected, first.versions)
    live.push("clicks", rows)
    live.refresh()
    assert online(live, "summed") == [[5]]
    with pytest.raises(fs.RequestError, match="id 'one'"):
        live.push("clicks", [click("ann", 3, hours=1)], id="one")
    with pytest.raises(fs.RequestError, match="no text"):
        live.push("clicks", rows, id=1)  # type: ignore[arg-type]  # as a caller without types may


def test_a_push_that_died_after_the_log_is_completed_by_its_retry(
    live: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [click("ann", 2, hours=1)]

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LmdbStore, "push", dies)
        with pytest.raises(KeyboardInterrupt):
            live.push("clicks", rows, id="one")
    assert online(live, "as_is") == [[1]]
    report = live.push("clicks", rows, id="one")
    assert report.repeated
    assert online(live, "as_is") == [[2]]
    live.refresh()
    assert online(live, "summed") == [[3]]


def test_an_earlier_push_tried_again_does_not_undo_a_later_one(live: fs.FeatureStore) -> None:
    first, second = [click("ann", 2, hours=1)], [click("ann", 3, hours=1)]
    live.push("clicks", first, id="one")
    live.push("clicks", second, id="two")
    live.push("clicks", first, id="one")
    assert online(live, "as_is") == [[3]]
    live.refresh()
    assert online(live, "as_is") == [[3]]


def test_a_held_generation_takes_no_pushes_and_the_next_publish_ends_that(live: fs.FeatureStore) -> None:
    (snapshot,) = live.snapshots("as_is@v1")
    live.push("clicks", [click("ann", 5, hours=2)])
    live.publish("as_is@v1", snapshot=snapshot.id)
    assert online(live, "as_is") == [[1]]
    report = live.push("clicks", [click("ann", 6, hours=1)])
    assert "held" in waits(report)["as_is@v1"]
    assert online(live, "as_is", "doubled") == [[1], [12]]
    live.materialize("as_is")
    live.publish("as_is@v1")
    assert online(live, "as_is") == [[6]]
    assert waits(live.push("clicks", [click("ann", 7, minutes=30)]))["as_is@v1"] == ""
    assert online(live, "as_is") == [[7]]


def test_publishing_an_older_snapshot_of_the_head_carries_pushed_rows_forward(live: fs.FeatureStore) -> None:
    live.push("clicks", [click("ann", 5, hours=1)])
    for _ in range(3):
        live.publish("as_is@v1")
        assert online(live, "as_is") == [[5]]


def test_ties_are_settled_by_created_time_then_by_the_push_as_offline(store: fs.FeatureStore) -> None:
    schema = {**SCHEMA, "known": fs.Timestamp}
    source = fs.PushSource("late_clicks", schema=schema)
    store.apply([view("ties", source=source, created_time="known")])
    store.materialize("ties")
    store.publish("ties@v1")
    for number, known in enumerate([3, 9, 9, None, 4]):
        created = None if known is None else ago(minutes=60 - known)
        store.push("late_clicks", [{**click("ann", number, hours=1), "known": created}])
        store.push("late_clicks", [{**click("bob", number, hours=1), "known": None}])
    expected = [[2, 4]]
    assert online(store, "ties", who=("ann", "bob")) == expected
    store.refresh()
    assert online(store, "ties", who=("ann", "bob")) == expected


def test_a_dimension_keeps_the_row_pushed_last(store: fs.FeatureStore) -> None:
    source = fs.PushSource("names", schema={"who": fs.String, "n": fs.Int64})
    store.apply([fs.FeatureView("name", entity=USER, source=source)])
    store.materialize("name")
    store.publish("name@v1")
    for number in (1, 2, 3):
        store.push("names", {"who": ["ann", "ann"], "n": [0, number]})
        assert online(store, "name") == [[number]]
    store.refresh()
    assert online(store, "name") == [[3]]


def test_rows_of_every_type_come_back_as_they_were_pushed(store: fs.FeatureStore) -> None:
    values: dict[str, tuple[Any, Any]] = {
        "f32": (fs.Float32, 1.5),
        "flag": (fs.Bool, True),
        "raw": (fs.Bytes, b"\0"),
        "price": (fs.Decimal(10, 2), Decimal("-1.25")),
        "words": (fs.List(fs.String), ["", None]),
        "vector": (fs.Embedding(2), [1.0, -2.0]),
        "big": (fs.Int64, 2**53 + 1),
    }
    types = {name: type_ for name, (type_, _) in values.items()}
    source = fs.PushSource("things", schema={"who": fs.String, "seen": fs.Timestamp, **types})
    names = ", ".join(values)
    store.apply(
        [view("plain", source=source), view("queried", source=source, sql=f"select who, seen, {names} from things")]
    )
    row = {"who": "ann", "seen": ago(hours=1), **{name: value for name, (_, value) in values.items()}}
    for name in ("plain", "queried"):
        store.materialize(name)
        store.publish(f"{name}@v1")
    report = store.push("things", [row, {**dict.fromkeys(row), "who": "bob", "seen": ago(hours=1)}])
    assert set(waits(report).values()) == {""}
    before = store.get_online_features(["plain@v1", "queried@v1"], entities={"who": ["ann", "bob"]}).to_arrow()
    assert [column[0] for column in before.to_pydict().values()] == [value for _, value in values.values()] * 2
    store.refresh()
    after = store.get_online_features(["plain@v1", "queried@v1"], entities={"who": ["ann", "bob"]}).to_arrow()
    assert after.equals(before)


def test_a_computation_that_fails_on_a_pushed_row_waits_and_says_why(live: fs.FeatureStore) -> None:
    source = fs.PushSource("texts", schema={"who": fs.String, "seen": fs.Timestamp, "text": fs.String})
    strict = view("strict", source=source, sql="select who, seen, cast(text as bigint) as n from texts")
    live.apply([strict, view("lenient", source=source)])
    for name in ("strict", "lenient"):
        live.materialize(name)
        live.publish(f"{name}@v1")
    report = live.push("texts", [{"who": "ann", "seen": ago(hours=1), "text": "five"}])
    assert waits(report)["lenient@v1"] == ""
    assert "five" in waits(report)["strict@v1"]


def test_what_is_no_push_source_is_refused(live: fs.FeatureStore, folder: Path) -> None:
    weather = fs.ParquetSource("weather", path=str(folder / "weather" / "*.parquet"))
    live.apply([fs.FeatureView("hourly", entity=fs.Entity("a", keys={"origin": fs.String}), source=weather)])
    with pytest.raises(fs.NotFoundError, match="'clicks'"):
        live.push("click", [])
    with pytest.raises(fs.RequestError, match="parquet source"):
        live.push("weather", [])


def test_a_thousand_pushes_of_one_row_stay_a_log_that_is_read_at_once(store: fs.FeatureStore) -> None:
    store.apply([view("as_is")])
    for number in range(1_000):
        store.push("clicks", {"who": [f"user {number % 10}"], "seen": [ago(seconds=1_000 - number)], "n": [number]})
    assert store.materialize("as_is").rows == 1_000
    assert len(list((store.root / "sources" / "clicks").glob("*.parquet"))) == 1
    store.publish("as_is@v1")
    assert online(store, "as_is", who=("user 3",)) == [[993]]


def _push_many(root: Path, seed: int, count: int, told: Any) -> None:  # noqa: ANN401 - a queue of any context
    draw = random.Random(seed)
    with fs.open_store(root) as store:
        for number in range(count):
            who, offset = f"user {draw.randrange(12)}", draw.randrange(10**9)
            row = {"who": who, "seen": NOW - timedelta(hours=1, microseconds=offset), "n": seed * 1_000 + number}
            report = store.push("clicks", [row], id=f"{seed}/{number}")
            assert [one.waits for one in report.versions] == [""]
            told.put((who, row["seen"], row["n"]))


def test_no_pushed_row_is_lost_while_versions_are_published(store: fs.FeatureStore) -> None:
    store.apply([view("as_is")])
    store.materialize("as_is")
    store.publish("as_is@v1")
    context = multiprocessing.get_context("spawn")
    told = context.Queue()
    pushers = [context.Process(target=_push_many, args=(store.root, seed, 60, told)) for seed in (1, 2)]
    for process in pushers:
        process.start()
    rows: list[tuple[str, datetime, int]] = []
    published = 0

    def newest() -> dict[str, int]:
        return {who: n for who, _, n in sorted(rows, key=lambda row: row[1])}

    def take() -> None:
        while not told.empty():
            rows.append(told.get(timeout=30))

    while any(process.is_alive() for process in pushers):
        if published % 3 == 2:
            store.refresh()
        else:
            store.publish("as_is@v1")
        published += 1
        take()
    for process in pushers:
        process.join()
        assert process.exitcode == 0
    take()
    assert published > 3
    assert len(rows) == 120
    people = tuple(sorted(newest()))
    assert online(store, "as_is", who=people) == [[newest()[who] for who in people]]
    store.refresh()
    assert online(store, "as_is", who=people) == [[newest()[who] for who in people]]
    assert store.snapshots("as_is@v1")[-1].rows == 120


def test_a_push_that_sees_the_pointer_move_writes_to_the_new_generation_too(
    live: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held in the one order that two threads meet in seldom: the old overlay is written after it was carried."""
    push, once = LmdbStore.push, threading.Event()

    def late(self: LmdbStore, generation: str, values: Any, now: int) -> int:  # noqa: ANN401
        if generation.startswith("as_is/") and not once.is_set():
            once.set()
            live.publish("as_is@v1")
        return push(self, generation, values, now)

    monkeypatch.setattr(LmdbStore, "push", late)
    live.push("clicks", [click("ann", 5, hours=1)])
    assert online(live, "as_is") == [[5]]


def test_carried_rows_are_read_in_parts(live: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push_module, "_CHUNK", 3)
    who = [f"user {number}" for number in range(10)]
    live.push("clicks", pa.table({"who": who, "seen": [ago(hours=1)] * 10, "n": list(range(10))}))
    live.publish("as_is@v1")
    assert online(live, "as_is", who=tuple(who)) == [list(range(10))]
