"""The proof of consistency: a real server against the row-by-row oracle and the offline join, cell by cell.

One store holds views of every kind of key, with and without times, each in two versions with a feature of every type;
hypothesis draws what is asked: references of all kinds in one request, keys, and times to the microsecond of a TTL.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import featurestore as fs
from featurestore.model.definition import Definition
from featurestore.model.status import Status
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import to_arrow
from featurestore.online.result import OnlineFeatures
from featurestore.operations.comparison import Verdict
from featurestore.serving.client import Client, connect
from featurestore.testing.oracle import oracle_lookup, pick
from featurestore.testing.strategies import START, key_values, moments, values
from tests.cli.story import told
from tests.serving.conftest import Serve, Served

HOUR = timedelta(hours=1)
PUBLISHED = START + 7 * HOUR
"""Nearly the last time that rows are drawn from, so that TTLs of the newest rows end at times that are asked for."""
LAGS = {(0, 2), (3, 2), (5, 1)}
"""Versions published for an earlier time: online holds older rows than the snapshot."""

FEATURES: dict[str, FeatureType] = {
    "i32": fs.Int32,
    "i64": fs.Int64,
    "f32": fs.Float32,
    "f64": fs.Float64,
    "flag": fs.Bool,
    "text": fs.String,
    "raw": fs.Bytes,
    "day": fs.Date,
    "moment": fs.Timestamp,
    "price": fs.Decimal(38, 9),
    "numbers": fs.List(fs.Int64),
    "words": fs.List(fs.String),
    "nested": fs.List(fs.List(fs.Float64)),
    "vector": fs.Embedding(3),
}
DEFAULTS: dict[str, Any] = {
    "i64": 2**53 + 1,
    "f32": -0.0,
    "flag": True,
    "text": "",
    "day": datetime(1969, 12, 31, tzinfo=UTC).date(),
    "price": Decimal("0.000000001"),
    "words": ["", "é"],
    "vector": [0.5, -0.0, 1.0],
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a view is like: its keys, whether it has times, its TTL."""

    keys: tuple[FeatureType, ...]
    dimension: bool = False
    ttl: timedelta | None = None
    created: bool = False


KINDS = (
    Kind((fs.String,), ttl=3 * HOUR, created=True),
    Kind((fs.Int64,), ttl=timedelta(0)),
    Kind((fs.Bytes, fs.Date), ttl=timedelta(microseconds=1), created=True),
    Kind((fs.Bool,)),
    Kind((fs.Date,), dimension=True, created=True),
    Kind((fs.Int32, fs.String, fs.Bytes), ttl=HOUR),
)


@dataclass(frozen=True, slots=True)
class Version:
    """A version's definition and the rows that are online."""

    definition: Definition
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class World:
    """The store, its versions by view and number, and the versions that each way of asking leads to."""

    path: Path
    versions: Mapping[tuple[int, int], Version]
    default: Mapping[tuple[int, str], int]
    endpoint: Sequence[tuple[int, str, int]]
    model: Sequence[tuple[int, str, int]]


def view(place: int, kind: Kind, number: int, found: Sequence[Mapping[str, Any]]) -> fs.FeatureView:
    keys = {f"k{place}_{position}": type_ for position, type_ in enumerate(kind.keys)}
    columns: dict[str, FeatureType] = dict(keys)
    if not kind.dimension:
        columns["event_time"] = fs.Timestamp
    if kind.created:
        columns["created_time"] = fs.Timestamp
    columns |= FEATURES
    table = pa.table({name: pa.array([row[name] for row in found], to_arrow(type_)) for name, type_ in columns.items()})
    return fs.FeatureView(
        f"view{place}",
        entity=fs.Entity(f"entity{place}", keys=keys),
        source=fs.ArrowSource(f"rows{place}_{number}", table=table),
        event_time=None if kind.dimension else "event_time",
        created_time="created_time" if kind.created else None,
        ttl=kind.ttl,
        features=[
            fs.Feature(name, type_, default=DEFAULTS.get(name) if (place + number) % 2 else None)
            for name, type_ in FEATURES.items()
        ],
    )


def drawn_rows(place: int, kind: Kind, number: int) -> list[dict[str, Any]]:
    """Return rows that hypothesis draws, the same in every run, with the floats that compare oddly among them."""
    columns: dict[str, st.SearchStrategy[Any]] = {
        f"k{place}_{position}": key_values(type_) for position, type_ in enumerate(kind.keys)
    }
    if not kind.dimension:
        columns["event_time"] = moments()
    if kind.created:
        columns["created_time"] = st.none() | moments()
    for name, type_ in FEATURES.items():
        some = values(type_)
        columns[name] = st.one_of(some, some, some, st.none())
    found: list[dict[str, Any]] = []

    @seed(number)
    @settings(max_examples=8, database=None, deadline=None, phases=[Phase.generate])
    @given(st.lists(st.fixed_dictionaries(columns), min_size=4, max_size=4))
    def collect(drawn: list[dict[str, Any]]) -> None:
        found.extend(drawn)

    collect()
    for row, odd in zip(found, [math.nan, -0.0, math.inf], strict=False):
        row["f64"] = row["f32"] = odd
    return found


def build(path: Path) -> World:
    known = {}
    with fs.open_store(path) as store:
        for place, kind in enumerate(KINDS):
            for number in (1, 2):
                found = drawn_rows(place, kind, number)
                store.apply(view(place, kind, number, found))
                reference = f"view{place}@v{number}"
                store.materialize(reference)
                until = PUBLISHED - 2 * HOUR if (place, number) in LAGS else PUBLISHED
                store.publish(reference, at=until)
                online = [row for row in found if kind.dimension or row["event_time"] <= until]
                known[place, number] = Version(store.version(reference).definition, online)
        for number in (1, 2):
            store.activate(*(f"view{place}@v{number}" for place in range(len(KINDS))), reason=f"the {number}. world")
        default = {(place, feature): 2 for place in range(len(KINDS)) for feature in FEATURES}
        for place, feature in ((0, "text"), (3, "vector"), (4, "f64")):
            store.rollback(f"view{place}:{feature}", to="v1", reason="this feature was better")
            default[place, feature] = 1
        spine = [{"k0_0": "JFK", "k3_0": True, "k4_0": START.date(), "event_timestamp": PUBLISHED}]
        frame = store.get_training_frame(["view0@v1", "view3@v1:f64", "view4@v1"], spine)
        store.register_model("price", version="1", frame=frame)
        store.deploy("price@1", endpoint="shop")
        store.activate("view0@v2:i64", endpoint="shop", reason="for the shop alone")
        store.activate("view4@v2", endpoint="shop", reason="for the shop alone")
        model = [(0, feature, 1) for feature in FEATURES] + [(3, "f64", 1)] + [(4, feature, 1) for feature in FEATURES]
        moved = {(0, "i64"): 2} | {(4, feature): 2 for feature in FEATURES}
    return World(path, known, default, [(*column[:2], moved.get(column[:2], column[2])) for column in model], model)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return build(tmp_path_factory.mktemp("consistency") / "store")


@pytest.fixture(scope="module")
def server(serve: Serve, world: World) -> Iterator[Served]:
    with serve(world.path, workers=2) as served:
        yield served


@pytest.fixture(scope="module")
def client(server: Served) -> Iterator[Client]:
    with connect(server.address, timeout=60) as opened:
        yield opened


@pytest.fixture(scope="module")
def store(world: World) -> Iterator[fs.FeatureStore]:
    with fs.open_store(world.path, read_only=True) as opened:
        yield opened


# ------------------------------------------------------------------------------------------------------ what is asked


@dataclass(frozen=True, slots=True)
class Expected:
    """A column of the answer: which version's feature, by which columns of the request; through a pointer or pinned."""

    name: str
    place: int
    number: int
    feature: str
    on: tuple[str, ...]
    pointer: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and what its answer must be made of."""

    read: dict[str, Any]
    entities: dict[str, pa.Array[Any]]
    at: datetime
    columns: list[Expected]


def own_keys(place: int) -> tuple[str, ...]:
    return tuple(f"k{place}_{position}" for position in range(len(KINDS[place].keys)))


def referred(
    world: World, turn: int, reference: tuple[int, int | None, str | None, bool]
) -> tuple[str, list[Expected]]:
    place, pinned, feature, aliased = reference
    on = own_keys(place)
    text = f"view{place}" + (f"@v{pinned}" if pinned else "") + (f":{feature}" if feature else "")
    if aliased:
        text += f" on {on[0]}=a{place}"
        on = (f"a{place}", *on[1:])
    names = {feature: f"c{turn}"} if feature else {one: f"c{turn}__{one}" for one in FEATURES}
    return f"{text} as c{turn}", [
        Expected(name, place, pinned or world.default[place, one], one, on, pinned is None)
        for one, name in names.items()
    ]


def of_model(columns: Sequence[tuple[int, str, int]], moved: Container[tuple[int, str, int]]) -> list[Expected]:
    return [
        Expected(f"view{place}__{feature}", place, number, feature, own_keys(place), (place, feature, number) in moved)
        for place, feature, number in columns
    ]


references = st.tuples(
    st.integers(0, len(KINDS) - 1),
    st.sampled_from([None, 1, 2]),
    st.none() | st.sampled_from(list(FEATURES)),
    st.booleans(),
)


@st.composite
def asks(draw: st.DrawFn, world: World) -> Ask:
    way = draw(st.sampled_from(["features"] * 4 + ["model", "endpoint"]))
    read: dict[str, Any]
    if way == "features":
        found = [
            referred(world, turn, one) for turn, one in enumerate(draw(st.lists(references, min_size=1, max_size=5)))
        ]
        read, columns = {"features": [text for text, _ in found]}, [column for _, part in found for column in part]
    elif way == "model":
        read, columns = {"model": "price@1"}, of_model(world.model, ())
    else:
        read, columns = {"endpoint": "shop"}, of_model(world.endpoint, {*world.endpoint} - {*world.model})
    types = {name: KINDS[column.place].keys[place] for column in columns for place, name in enumerate(column.on)}
    size = draw(st.integers(0, 6))
    entities = {}
    for name, type_ in types.items():
        stored = key_values(type_)
        some = st.one_of(stored, stored, stored, key_values(type_, few=5), st.none())
        entities[name] = pa.array(draw(st.lists(some, min_size=size, max_size=size)), to_arrow(type_))
    after = st.sampled_from([0, 0, 1, -1, 1_000_000]).map(lambda nudge: timedelta(microseconds=nudge))
    at = PUBLISHED + draw(st.sampled_from([0, 0, 1, 2, 3, 4])) * HOUR + draw(after)
    return Ask(read, entities, max(at, PUBLISHED), columns)


# ----------------------------------------------------------------------------------------------------------- the proof


def same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any two values
    """Tell whether two values are the same: floats bit for bit but for NaN, decimals with their digits."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or (
            one == other and math.copysign(1, one) == math.copysign(1, other)
        )
    if isinstance(one, Decimal) and isinstance(other, Decimal):
        return one.as_tuple() == other.as_tuple()
    return type(one) is type(other) and bool(one == other)


def held(world: World, ask: Ask, answer: OnlineFeatures) -> Counter[Status]:
    """Hold an answer against the oracle and return how often each state was there."""
    assert [column.name for column in answer.columns] == [column.name for column in ask.columns]
    seen: Counter[Status] = Counter()
    found, statuses, times, schema = answer.to_dict(), answer.statuses, answer.event_times, answer.to_arrow().schema
    keys = {name: column.to_pylist() for name, column in ask.entities.items()}
    for column, source in zip(ask.columns, answer.columns, strict=True):
        version = world.versions[column.place, column.number]
        assert (source.view, source.version, source.feature) == (f"view{column.place}", column.number, column.feature)
        assert (source.activation is not None) == column.pointer
        assert schema.field(column.name).type == to_arrow(FEATURES[column.feature])
        for row in range(len(answer)):
            key = [keys[name][row] for name in column.on]
            value, status = oracle_lookup(version.definition, version.rows, key, ask.at)[column.feature]
            assert statuses[column.name][row] == status, (column, key)
            assert same(found[column.name][row], value), (column, key)
            if version.definition.event_time is None:
                assert column.name not in times
            else:
                _, behind = pick(version.definition, version.rows, key, ask.at)
                assert times[column.name][row] == (behind and behind["event_time"]), (column, key)
            seen[status] += 1
    return seen


def prove(world: World, client: Client, examples: int) -> None:
    states: Counter[Status] = Counter()

    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(asks(world))
    def replay(ask: Ask) -> None:
        states.update(
            held(world, ask, client.get_features(**ask.read, entities=ask.entities, at=ask.at, event_times=True))
        )

    replay()
    assert set(states) == set(Status)


def test_the_server_answers_as_the_oracle_does(world: World, client: Client) -> None:
    prove(world, client, 250)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_server_answers_as_the_oracle_does_at_length(world: World, client: Client) -> None:
    prove(world, client, 4_000)


def test_the_server_answers_as_the_frame_does(world: World, client: Client, store: fs.FeatureStore) -> None:
    verdicts: Counter[Verdict] = Counter()

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(asks(world))
    def replay(ask: Ask) -> None:
        compared = store.compare_online(
            ask.read.get("features"),
            model=ask.read.get("model"),
            endpoint=ask.read.get("endpoint"),
            entities=ask.entities,
            at=ask.at,
            client=client,
        )
        assert compared.equal, compared
        for column in compared.columns:
            verdicts.update(column.counts)

    replay()
    assert verdicts[Verdict.EQUAL] > verdicts[Verdict.NEWER_OFFLINE] > 0


def test_a_training_frame_is_what_the_server_answers(world: World, client: Client, store: fs.FeatureStore) -> None:
    """The frame of all that was published at one time: every cell, and its type."""
    entities: dict[str, Any] = {}
    for place, kind in enumerate(KINDS):
        rows = [*islice(cycle(world.versions[place, 1].rows), 20)]
        for position, name in enumerate(own_keys(place)):
            column = [*(row[name] for row in rows), None, *(row[name] for row in rows[:3])]
            entities[name] = pa.array(column, to_arrow(kind.keys[position]))
    versions = [(place, number) for place in range(len(KINDS)) for number in (1, 2) if (place, number) not in LAGS]
    references = [f"view{place}@v{number}" for place, number in versions]
    times = pa.array([PUBLISHED] * 24, pa.timestamp("us", tz="UTC"))
    frame = store.get_training_frame(references, pa.table(entities | {"event_timestamp": times}))
    answer = client.get_features(references, entities=entities, at=PUBLISHED)
    joined, looked_up = frame.to_arrow().select(frame.feature_columns), answer.to_arrow()
    assert joined.schema == looked_up.schema
    assert len(joined.column_names) == len(versions) * len(FEATURES)
    for name in joined.column_names:
        assert all(map(same, joined.column(name).to_pylist(), looked_up.column(name).to_pylist())), name


def test_the_command_asks_a_running_server(world: World, server: Served) -> None:
    words = ["compare", "view0@v1", "view2", "--online", "--address", server.address, "--store", str(world.path)]
    found = told(*words, "--at", PUBLISHED.isoformat())
    assert found["equal"] is True
    assert len(found["columns"]) == 2 * len(FEATURES)
    assert {column["sources"][0][0].partition(":")[0] for column in found["columns"]} == {"view0@v1", "view2@v2"}
