"""Feature sets: applied like views, read like the references they name, and known to lineage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import featurestore as fs
from tests.operations.conftest import ViewMaker, hour

AT = hour(47)
JFK = {"origin": ["JFK"]}


@pytest.fixture
def live(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    """Two versions of the weather, both online, the first one active."""
    for number, wind in enumerate(("wind", "wind * 10"), start=1):
        store.apply([view(wind)])
        store.materialize("airport_weather")
        store.publish(f"airport_weather@v{number}", at=AT)
    store.activate("airport_weather@v1")
    return store


def fraud(*features: str, **metadata: Any) -> fs.FeatureSet:  # noqa: ANN401 - owner, description, tags
    return fs.FeatureSet("fraud", features=features or ["airport_weather@v1:wind"], **metadata)


def read(store: fs.FeatureStore, feature_set: object, **options: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    return store.get_online_features(feature_set=feature_set, entities=JFK, at=AT, **options).to_dict()


def test_content_makes_versions_and_metadata_does_not(live: fs.FeatureStore) -> None:
    (first,) = live.apply([fraud()])
    assert first.reference == "fraud@v1"
    assert live.plan([fraud()]).sets[0].action == "unchanged"
    assert live.apply(fraud()) == [first]
    assert live.plan([fraud(owner="team")]).sets[0].action == "metadata"
    assert live.apply([fraud(owner="team")]) == [first]
    assert live.plan([fraud(owner="team")]).sets[0].action == "unchanged"

    changed = fraud("airport_weather@v1:wind as gust", "airport_weather:temp")
    planned = live.plan([changed])
    assert str(planned) == (
        "~ set fraud  v1 -> v2  (changed)\n"
        "    + airport_weather@v1:wind as gust\n    + airport_weather:temp\n    - airport_weather@v1:wind"
    )
    (second,) = live.apply([changed])
    assert [version.reference for version in live.feature_sets("fraud")] == ["fraud@v1", "fraud@v2"]
    assert live.feature_sets() == [second]

    assert live.plan([fraud()]).sets[0].action == "reverted"
    assert live.apply([fraud()]) == [first]
    assert live.feature_set("fraud") == first
    told = [(change.subject, change.detail["action"]) for change in live.changes() if change.subject.startswith("set/")]
    assert told == [
        ("set/fraud@v1", "new"),
        ("set/fraud@v1", "metadata"),
        ("set/fraud@v2", "changed"),
        ("set/fraud@v1", "reverted"),
    ]


def test_a_set_may_be_applied_with_the_views_it_names(store: fs.FeatureStore, view: ViewMaker) -> None:
    both: list[fs.FeatureSet | fs.FeatureView] = [fraud("airport_weather@v1:wind", "Airport_Weather:temp"), view()]
    assert [change.action for change in store.plan(both).sets] == ["new"]
    feature_set, version = store.apply(both)
    assert (feature_set.reference, version.reference) == ("fraud@v1", "airport_weather@v1")
    assert [str(reference) for reference in store.feature_set("fraud@v1").features] == [
        "airport_weather@v1:wind",
        "airport_weather:temp",
    ]
    after: list[fs.FeatureSet | fs.FeatureView] = [view("wind * 2"), fraud("airport_weather@v2:wind")]
    assert store.plan(after).sets[0].version == 2
    store.apply(after)


def test_a_set_is_read_as_its_references_are(live: fs.FeatureStore) -> None:
    live.apply([fraud("airport_weather@v2:wind as gust", "airport_weather:temp", "airport_weather@v1:wind")])
    expected = live.get_online_features(
        ["airport_weather@v2:wind as gust", "airport_weather:temp", "airport_weather@v1:wind"], entities=JFK, at=AT
    )
    answer = live.get_online_features(feature_set="fraud@v1", entities=JFK, at=AT)
    assert answer.to_dict() == expected.to_dict()
    assert answer.columns == expected.columns
    described = live.describe(feature_set="fraud")
    assert (described.feature_set, described.model, described.lock_digest) == ("fraud@v1", None, None)
    assert [name for name, _, _ in described.columns] == list(answer.to_dict())
    assert read(live, live.feature_set("fraud")) == answer.to_dict()


def test_a_pinned_set_never_moves_and_a_bare_name_does(live: fs.FeatureStore) -> None:
    live.apply([fraud("airport_weather@v1:wind")])
    before = read(live, "fraud@v1")
    live.activate("airport_weather@v2")
    live.apply([fraud("airport_weather@v2:wind")])
    assert read(live, "fraud@v1") == before
    assert read(live, f"fraud@{live.feature_set('fraud@v1').fingerprint[:8]}") == before
    assert read(live, "fraud") == read(live, "fraud@v2") != before


def test_required_pins_refuse_an_unpinned_set_and_unpinned_references_in_one(
    live: fs.FeatureStore, folder: Path
) -> None:
    live.apply([fraud("airport_weather@v1:wind"), fs.FeatureSet("loose", features=["airport_weather:temp"])])
    (folder / "pins.toml").write_text('store = "store"\nrequire_pins = true\n')
    with fs.open_store(folder / "pins.toml") as strict:
        assert read(strict, "fraud@v1")
        with pytest.raises(fs.RequestError, match=r"asked for without a version, .* requires pins: write fraud@v1"):
            read(strict, "fraud")
        with pytest.raises(fs.RequestError, match="'airport_weather:temp' names no version, and this store requires"):
            read(strict, "loose@v1")
        with pytest.raises(fs.RequestError, match="requires pins"):
            strict.get_training_frame("fraud", pl.DataFrame({"origin": ["JFK"]}))


def test_a_frame_is_made_from_a_set_and_its_pins_serve(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    live.apply([fraud("airport_weather@v2:wind as gust", "airport_weather:temp")])
    frame = live.get_training_frame("fraud@v1", spine)
    assert list(frame.feature_columns) == ["gust", "airport_weather__temp"]
    assert [str(reference) for _, reference in frame.pins.columns] == [
        "airport_weather@v2:wind",
        "airport_weather@v1:temp",
    ]
    assert live.get_training_frame(live.feature_set("fraud"), spine).pins == frame.pins
    live.register_model("delay", version="1", frame=frame)
    model = live.get_online_features(model="delay@1", entities=JFK, at=AT)
    assert model.to_dict() == read(live, "fraud@v1")


def test_a_text_that_is_a_model_and_a_set_is_ambiguous(live: fs.FeatureStore, spine: pl.DataFrame) -> None:
    live.apply([fraud()])
    live.register_model("fraud", version="v1", frame=live.get_training_frame("airport_weather@v1", spine))
    with pytest.raises(fs.RequestError, match="'fraud@v1' is a model version and a feature set"):
        live.get_training_frame("fraud@v1", spine)
    assert live.get_training_frame(live.feature_set("fraud@v1"), spine)


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"feature_set": "frud@v1"}, fs.NotFoundError, "there is no feature set 'frud'. Did you mean 'fraud'?"),
        ({"feature_set": "fraud@v9"}, fs.NotFoundError, "'fraud' has no version v9. There is: @v1."),
        ({"feature_set": "fraud@v1:wind"}, fs.RequestError, "names more than a feature set: write fraud@v1"),
        ({"feature_set": "fraud", "features": ["airport_weather:temp"]}, fs.RequestError, "say in one way what to"),
        ({"feature_set": "fraud", "endpoint": "eta"}, fs.RequestError, "say in one way what to read"),
        ({"feature_set": "fraud@v1", "lock": "ab" * 32}, fs.RequestError, "feature sets have no lock"),
        ({}, fs.RequestError, "say what to read"),
    ],
)
def test_wrong_reads_are_refused_in_words(
    live: fs.FeatureStore, asked: dict[str, Any], error: type[Exception], message: str
) -> None:
    live.apply([fraud()])
    with pytest.raises(error, match=message):
        live.get_online_features(**asked, entities=JFK, at=AT)


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        (["airport_wether@v1:wind"], fs.NotFoundError, "Did you mean 'airport_weather'"),
        (["airport_weather@v9:wind"], fs.NotFoundError, "has no version v9"),
        (["airport_weather@v1:wnid"], fs.NotFoundError, "Did you mean 'wind'"),
        (["airport_weather:wnid"], fs.NotFoundError, "no version of 'airport_weather' has a feature 'wnid'"),
        (["airport_weather:wind on orign=dest"], fs.NotFoundError, "Did you mean 'origin'"),
        (["airport_weather:wind", "airport_weather@v1:temp as airport_weather__wind"], fs.CollisionError, "add ' as"),
    ],
)
def test_a_set_is_checked_before_anything_is_applied(
    live: fs.FeatureStore, features: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        live.apply([fs.FeatureSet("good", features=["airport_weather@v1"]), fraud(*features)])
    assert live.feature_sets() == []


def test_views_and_sets_share_their_names(live: fs.FeatureStore, view: ViewMaker) -> None:
    with pytest.raises(fs.DefinitionError, match="a feature view has the name 'Airport_weather'"):
        live.apply([fs.FeatureSet("Airport_weather", features=["airport_weather@v1"])])
    live.apply([fraud()])
    taken = view()
    object.__setattr__(taken, "name", "FRAUD")
    with pytest.raises(fs.DefinitionError, match="a feature set has the name 'FRAUD'"):
        live.apply([taken])
    with pytest.raises(fs.DefinitionError, match="only in case"):
        live.apply([fs.FeatureSet("Fraud", features=["airport_weather@v1"])])
    with pytest.raises(fs.DefinitionError, match="two of them are called"):
        live.apply([fraud(), fraud("airport_weather:temp")])
    with pytest.raises(fs.DefinitionError, match="no feature view and no feature set"):
        live.apply(["fraud"])  # type: ignore[list-item]  # what is tested


def test_a_retired_version_is_not_named_by_a_new_set(live: fs.FeatureStore) -> None:
    live.retire("airport_weather@v2", reason="wrong unit", replacement="airport_weather@v1")
    with pytest.raises(fs.RequestError, match="is retired"):
        live.apply([fraud("airport_weather@v2:wind")])


def test_lineage_knows_the_sets_that_name_a_feature(live: fs.FeatureStore) -> None:
    live.apply([fraud("airport_weather@v1:wind"), fs.FeatureSet("whole", features=["airport_weather@v1"])])
    live.apply([fs.FeatureSet("loose", features=["airport_weather:temp"])])

    def sets(node: str) -> dict[str, tuple[str, ...]]:
        return {use.feature_set: use.names for use in live.consumers(node).sets}

    assert sets("airport_weather@v1:wind") == {
        "fraud@v1": ("airport_weather@v1:wind",),
        "loose@v1": ("airport_weather",),
        "whole@v1": ("airport_weather@v1",),
    }
    assert set(sets("airport_weather@v2:wind")) == {"loose@v1"}
    assert set(sets("weather.wind")) == {"fraud@v1", "loose@v1", "whole@v1"}
    assert "fraud@v1" in str(live.consumers("airport_weather@v1:wind"))
    live.apply([fraud("airport_weather@v2:temp")])
    assert "fraud@v1" not in sets("airport_weather@v1:wind"), "its current version names it no more"

    assert live.consumers("fraud@v1").models == ()
    assert "set/fraud@v2" in {node.id for node in live.lineage("airport_weather@v2:temp", "down").nodes}
    up = {node.id for node in live.lineage("fraud").nodes}
    assert {"set/fraud@v2", "feature/airport_weather@v2:temp", "column/weather.temp"} <= up
    assert {change.kind for change in live.changes(upstream_of="set/fraud@v2")} >= {"applied", "published"}
