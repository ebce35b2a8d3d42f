"""Verifying: damage is found wherever it is, told with what to do, and nothing else is blamed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import featurestore as fs
from tests.operations.conftest import ViewMaker, hour


@pytest.fixture
def ready(store: fs.FeatureStore, view: ViewMaker) -> fs.FeatureStore:
    for wind in ("wind", "wind * 2"):
        (version,) = store.apply([view(wind)])
        store.materialize(version, start=hour(0), end=hour(20))
        store.materialize(version, start=hour(20), end=hour(48))
        store.publish(version)
        store.publish(version)
    return store


def test_a_sound_store_is_sound(ready: fs.FeatureStore) -> None:
    found = ready.verify()
    assert found.damaged == ()
    assert str(found) == "4 files and 4 generations read: all as they were written"
    assert str(ready.verify("airport_weather@v1")) == "2 files and 2 generations read: all as they were written"
    with pytest.raises(fs.NotFoundError):
        ready.verify("airport_weather@v9")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [flip, Path.unlink], ids=["a bit", "gone"])
@pytest.mark.parametrize(
    ("kind", "pattern", "cure"),
    [("file", "offline/**/data/*.parquet", "materialize again"), ("generation", "online/**/data.mdb", "Publish")],
)
def test_damage_is_found(
    ready: fs.FeatureStore, damage: Callable[[Path], object], kind: str, pattern: str, cure: str
) -> None:
    path = next(path for path in ready.root.glob(pattern) if "/v2/" in path.as_posix())
    damage(path)
    (found,) = ready.verify().damaged
    assert (found.kind, found.version) == (kind, "airport_weather@v2")
    assert found.name in path.as_posix()
    assert cure in str(found.problem)
    assert "1 damaged" in str(ready.verify())
    assert ready.verify("airport_weather@v1").damaged == ()
