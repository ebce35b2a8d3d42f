"""Accounts of one thing: what a model was trained on, how two models differ, the state of the store."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from featurestore.catalog import frames
from featurestore.errors import DefinitionError, NotFoundError
from featurestore.lineage.diff import diff_models
from featurestore.lineage.status import status
from featurestore.lineage.trained_on import files_below, trained_on
from featurestore.model.version import CodeState
from tests.lineage.world import START, lock_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lineage.conftest import Ask
    from tests.lineage.world import Story

SPINE = f"spines/{'5b1e' * 16}.parquet"


def test_exactly_what_a_model_was_trained_on(story: Story, ask: Ask) -> None:
    story.materialize(story.v2, "aaaa0002", day=2)  # later rows change nothing
    found = ask(trained_on, "delay@2")
    assert (found.model, found.frame, found.rows, found.spine_rows) == ("delay@2", "2" * 32, 3, 3)
    assert (found.code.commit, found.frame_code.dirty, found.trained_by) == ("feed0001", True, "ada")
    weather, plane = found.versions
    assert (weather.version, weather.fingerprint) == ("airport_weather@v2", story.v2.fingerprint)
    assert (weather.features, plane.features) == (("wind",), ("age",))  # the frame's temp is not read
    assert (weather.snapshot, weather.rows, weather.code.commit) == (story.s2.id, 10, "c0ffee22")
    assert [(read.source, read.data_version) for read in weather.sources] == [("weather", "files:aaaa0001")]
    assert (weather.windows[0].start, weather.windows[0].end) == (START + timedelta(days=1), START + timedelta(days=2))
    assert weather.text == "select temp,\n  gust as wind\nfrom weather where station"
    assert found.rebuildable is None
    assert "not checked" in str(found)


def test_whether_it_can_be_rebuilt_is_looked_up(story: Story, ask: Ask) -> None:
    asked: list[str] = []

    def there(path: str, _: str) -> str | None:
        asked.append(path)
        return None

    assert ask(trained_on, story.delay1, look=there).rebuildable is True
    assert asked == ["data/airport_weather/v1/aaaa0001.parquet", SPINE]
    gone = ask(trained_on, "model/delay@1", look=lambda path, _: "is not there" if path == SPINE else None)
    assert (gone.rebuildable, gone.missing) == (False, (SPINE,))
    assert "impossible: 1 file missing or damaged" in str(gone)
    assert f"spine: {SPINE} is not there" in str(gone)


def test_files_are_looked_for_or_read(ask: Ask, tmp_path: Path) -> None:
    weather = tmp_path / "data/airport_weather/v1/aaaa0001.parquet"
    weather.parent.mkdir(parents=True)
    weather.write_bytes(b"not what was written")
    (tmp_path / "spines").mkdir()
    (tmp_path / SPINE).write_bytes(b"rows")
    there = ask(trained_on, "delay@1", look=files_below(tmp_path))
    assert (there.rebuildable, there.verified, there.problems) == (True, False, ())
    read = ask(trained_on, "delay@1", look=files_below(tmp_path, verify=True), verified=True)
    assert read.rebuildable is False
    assert {problem.part: problem.text for problem in read.problems} == {
        "airport_weather@v1": "does not hold the bytes that were written",
        "spine": "does not hold the bytes that were written",
    }
    weather.unlink()
    assert [str(problem) for problem in ask(trained_on, "delay@1", look=files_below(tmp_path)).problems] == [
        "airport_weather@v1: data/airport_weather/v1/aaaa0001.parquet is not there"
    ]
    weather.mkdir()
    cannot = ask(trained_on, "delay@1", look=files_below(tmp_path, verify=True)).problems[0]
    assert "cannot be read" in cannot.text


def test_a_frame_without_a_spine_cannot_be_built_again(story: Story, ask: Ask) -> None:
    pins = replace(story.train("5" * 32, {"t": "plane@v1:age"}, [(story.plane, story.p1)]), spine=None)
    with story.change() as tx:
        frames.save(tx, "6" * 32, pins, 3, CodeState())
    story.register("age@2", "6" * 32, lock_of(pins, "t"), "ops")
    found = ask(trained_on, "age@2", look=lambda *_: None)
    assert found.rebuildable is False
    assert "impossible: the frame has no archived spine" in str(found)


def test_a_frame_version_that_the_model_does_not_read_is_marked(story: Story, ask: Ask) -> None:
    columns = {"a": "airport_weather@v1:temp", "b": "plane@v1:age"}
    pins = story.train("4" * 32, columns, [(story.v1, story.s1), (story.plane, story.p1)])
    story.register("age@1", "4" * 32, lock_of(pins, "b"), "ops")
    found = ask(trained_on, "age@1")
    assert [item.features for item in found.versions] == [(), ("age",)]
    assert "(not read by the model)" in str(found)


def test_only_models_were_trained(ask: Ask) -> None:
    with pytest.raises(NotFoundError, match="Did you mean 'delay@"):
        ask(trained_on, "delay@7")
    with pytest.raises(DefinitionError, match="is a view"):
        ask(trained_on, "view/airport_weather")


def test_the_difference_of_two_models(story: Story, ask: Ask) -> None:
    found = ask(diff_models, "delay@1", story.delay2)
    assert [(item.feature, item.action, item.before, item.after) for item in found.features] == [
        ("airport_weather:temp", "removed", "airport_weather@v1:temp", None),
        ("airport_weather:wind", "changed", "airport_weather@v1:wind", "airport_weather@v2:wind"),
        ("plane:age", "added", None, "plane@v1:age"),
    ]
    weather, plane = found.views
    assert (weather.before, weather.after) == ("airport_weather@v1", "airport_weather@v2")
    assert weather.definition.splitlines()[:2] == ["--- airport_weather@v1", "+++ airport_weather@v2"]
    assert "-  wind" in weather.definition
    assert "+  gust AS wind" in weather.definition
    gained, lost = "reads also weather.gust, weather.station", "reads no longer weather.wind"
    assert found.features[1].note == f"wind -> gust; {gained}; {lost}"
    assert weather.data_after is not None
    assert (weather.data_after.snapshot, weather.data_after.first) == (story.s2.id, START + timedelta(days=1))
    assert (plane.before, plane.after, plane.data_before, plane.definition) == (None, "plane@v1", None, "")
    assert found.metrics == (("mae", 13.0, 12.0), ("rmse", None, 20.0))
    assert found.request == ()
    assert "+  plane:age             added" in str(found)


def test_a_feature_with_the_same_fingerprint_in_a_newer_version_is_unchanged(story: Story, ask: Ask) -> None:
    pins = story.train("4" * 32, {"t": "airport_weather@v2:temp"}, [(story.v2, story.s2)])
    story.register("delay@3", "4" * 32, lock_of(pins, "t"), "ops")
    found = ask(diff_models, "delay@1", "delay@3")
    (temp,) = found.of("unchanged")
    assert (temp.before, temp.after) == ("airport_weather@v1:temp", "airport_weather@v2:temp")
    assert [item.feature for item in found.of("removed")] == ["airport_weather:wind"]
    same = ask(diff_models, "delay@1", "delay@1")
    assert len(same.of("unchanged")) == 2
    assert same.views[0].definition == ""
    assert same.views[0].settings == ()


def test_the_state_of_the_store(story: Story, ask: Ask) -> None:
    move = story.roll_back()
    newer = story.materialize(story.v1, "aaaa0002", day=2)
    story.publish(story.s2, "g9", held=True)
    found = ask(status)
    weather, plane = found.views
    assert (weather.current, weather.active, plane.active) == ("airport_weather@v2", "airport_weather@v1", None)
    first, second = weather.versions
    assert (first.snapshot, first.last) == (newer.id, START + timedelta(days=2, hours=1))
    assert first.published is not None
    assert (first.published.snapshot, first.behind) == (story.s1.id, True)
    assert second.published is not None
    assert (second.published.held, second.behind) == (True, False)
    assert (first.endpoints, second.endpoints) == (("eta-prod", "eta-next"), ("eta-shadow",))
    assert found.models == (("delay@1", "eta-team", ("eta-prod",)), ("delay@2", "eta-team", ("eta-next", "eta-shadow")))
    endpoint = next(item for item in found.endpoints if item.endpoint == "eta-next")
    (moved,) = endpoint.moved
    assert (moved.pointer, moved.version, moved.instead_of) == ("airport_weather:wind", "v1", "v2")
    assert (moved.activation, moved.reason) == (move.id, "gusts went blank")
    text = str(found)
    assert "2 views, 2 model versions, 3 endpoints" in text
    assert "! eta-next  airport_weather:wind  v1, not v2" in text
    assert len(text.splitlines()) < 24


def test_a_feature_moved_in_the_default_scope_is_shown(story: Story, ask: Ask) -> None:
    story.move("airport_weather:wind", 2, reason="trial")
    (moved,) = ask(status).views[0].moved
    assert (moved.pointer, moved.version, moved.instead_of) == ("airport_weather:wind", "v2", "v1")
    assert "! default" in str(ask(status))
