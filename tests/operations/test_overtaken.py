"""Online reads that publishes overtake: resolved again, never refused; rows that are really gone are damage."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import featurestore as fs
from featurestore.online.lmdb_store import LmdbStore
from tests.operations.conftest import ViewMaker, hour

ENTITIES = {"origin": ["JFK", "LGA"]}


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    store.apply([view(ttl=None)])
    store.materialize("airport_weather@v1")
    store.publish("airport_weather@v1", at=hour(1))
    return store


@pytest.fixture
def reader(ready: fs.FeatureStore) -> Iterator[fs.FeatureStore]:
    with fs.open_store(ready.root, read_only=True) as opened:
        yield opened


def test_a_read_that_publishes_overtake_is_resolved_again(
    ready: fs.FeatureStore, reader: fs.FeatureStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema, overtaken = LmdbStore.schema, list[str]()

    def late(self: LmdbStore, generation: str) -> Mapping[str, Any]:
        if len(overtaken) < 2:  # twice in a row the generation has gone before it was opened
            overtaken.append(generation)
            for number in range(2, 5):
                ready.publish("airport_weather@v1", at=hour(number * len(overtaken)))
        return schema(self, generation)

    monkeypatch.setattr(LmdbStore, "schema", late)
    answer = reader.get_online_features("airport_weather@v1:temp", entities=ENTITIES)
    assert len(set(overtaken)) == 2
    assert answer.to_dict() == {"airport_weather__temp": [20.0 + 8 / 4, 30.0 + 8 / 4]}


def test_rows_that_the_catalog_names_and_nobody_has_are_damage(ready: fs.FeatureStore, reader: fs.FeatureStore) -> None:
    shutil.rmtree(ready.root / "online")
    with pytest.raises(fs.CorruptError, match=r"the catalog names rows that are not there.*publish the version again"):
        reader.get_online_features("airport_weather@v1:temp", entities=ENTITIES)
    ready.publish("airport_weather@v1", at=hour(1))
    assert reader.get_online_features("airport_weather@v1:temp", entities=ENTITIES).to_dict() == {
        "airport_weather__temp": [20.25, 30.25]
    }
