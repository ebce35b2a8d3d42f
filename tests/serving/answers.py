"""Answers of every type and status, made by hypothesis, and a store that knows only one of them."""

from __future__ import annotations

import string
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

import featurestore.model.types as t
from featurestore.model.description import Description
from featurestore.model.status import STATUS_BY_CODE, Status
from featurestore.offline.arrow_types import to_arrow
from featurestore.online.keys import KeyValues
from featurestore.online.lookup import Asked
from featurestore.online.result import AnswerColumn, OnlineFeatures
from featurestore.serving.answering import WorkerOptions, answer_from
from featurestore.serving.listener import bind

PRESENT, NULL, NOT_FOUND, EXPIRED = (STATUS_BY_CODE.index(status) for status in Status)

_EXACT = Context(prec=60)
_NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6)
_SCALAR_TYPES = [t.Int32, t.Int64, t.Float32, t.Float64, t.Bool, t.String, t.Bytes, t.Date, t.Timestamp]
_DECIMALS = st.integers(1, 38).flatmap(
    lambda precision: st.builds(t.Decimal, st.just(precision), st.integers(0, precision))
)
_ITEMS = st.recursive(st.sampled_from(_SCALAR_TYPES) | _DECIMALS, lambda item: st.builds(t.List, item), max_leaves=2)
types = _ITEMS | st.builds(t.Embedding, st.integers(1, 5))


def values(type_: t.FeatureType) -> st.SearchStrategy[Any]:
    """Python values of a type, none of them null."""
    if type_.kind == "Decimal":
        precision, scale = type_.parameters
        return st.integers(-(10**precision) + 1, 10**precision - 1).map(lambda n: Decimal(n).scaleb(-scale, _EXACT))
    if type_.item is not None:
        return st.lists(st.none() | values(type_.item), max_size=3)
    if type_.kind == "Embedding":
        size = type_.parameters[0]
        return st.lists(st.floats(width=32), min_size=size, max_size=size)
    by_kind: dict[str, st.SearchStrategy[Any]] = {
        "Int32": st.integers(-(2**31), 2**31 - 1),
        "Int64": st.integers(-(2**63), 2**63 - 1),
        "Float32": st.floats(width=32),
        "Float64": st.floats(),
        "Bool": st.booleans(),
        "String": st.text(max_size=5),
        "Bytes": st.binary(max_size=5),
        "Date": st.dates(),
        "Timestamp": st.datetimes(timezones=st.just(UTC)),
    }
    return by_kind[type_.kind]


@st.composite
def columns(draw: st.DrawFn, rows: int) -> AnswerColumn:
    """One column: every status; a default or none."""
    type_ = draw(types)
    codes = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
    default = draw(st.none() | values(type_))
    found = [draw(values(type_)) if code == PRESENT else None if code == NULL else default for code in codes]
    times = [None if code == NOT_FOUND else draw(st.datetimes(timezones=st.just(UTC))) for code in codes]
    padded = pa.array([None, *found, None], to_arrow(type_))
    return AnswerColumn(
        name=draw(_NAMES),
        version=draw(st.integers(1, 2**31)),
        view=draw(_NAMES),
        feature=draw(_NAMES),
        snapshot=draw(st.text("0123456789abcdef", min_size=32, max_size=32)),
        activation=draw(st.none() | st.integers(0, 2**63)),
        values=padded.slice(1, rows) if draw(st.booleans()) else pa.array(found, to_arrow(type_)),
        statuses=np.array(codes, np.uint8),
        event_times=draw(st.sampled_from([None, pa.array(times, pa.timestamp("us", tz="UTC"))])),
    )


answers = st.integers(0, 6).flatmap(lambda rows: st.lists(columns(rows), min_size=1, max_size=4)).map(OnlineFeatures)


def same(one: OnlineFeatures, other: OnlineFeatures, *, event_times: bool) -> bool:
    """Tell whether two answers are the same in all that they say, NaN and the sign of zero included."""
    return (
        one.columns == other.columns
        and one.statuses == other.statuses
        and one.to_arrow().schema == other.to_arrow().schema
        and repr(one.to_dict()) == repr(other.to_dict())
        and other.event_times == (one.event_times if event_times and len(one) else {})
    )


class OneAnswer:
    """A store with one answer: what it was asked is kept, what it raises can be set."""

    def __init__(self, answer: OnlineFeatures | None = None) -> None:
        self.answer = answer or weather_answer()
        self.asked: list[dict[str, Any]] = []
        self.error: Exception | None = None
        self.entered = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()

    def read_online(
        self, asked: Asked, entities: Mapping[str, KeyValues], at: datetime | None = None
    ) -> OnlineFeatures:
        self.asked.append({**asked._asdict(), "entities": entities, "at": at})
        self.entered.set()
        assert self.go_on.wait(30)
        if self.error is not None:
            raise self.error
        return self.answer

    def describe(self, features: Sequence[str] | None = None, **asked: object) -> Description:
        self.asked.append({"features": features, **asked})
        if self.error is not None:
            raise self.error
        return Description(
            keys=(("origin", "String"),),
            request=(("hour", "int64"),),
            inputs=("hour", "weather__temp"),
            columns=(("weather__temp", "weather@v2:temp", "Float64"),),
            lock_digest="ab" * 32,
            model="delay@1",
        )


def weather_answer() -> OnlineFeatures:
    """Four rows, one of each status."""
    column = AnswerColumn(
        name="weather__temp",
        version=2,
        view="weather",
        feature="temp",
        snapshot="5" * 32,
        activation=7,
        values=pa.array([1.5, None, None, None], pa.float64()),
        statuses=np.array([PRESENT, NULL, NOT_FOUND, EXPIRED], np.uint8),
        event_times=pa.array(
            [
                datetime(2024, 1, 1, tzinfo=UTC),
                datetime(2024, 1, 2, tzinfo=UTC),
                None,
                datetime(2023, 1, 1, tzinfo=UTC),
            ],
            pa.timestamp("us", tz="UTC"),
        ),
    )
    return OnlineFeatures([column])


ENTITIES = {"origin": ["JFK", None], "day": [date(2024, 1, 1), None], "n": [2**53 + 1, -1]}


@contextmanager
def served(store: OneAnswer, *, threads: int = 4, grace: float = 5.0) -> Iterator[str]:
    """Serve a store from a thread of this process; yield the address."""
    listener = bind("127.0.0.1:0")
    stop, ready = threading.Event(), threading.Event()
    options = WorkerOptions(None, listener.address, threads, grace)
    thread = threading.Thread(target=answer_from, args=(store, options), kwargs={"stop": stop, "ready": ready.set})
    thread.start()
    try:
        assert ready.wait(30)
        yield listener.address
    finally:
        stop.set()
        thread.join(30)
        listener.close()
        assert not thread.is_alive()
