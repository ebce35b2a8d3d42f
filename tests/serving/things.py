"""What the small real store holds: a row of every type and state."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

import featurestore as fs
from featurestore.offline.arrow_types import to_arrow

START = datetime(2024, 1, 1, tzinfo=UTC)
AT = START + timedelta(hours=1)
ENTITIES: dict[str, Any] = {"k": ["a", "b", "c", "nobody", None], "n": [1, 2, 2**53 + 1, 1, 1]}
"""One row of each state: PRESENT, NULL, EXPIRED, NOT_FOUND, and a null key."""

TYPES: dict[str, tuple[Any, list[Any]]] = {
    "f64": (fs.Float64, [1.5, None, 2.5]),
    "f32": (fs.Float32, [1.5, None, 2.5]),
    "i64": (fs.Int64, [2**60 + 1, None, 1]),
    "i32": (fs.Int32, [-7, None, 1]),
    "flag": (fs.Bool, [False, None, True]),
    "text": (fs.String, ["é", None, "x"]),
    "raw": (fs.Bytes, [b"\0", None, b"x"]),
    "day": (fs.Date, [date(1960, 1, 1), None, date(2024, 1, 1)]),
    "moment": (fs.Timestamp, [START - timedelta(days=20000, microseconds=1), None, START]),
    "price": (fs.Decimal(38, 2), [Decimal("-123456789012345678901234567890123456.78"), None, Decimal("0.01")]),
    "numbers": (fs.List(fs.Int64), [[2**60, None], None, []]),
    "words": (fs.List(fs.String), [["", None, "é"], None, []]),
    "nested": (fs.List(fs.List(fs.Float64)), [[[1.0], None, []], None, []]),
    "vector": (fs.Embedding(2), [[1.0, -2.0], None, [0.0, 0.0]]),
}


def rows() -> pa.Table:
    times = pa.array([START, START, START - timedelta(days=30)], pa.timestamp("us", tz="UTC"))
    columns: dict[str, Any] = {"k": ENTITIES["k"][:3], "n": ENTITIES["n"][:3], "seen": times}
    return pa.table(columns | {name: pa.array(found, to_arrow(type_)) for name, (type_, found) in TYPES.items()})


def view(name: str = "things", **changes: Any) -> fs.FeatureView:  # noqa: ANN401 - any change
    settings: dict[str, Any] = {
        "entity": fs.Entity("thing", keys={"k": fs.String, "n": fs.Int64}),
        "source": fs.ArrowSource("rows", table=rows()),
        "event_time": "seen",
        "ttl": timedelta(days=7),
        "features": [fs.Feature(feature, type_) for feature, (type_, _) in TYPES.items()],
    }
    return fs.FeatureView(name, **(settings | changes))


def fill(store: fs.FeatureStore) -> None:
    """Put into a store: `things` in two versions, a dimension with a default, a feature set, a model, its endpoint."""
    colours = pa.table({"k": ["a", "b"], "colour": ["red", None]})
    dimension = fs.FeatureView(
        "colours",
        entity=fs.Entity("name", keys={"k": fs.String}),
        source=fs.ArrowSource("paint", table=colours),
        features=[fs.Feature("colour", fs.String, default="grey")],
    )
    store.apply([view(), dimension])
    store.apply([view(ttl=timedelta(days=1))])
    for reference in ("things@v1", "things@v2", "colours@v1"):
        store.materialize(reference)
        store.publish(reference, at=AT)
    store.activate("things@v2", "colours@v1", reason="first")
    store.apply([fs.FeatureSet("both", features=["things@v1:f64 as number", "colours"])])
    spine = pa.table({"k": ["a"], "n": [1], "event_timestamp": pa.array([AT]), "hour": [1]})
    frame = store.get_training_frame(["things@v1:f64", "colours@v1"], spine)
    store.register_model("price", version="1", frame=frame, inputs=["hour", "colours__colour", "things__f64"])
    store.deploy("price@1", endpoint="shop")
