"""Two versions of a view compared, and a pointer that moves only between compared ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

import featurestore as fs
from featurestore.cli.group import cli
from featurestore.errors import RequestError
from featurestore.operations.compare_versions import FeatureComparison, Moved, VersionComparison

START = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 2_000


def readings() -> pa.Table:
    draw = np.random.default_rng(5)
    return pa.table(
        {
            "k": pa.array(np.arange(ROWS) % 200),
            "seen": pa.array([START + timedelta(hours=int(hour)) for hour in np.arange(ROWS) // 200]),
            "wind": pa.array(draw.normal(10, 3, ROWS), mask=np.arange(ROWS) % 10 == 0),
            "code": pa.array([None if row % 4 == 0 else "ab"[row % 2] for row in range(ROWS)]),
        }
    )


def weather(sql: str, *features: fs.Feature, **changes: Any) -> fs.FeatureView:  # noqa: ANN401 - any change
    return fs.FeatureView(
        "weather",
        entity=fs.Entity("station", keys={"k": fs.Int64}),
        source=fs.ArrowSource("readings", table=readings()),
        sql=f"SELECT k, seen, {sql} FROM readings",
        event_time="seen",
        features=[*features] or None,
        **changes,
    )


def filled(path: Path, *views: fs.FeatureView) -> fs.FeatureStore:
    store = fs.open_store(path)
    for view in views:
        (version,) = store.apply([view])
        store.materialize(version)
        store.publish(version)
    return store


def by_name(found: VersionComparison) -> dict[str, FeatureComparison]:
    return {feature.name: feature for feature in found.features}


def test_every_feature_is_told_by_value_and_by_distribution(tmp_path: Path) -> None:
    with filled(
        tmp_path,
        weather("wind, code, wind AS same, wind AS gone, wind AS sum, wind AS text"),
        weather(
            "wind * 3.6 AS wind, coalesce(code, '') AS code, wind AS same, wind AS fresh, "
            "wind * (1 + 1e-14) AS sum, CAST(wind AS VARCHAR) AS text"
        ),
    ) as store:
        found = store.compare_versions("weather@v1", "weather@v2", sample=1_000)
    assert (found.before, found.after, found.rows) == ("weather@v1", "weather@v2", 500)  # both drew the same rows
    told = by_name(found)
    assert [*told] == ["wind", "code", "same", "gone", "sum", "text", "fresh"]
    assert {name: feature.moved for name, feature in told.items() if feature.moved is not Moved.BOTH} == {
        "gone": Moved.REMOVED,
        "text": Moved.RETYPED,
        "fresh": Moved.ADDED,
    }
    assert told["same"].same
    assert told["same"].equal == 500
    assert told["sum"].same
    assert told["sum"].rounding > 400
    assert told["wind"].differing + told["wind"].equal == 500
    assert 420 < told["wind"].differing < 480  # a tenth is null in both
    assert "unit_changed" in {finding.kind for finding in told["wind"].findings}
    assert 90 < told["code"].appeared == told["code"].differing < 160
    assert [finding.kind for finding in told["code"].findings] == ["null_to_empty"]
    (row, was, now), *_ = told["code"].examples
    assert (was, now) == (None, "")
    assert row["k"] % 4 == 0
    assert found.blocking
    assert not found.same
    assert "unit" in str(found)


def test_the_same_computation_says_the_same(tmp_path: Path) -> None:
    with filled(tmp_path, weather("wind, code"), weather("wind + 0 AS wind, code", ttl=timedelta(days=9))) as store:
        found = store.compare_versions("weather@v1", "weather@v2")
    assert found.same
    assert not found.blocking
    assert all(feature.findings == () for feature in found.features)


def test_a_ttl_counts_as_it_does_in_a_frame(tmp_path: Path) -> None:
    """At the times of its own rows v2 is never expired; at those of v1, which are denser, it is."""
    with filled(
        tmp_path,
        weather("wind, code"),
        fs.FeatureView(
            "weather",
            entity=fs.Entity("station", keys={"k": fs.Int64}),
            source=fs.ArrowSource("readings", table=readings()),
            sql="SELECT k, seen, wind, code FROM readings WHERE hour(seen) % 5 = 0",
            event_time="seen",
            ttl=timedelta(hours=1),
        ),
    ) as store:
        told = by_name(store.compare_versions("weather@v1", "weather@v2", sample=2_000))
    assert told["wind"].vanished > 100
    assert told["wind"].appeared == 0


def test_a_dimension_is_compared_by_its_keys(tmp_path: Path) -> None:
    rows = pa.table({"k": [1, 2, 3], "name": ["a", "b", None]})
    views = [
        fs.FeatureView(
            "names",
            entity=fs.Entity("thing", keys={"k": fs.Int64}),
            source=fs.ArrowSource("rows", table=rows),
            sql=f"SELECT k, {expression} AS name FROM rows",
        )
        for expression in ("name", "upper(name)")
    ]
    with filled(tmp_path, *views) as store:
        (told,) = store.compare_versions("names@v1", "names@v2").features
    assert (told.equal, told.differing) == (1, 2)


def test_who_would_move_is_named(tmp_path: Path) -> None:
    with filled(tmp_path, weather("wind, code"), weather("wind * 2 AS wind, code")) as store:
        frame = store.get_training_frame(
            ["weather@v1"], pa.table({"k": [1], "event_timestamp": pa.array([START + timedelta(hours=5)])})
        )
        store.register_model("delay", version="1", frame=frame)
        store.deploy("delay@1", endpoint="eta")
        store.activate("weather@v1")
        default = store.compare_versions("weather@v1", "weather@v2", sample=10)
        one = store.compare_versions("weather@v1", "weather@v2", sample=10, endpoint="eta")
    assert (default.moves, default.stays) == ((), (("eta", "delay@1"),))
    assert (one.moves, one.stays) == ((("eta", "delay@1"),), ())


def test_what_cannot_be_compared_is_told(tmp_path: Path) -> None:
    other = fs.FeatureView(
        "weather",
        entity=fs.Entity("place", keys={"code": fs.String}),
        source=fs.ArrowSource("readings", table=readings()),
        sql="SELECT code, seen, wind FROM readings WHERE code IS NOT NULL",
        event_time="seen",
    )
    lone = fs.FeatureView(
        "lone", entity=fs.Entity("station", keys={"k": fs.Int64}), source=fs.ArrowSource("readings", table=readings())
    )
    with filled(tmp_path, weather("wind")) as store:
        store.apply([other])
        store.apply([lone])
        store.materialize("weather@v2")
        with pytest.raises(RequestError, match="other keys"):
            store.compare_versions("weather@v1", "weather@v2")
        with pytest.raises(RequestError, match="versions of two views"):
            store.compare_versions("weather@v1", "lone@v1")
        with pytest.raises(RequestError, match="sample=0"):
            store.compare_versions("weather@v1", "weather@v1", sample=0)


def test_a_pointer_moves_only_between_versions_that_were_compared(tmp_path: Path) -> None:
    toml = tmp_path / "featurestore.toml"
    toml.write_text('store = "store"\nrequire_comparison = true\n')
    with filled(toml, weather("wind, code"), weather("wind * 3.6 AS wind, code")) as store:
        store.activate("weather@v1")  # nothing was read before
        with pytest.raises(RequestError, match=r"featurestore compare weather@v1 weather@v2 --record"):
            store.activate("weather@v2")
        store.compare_versions("weather@v1", "weather@v2")
        with pytest.raises(RequestError, match="require_comparison"):  # looked at, and not recorded
            store.activate("weather@v2")
        store.compare_versions("weather@v1", "weather@v2", record=True)
        store.activate("weather@v2")
        with pytest.raises(RequestError, match=r"weather@v1 was not compared with weather@v2"):
            store.activate("weather@v1")
        store.rollback("weather", reason="back at once")  # is never held up
        (told,) = [change for change in store.changes() if change.kind == "compared"]
    assert told.detail["differing"] == {"wind": told.detail["differing"]["wind"]}
    assert told.detail["blocking"]


def test_the_commands_compare_and_stop_a_move_that_would_break(tmp_path: Path) -> None:
    with filled(tmp_path / "store", weather("wind, code"), weather("wind * 3.6 AS wind, code")) as store:
        store.activate("weather@v1")

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, [*words, "--store", str(tmp_path / "store")])
        return done.exit_code, done.output

    code, text = run("compare", "weather@v1", "weather@v2")
    assert code == 1
    assert "NOT the same values" in text
    assert run("compare", "weather@v1", "weather@v1")[0] == 0
    assert run("compare", "weather@v1")[0] == 2
    code, text = run("activate", "weather@v2", "--compare")
    assert code == 1
    assert "nothing moved" in text
    with fs.open_store(tmp_path / "store") as store:
        assert store.active_at("weather").version == "weather@v1"
    assert run("activate", "weather@v2", "--compare", "--accept", "--reason", "knots")[0] == 0
    with fs.open_store(tmp_path / "store") as store:
        assert store.active_at("weather").version == "weather@v2"
