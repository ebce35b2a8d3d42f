"""The lookup's rules: four states, TTL, defaults, several versions at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from featurestore.errors import CorruptError, NotPublishedError, RequestError
from featurestore.model.definition import Computation, Definition, FeatureDefinition
from featurestore.model.history import Generation
from featurestore.model.status import Status
from featurestore.model.times import to_micros
from featurestore.model.types import Embedding, FeatureType, Float64, Int32, Int64, List, String
from featurestore.online.codec import RowCodec, encode_rows
from featurestore.online.lmdb_store import LmdbStore
from featurestore.online.lookup import ColumnPlan, ReadPlan, lookup
from featurestore.online.result import OnlineFeatures

NOON = datetime(2013, 7, 1, 12, tzinfo=UTC)
AT = to_micros(NOON)
HOUR = 3_600_000_000
MICROS = pa.timestamp("us", tz="UTC")
PRESENT, NULL, NOT_FOUND, EXPIRED = Status
ARROW: dict[FeatureType, pa.DataType] = {
    Int32: pa.int32(),
    Int64: pa.int64(),
    Float64: pa.float64(),
    String: pa.string(),
    List(String): pa.list_(pa.string()),
    Embedding(2): pa.list_(pa.float32(), 2),
}


def look(store: LmdbStore, plans: Sequence[ColumnPlan], entities: pa.Table, at: int) -> OnlineFeatures:
    columns = dict(zip(entities.column_names, [column.combine_chunks() for column in entities.columns], strict=True))
    return lookup(store, ReadPlan(store, plans, {}), columns, at).features()


class Published:
    """One feature version with rows in an online store."""

    def __init__(
        self,
        store: LmdbStore,
        rows: dict[str, list[Any]],
        *,
        keys: dict[str, FeatureType],
        features: dict[str, FeatureType],
        ttl: timedelta | None = None,
        event_time: str | None = "time",
        version: int = 1,
        as_of: int | None = AT,
    ) -> None:
        self.definition = Definition(
            "weather",
            "airport",
            tuple(keys.items()),
            (),
            Computation("columns", "", ""),
            event_time,
            None,
            ttl,
            None,
            tuple(FeatureDefinition(name, type_) for name, type_ in features.items()),
        )
        self.version = version
        self.generation = Generation(
            f"weather/v{version}/1-a", "weather", version, f"s{version}", as_of, 0, False, NOON
        )
        types = {**dict.fromkeys(keys), **{name: ARROW[type_] for name, type_ in features.items()}}
        arrays = {name: pa.array(values, MICROS if name == "time" else types[name]) for name, values in rows.items()}
        codec = RowCodec(tuple(features.items()))
        pairs = encode_rows([pa.record_batch(arrays)], codec, keys=tuple(keys.items()), event_time=event_time)
        store.write(self.generation.id, codec.schema(), pairs)

    def plan(
        self,
        feature: str,
        *,
        name: str | None = None,
        default: object | None = None,
        on: tuple[tuple[str, str], ...] = (("origin", "origin"),),
        activation: int | None = None,
    ) -> ColumnPlan:
        declared = self.definition.feature(feature)
        assert declared is not None
        return ColumnPlan(
            name or f"weather__{feature}",
            "weather",
            self.version,
            feature,
            self.definition,
            default,
            ARROW[declared.type],
            self.generation,
            activation,
            on,
        )


@pytest.fixture
def store(tmp_path: Path) -> LmdbStore:
    return LmdbStore(tmp_path)


@pytest.fixture
def weather(store: LmdbStore) -> Published:
    return Published(
        store,
        {
            "origin": ["JFK", "LGA", "EWR"],
            "time": [NOON, NOON - timedelta(hours=6), NOON - timedelta(hours=6, microseconds=1)],
            "temp": [20.5, None, 3.0],
            "note": ["", "x", None],
            "tags": [[], ["a", None], None],
            "vector": [[1.0, 2.0], None, [3.0, 4.0]],
        },
        keys={"origin": String},
        features={"temp": Float64, "note": String, "tags": List(String), "vector": Embedding(2)},
        ttl=timedelta(hours=6),
    )


def origins(*values: str | None) -> pa.Table:
    return pa.table({"origin": pa.array(values, pa.string())})


ALL = origins("JFK", "LGA", "EWR", "ORD", None)


def test_the_four_states_are_told_apart(store: LmdbStore, weather: Published) -> None:
    answer = look(store, [weather.plan("temp"), weather.plan("note")], ALL, AT)
    assert answer.to_dict() == {
        "weather__temp": [20.5, None, None, None, None],
        "weather__note": ["", "x", *[None] * 3],
    }
    assert answer.statuses == {
        "weather__temp": [PRESENT, NULL, EXPIRED, NOT_FOUND, NOT_FOUND],
        "weather__note": [PRESENT, PRESENT, EXPIRED, NOT_FOUND, NOT_FOUND],
    }


def test_a_default_fills_not_found_and_expired_never_null_and_leaves_the_status(
    store: LmdbStore, weather: Published
) -> None:
    plans = [
        weather.plan("temp", default=-1.0),
        weather.plan("note", default="none"),
        weather.plan("tags", default=["d", None]),
        weather.plan("vector", default=[0.5, 0.25]),
    ]
    answer = look(store, plans, ALL, AT)
    assert answer.to_dict() == {
        "weather__temp": [20.5, None, -1.0, -1.0, -1.0],
        "weather__note": ["", "x", "none", "none", "none"],
        "weather__tags": [[], ["a", None], *[["d", None]] * 3],
        "weather__vector": [[1.0, 2.0], None, *[[0.5, 0.25]] * 3],
    }
    assert answer.statuses["weather__temp"] == [PRESENT, NULL, EXPIRED, NOT_FOUND, NOT_FOUND]
    assert answer.to_arrow().schema.types == [ARROW[Float64], ARROW[String], ARROW[List(String)], ARROW[Embedding(2)]]


def test_ttl_is_inclusive_and_counts_from_the_time_of_the_request(store: LmdbStore, weather: Published) -> None:
    def states(at: int) -> list[Status]:
        return look(store, [weather.plan("note")], origins("JFK", "LGA"), at).statuses["weather__note"]

    assert states(AT) == [PRESENT, PRESENT]
    assert states(AT + 1) == [PRESENT, EXPIRED]
    assert states(AT + 6 * HOUR) == [PRESENT, EXPIRED]
    assert states(AT + 6 * HOUR + 1) == [EXPIRED, EXPIRED]


def test_event_times_are_those_of_the_rows_found(store: LmdbStore, weather: Published) -> None:
    times = look(store, [weather.plan("temp")], ALL, AT).event_times["weather__temp"]
    assert times == [NOON, NOON - timedelta(hours=6), NOON - timedelta(hours=6, microseconds=1), None, None]


def test_a_time_before_the_generations_own_is_an_error_that_names_both(store: LmdbStore, weather: Published) -> None:
    with pytest.raises(RequestError, match=r"weather@v1 .*2013-07-01T11:59:59.999999\+00:00.*2013-07-01T12:00:00"):
        look(store, [weather.plan("temp")], ALL, AT - 1)


def test_a_dimension_holds_at_any_time(store: LmdbStore) -> None:
    plane = Published(
        store,
        {"origin": ["JFK"], "seats": [2**53 + 1]},
        keys={"origin": String},
        features={"seats": Int64},
        event_time=None,
        as_of=None,
    )
    answer = look(store, [plane.plan("seats")], origins("JFK", "LGA"), -(2**62))
    assert answer.to_dict() == {"weather__seats": [2**53 + 1, None]}
    assert answer.statuses == {"weather__seats": [PRESENT, NOT_FOUND]}
    assert answer.event_times == {}


def test_a_ttl_longer_than_time_itself(store: LmdbStore) -> None:
    view = Published(
        store,
        {"origin": ["JFK"], "time": [datetime(1, 1, 1, tzinfo=UTC)], "temp": [1.0]},
        keys={"origin": String},
        features={"temp": Float64},
        ttl=timedelta.max,
    )
    assert look(store, [view.plan("temp")], origins("JFK"), AT).to_dict() == {"weather__temp": [1.0]}


class Counting(LmdbStore):
    """Counts reads."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked: list[str] = []

    def read(self, generation_id: str, keys: Sequence[bytes | None]) -> list[bytes | None]:
        self.asked.append(generation_id)
        return super().read(generation_id, keys)


def test_versions_and_joins_side_by_side_and_each_is_read_once(tmp_path: Path) -> None:
    store = Counting(tmp_path)
    rows: dict[str, list[Any]] = {"origin": ["JFK", "LAX"], "time": [NOON, NOON]}
    shape: dict[str, Any] = {"keys": {"origin": String}, "features": {"temp": Float64, "note": String}}
    first = Published(store, {**rows, "temp": [1.0, 2.0], "note": ["a", "b"]}, **shape)
    second = Published(store, {**rows, "temp": [10.0, None], "note": ["A", "B"]}, version=2, **shape)
    dest = (("origin", "dest"),)
    answer = look(
        store,
        [
            first.plan("temp", name="t1"),
            second.plan("temp", name="t2", activation=7),
            first.plan("note", name="d1", on=dest),
            first.plan("note", name="n1"),
            second.plan("temp", name="d2", on=dest),
        ],
        pa.table({"dest": ["LAX", "JFK"], "origin": ["JFK", "JFK"]}),
        AT,
    )
    assert answer.to_dict() == {
        "t1": [1.0, 1.0],
        "t2": [10.0, 10.0],
        "d1": ["b", "a"],
        "n1": ["a", "a"],
        "d2": [None, 10.0],
    }
    assert [(one.name, one.version, one.snapshot, one.activation) for one in answer.columns] == [
        ("t1", 1, "s1", None),
        ("t2", 2, "s2", 7),
        ("d1", 1, "s1", None),
        ("n1", 1, "s1", None),
        ("d2", 2, "s2", None),
    ]
    assert sorted(store.asked) == [first.generation.id] * 2 + [second.generation.id] * 2


def test_composite_keys_in_key_order_and_any_null_is_not_found(store: LmdbStore) -> None:
    view = Published(
        store,
        {"carrier": ["AA", "AA", "A"], "number": [1, 2, 1], "time": [NOON] * 3, "temp": [1.0, 2.0, 3.0]},
        keys={"carrier": String, "number": Int32},
        features={"temp": Float64},
    )
    plan = view.plan("temp", on=(("carrier", "who"), ("number", "n")))
    entities = pa.table({"n": pa.array([2, 1, None, 1, 3], pa.int32()), "who": ["AA", "A", "AA", None, "AA"]})
    assert look(store, [plan], entities, AT).to_dict() == {"weather__temp": [2.0, 3.0, None, None, None]}


def test_no_rows_asked_for(store: LmdbStore, weather: Published) -> None:
    answer = look(store, [weather.plan("temp", default=1.0), weather.plan("tags")], origins(), AT)
    assert len(answer) == 0
    assert answer.to_dict() == {"weather__temp": [], "weather__tags": []}


def test_a_generation_that_is_gone_or_holds_other_types_is_told(store: LmdbStore, weather: Published) -> None:
    other = Published(
        store,
        {"origin": ["JFK"], "temp": [1]},
        keys={"origin": String},
        features={"temp": Int64},
        version=2,
        event_time=None,
    )
    other.definition = weather.definition
    with pytest.raises(CorruptError, match=r"weather@v2:temp is Float64, but its online rows hold Int64"):
        look(store, [other.plan("temp")], ALL, AT)
    store.drop(weather.generation.id)
    with pytest.raises(NotPublishedError):
        look(store, [weather.plan("temp")], ALL, AT)


keys_asked = st.lists(st.none() | st.sampled_from("abcdef"), max_size=8)
ages = st.integers(0, 3)
published = st.dictionaries(st.sampled_from("abcd"), st.tuples(ages, st.none() | st.integers(-3, 3)))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(published, keys_asked, st.none() | ages, st.none() | st.just(99), ages)
def test_against_the_rules_row_by_row(  # noqa: PLR0917 - drawn by hypothesis
    tmp_path_factory: pytest.TempPathFactory,
    rows: dict[str, tuple[int, int | None]],
    asked: list[str | None],
    ttl: int | None,
    default: int | None,
    later: int,
) -> None:
    with LmdbStore(tmp_path_factory.mktemp("store")) as store:
        view = Published(
            store,
            {
                "origin": list(rows),
                "time": [NOON - timedelta(microseconds=age) for age, _ in rows.values()],
                "seats": [value for _, value in rows.values()],
            }
            if rows
            else {"origin": pa.array([], pa.string()), "time": [], "seats": []},  # type: ignore[dict-item]
            keys={"origin": String},
            features={"seats": Int64},
            ttl=None if ttl is None else timedelta(microseconds=ttl),
        )
        answer = look(store, [view.plan("seats", default=default)], origins(*asked), AT + later)
    expected = []
    for key in asked:
        if key not in rows:
            expected.append((default, NOT_FOUND))
        elif ttl is not None and rows[key][0] + later > ttl:
            expected.append((default, EXPIRED))
        else:
            value = rows[key][1]
            expected.append((value, NULL if value is None else PRESENT))
    assert list(zip(answer.to_dict()["weather__seats"], answer.statuses["weather__seats"], strict=True)) == expected
