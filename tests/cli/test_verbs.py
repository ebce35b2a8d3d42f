"""Every command against a real store: what it does, what it prints, and its JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet
import pytest

from featurestore.model.pins import PinSet
from featurestore.operations import replay
from featurestore.operations.comparison import Verdict
from tests.cli.story import call, done, told

pytestmark = pytest.mark.usefixtures("world")


def test_init_leaves_what_is_there(world: Path) -> None:
    before = (world / "featurestore.toml").read_text(encoding="utf-8")
    answer = told("init")
    assert answer == {"store": str(world / ".featurestore"), "configuration": "featurestore.toml"}
    assert (world / "featurestore.toml").read_text(encoding="utf-8") == before


def test_init_with_a_folder_or_a_store(tmp_path: Path) -> None:
    assert "store" in done("init", str(tmp_path / "new"))
    assert (tmp_path / "new" / "featurestore.toml").is_file()
    assert (tmp_path / "new" / ".featurestore" / "catalog.db").is_file()
    assert told("init", "--store", str(tmp_path / "bare"))["configuration"] is None
    assert (tmp_path / "bare" / "catalog.db").is_file()
    assert told("init", "--store", str(tmp_path / "deep" / "prod.toml"))["store"] == str(
        tmp_path / "deep" / ".featurestore"
    )
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert call("init", str(tmp_path / "file")).code == 2


def test_plan_says_what_would_change_and_changes_nothing(world: Path, tmp_path: Path) -> None:
    assert "unchanged" in done("plan", "features/")
    shutil.copytree(world / "features", tmp_path / "features")
    source = (tmp_path / "features" / "weather.py").read_text(encoding="utf-8")
    (tmp_path / "features" / "weather.py").write_text(source.replace("2 hours", "9 hours"), encoding="utf-8")
    answer = told("plan", str(tmp_path / "features"))
    changes = {change["view"]: change for change in answer["changes"]}
    assert changes["airport_fog"]["action"] == "unchanged"
    assert changes["airport_weather"]["action"] == "changed"
    assert changes["airport_weather"]["version"] == 3
    actions = {feature["name"]: feature["action"] for feature in changes["airport_weather"]["features"]}
    assert actions == {"temp": "unchanged", "wind_6h": "changed"}
    assert {reached["model"] for reached in answer["impact"]} >= {"delay@1", "delay@2"}
    assert set(answer) == {"changes", "sets", "contracts", "impact", "blocking"}
    assert "wind_6h" in done("plan", str(tmp_path / "features"))
    assert told("show", "airport_weather@v2")["number"] == 2
    assert call("show", "airport_weather@v3").code == 3


def test_apply_of_the_same_content_changes_nothing() -> None:
    versions = told("apply", "features/")
    assert sorted(version["reference"] for version in versions) == ["airport_fog@v1", "airport_weather@v2"]
    assert all(len(version["fingerprint"]) == 64 for version in versions)
    assert "airport_weather@v2" in done("apply", "features/")


def test_materialize_tells_the_snapshot() -> None:
    window = ("--start", "2013-07-24", "--end", "2013-07-25")
    first = told("materialize", "airport_weather@v1", *window)
    assert (first["view"], first["version"], first["rows"]) == ("airport_weather", 1, 1800)
    assert first["runs"][-1]["start"] == "2013-07-24T00:00:00Z"
    assert told("materialize", "airport_weather@v1", *window)["id"] == first["id"]
    said = call("materialize", "airport_weather@v1", *window)
    assert first["id"] in said.out
    assert "materialize airport_weather@v1" in said.err


def test_refresh_tells_what_it_skipped() -> None:
    answer = {item["reference"]: item for item in told("refresh", "--no-publish")}
    assert {"airport_weather@v1", "airport_weather@v2", "airport_fog@v1"} <= set(answer)
    again = told("refresh", "airport_weather", "--until", "2013-07-26", "--no-publish")
    assert all(item["skipped"] for item in again)
    assert "airport_weather@v2" in done("refresh", "airport_weather", "--no-publish")


def test_push_reports_what_was_kept_rejected_and_put_online(tmp_path: Path) -> None:
    answer = told("push", "observations", "rows.json", "--id", "one")
    assert (answer["rows"], answer["rejected"], answer["repeated"]) == (1, [], False)
    assert all(one["waits"] or one["rows"] for one in answer["versions"])
    assert told("push", "observations", "rows.json", "--id", "one")["repeated"]
    assert "observations: 1 rows kept, as an earlier push" in done("push", "observations", "rows.json", "--id", "one")
    rows = tmp_path / "rows.json"
    rows.write_text('[{"origin": "JFK", "fgo": true}]', encoding="utf-8")
    assert call("push", "observations", str(rows)).code == 1
    assert call("push", "observation", "rows.json").code == 3
    assert call("push", "weather", "rows.json").code == 1


def test_push_ends_with_one_if_a_row_is_rejected_and_keeps_the_others(tmp_path: Path) -> None:
    good = json.loads(Path("rows.json").read_text(encoding="utf-8"))[0]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("\n".join(json.dumps(row) for row in (good, {**good, "origin": 1}, good)), encoding="utf-8")
    said = call("push", "observations", str(lines))
    assert said.code == 1
    assert "2 rows kept, 1 rejected\n  row 1, origin: " in said.out
    said = call("push", "observations", str(lines), "--json")
    assert said.code == 1
    answer = json.loads(said.out)
    assert (answer["rows"], [(one["row"], one["field"]) for one in answer["rejected"]]) == (2, [(1, "origin")])


def test_train_writes_frame_and_lock(tmp_path: Path) -> None:
    out, lock = tmp_path / "frame.parquet", tmp_path / "delay.lock"
    words = ("train", "airport_weather@v1:temp as temp", "airport_weather:wind_6h", "--spine", "flights.parquet")
    answer = told(*words, "--out", str(out), "--lock", str(lock))
    assert answer["features"] == ["temp", "airport_weather__wind_6h"]
    assert answer["rows"] == 3
    table = pyarrow.parquet.read_table(out)
    assert table.column("temp").to_pylist() == [21.0, 22.0, None]
    assert table.column_names[:3] == ["origin", "event_timestamp", "late"]
    pins = PinSet.load(lock)
    assert {pin.reference for pin in pins.pins} == {"airport_weather@v1", "airport_weather@v2"}
    again = told("train", str(lock), "--out", str(tmp_path / "again.parquet"))
    assert again["frame"] == answer["frame"]
    assert pyarrow.parquet.read_table(tmp_path / "again.parquet").equals(table)
    assert answer["frame"] in done(*words)


def test_train_of_a_model_version_gives_its_rows_again() -> None:
    assert told("train", "delay@1")["frame"] == told("train", "delay1.lock")["frame"]


def test_train_on_rows_in_csv_and_json(tmp_path: Path) -> None:
    (tmp_path / "spine.csv").write_text("origin,at\nJFK,2013-07-02T06:00:00Z\n", encoding="utf-8")
    rows = [{"origin": "JFK", "at": "2013-07-02T06:00:00Z"}]
    (tmp_path / "spine.json").write_text(json.dumps(rows), encoding="utf-8")
    for name in ("spine.csv", "spine.json"):
        out = tmp_path / "frame.csv"
        told(
            "train", "airport_weather@v1:temp", "--spine", str(tmp_path / name), "--timestamp", "at", "--out", str(out)
        )
        assert "21" in out.read_text(encoding="utf-8")


def test_train_streams_parquet_and_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("train", "airport_weather@v1", "--out", str(tmp_path / "frame.parquet"))
    whole = told(*words, "--spine", "flights.parquet")
    expected = pyarrow.parquet.read_table(tmp_path / "frame.parquet")
    monkeypatch.setattr("featurestore.offline.blocks.BLOCK_ROWS", 2)
    said = call(*words, "--spine", "flights.parquet")
    assert "read the spine: 3 rows in" in said.err
    assert "join: 3 rows in" in said.err
    assert str(whole["report"]["rows"]) in said.out
    assert pyarrow.parquet.read_table(tmp_path / "frame.parquet") == expected
    pyarrow.parquet.write_table(pyarrow.parquet.read_table("flights.parquet"), tmp_path / "spines-1.parquet")
    assert told(*words, "--spine", str(tmp_path / "spines-*.parquet"))["rows"] == 3
    assert call(*words, "--spine", "nothing.parquet").code == 3


def test_train_on_the_rows_of_a_range(tmp_path: Path) -> None:
    out = str(tmp_path / "frame.parquet")
    answer = told("train", "airport_weather@v1:temp", "--start", "2013-07-02", "--end", "2013-07-03", "--out", out)
    table = pyarrow.parquet.read_table(out)
    assert answer["rows"] == table.num_rows > 0
    assert table.column_names == ["origin", "event_timestamp", "airport_weather__temp"]
    assert call("train", "airport_weather@v1", "--spine", "flights.parquet", "--start", "2013-07-02").code == 1


def test_train_without_times_says_that_values_are_the_newest(tmp_path: Path) -> None:
    (tmp_path / "spine.csv").write_text("origin\nJFK\n", encoding="utf-8")
    words = ("train", "airport_weather@v1:temp", "--spine", str(tmp_path / "spine.csv"), "--as-of", "2013-07-20")
    assert "no time column: every row got the newest values at 2013-07-20T00:00:00+00:00" in done(*words)
    assert told(*words)["report"]["at"] == "2013-07-20T00:00:00Z"


def test_an_ending_that_cannot_be_written_is_said_before_work_starts() -> None:
    said = call("train", "airport_wether@v1", "--spine", "flights.parquet", "--out", "frame.txt")
    assert "the ending says how it is written" in said.err


def test_train_explains_and_joins_nothing() -> None:
    words = ("train", "airport_weather@v1:temp", "--spine", "flights.parquet", "--explain")
    answer = told(*words)
    assert [read["strategy"] for read in answer["reads"]] == ["bisect"]
    assert "airport_weather@v1 snapshot" in call(*words).out


def test_train_errors_have_their_codes() -> None:
    assert call("train", "airport_weather@v1").code == 1
    assert call("train", "airport_weather@v9", "--spine", "flights.parquet").code == 3
    assert call("train", "airport_fog", "--spine", "flights.parquet").code == 3
    assert call("train", "nothing.lock").code == 3
    said = call("train", "airport_wether@v1", "--spine", "flights.parquet", "--json")
    assert said.json["error"]["type"] == "NotFoundError"
    assert "airport_weather" in said.json["error"]["message"]


def test_register_takes_inputs_and_metrics() -> None:
    words = ("--input", "airport_weather__wind_6h", "--input", "late", "--metric", "rmse=12.5", "--metric", "n=3")
    frame = told("train", "delay1.lock")["frame"]
    answer = told("register", "eta", "--version", "7", "--frame", frame, *words, "--owner", "me", "--uri", "s3://m")
    assert answer["reference"] == "eta@7"
    assert answer["metrics"] == {"rmse": 12.5, "n": 3.0}
    assert answer["lock"]["inputs"] == ["airport_weather__wind_6h", "late"]
    assert (answer["owner"], answer["uri"], answer["frame"]) == ("me", "s3://m", frame)
    assert call("register", "eta", "--version", "7", "--frame", frame).code == 4
    assert call("register", "eta", "--version", "8", "--frame", "0" * 16).code == 3
    done("register", "eta", "--version", "9", "--frame", frame, "--git-sha", "abc")


def test_deploy_and_undeploy() -> None:
    answer = told("deploy", "delay@1", "--endpoint", "eta-test")
    assert (answer["endpoint"], answer["reference"], answer["until"]) == ("eta-test", "delay@1", None)
    assert call("deploy", "delay@2", "--endpoint", "eta-test").code == 4
    assert "delay@2" in done("deploy", "delay@2", "--endpoint", "eta-test", "--replace")
    assert told("undeploy", "delay@2", "--endpoint", "eta-test")["until"] is not None
    assert call("undeploy", "delay@2", "--endpoint", "eta-test").code == 3
    done("deploy", "delay@2", "--endpoint", "eta-test")
    assert "delay@2" in done("undeploy", "delay@2", "--endpoint", "eta-test")


def test_lock_is_printed_and_written(tmp_path: Path) -> None:
    text = done("lock", "delay@1")
    assert PinSet.loads(text).pins == PinSet.load("delay1.lock").pins
    answer = told("lock", "delay@1", "--out", str(tmp_path / "model.lock"))
    assert PinSet.load(tmp_path / "model.lock").digest == answer["digest"]
    frame = told("train", "delay1.lock")["frame"]
    assert PinSet.loads(done("lock", frame)) == PinSet.load("delay1.lock")
    assert call("lock", "delay@9").code == 3


def test_publish_tells_the_generation() -> None:
    answer = told("publish", "airport_weather@v1", "--at", "2013-07-20")
    assert (answer["rows"], answer["held"], answer["as_of"]) == (3, False, "2013-07-20T00:00:00Z")
    snapshot = told("show", "airport_weather@v1")["snapshots"][0]["id"]
    assert told("publish", "airport_weather@v1", "--snapshot", snapshot, "--at", "2013-07-20")["held"] is True
    assert "airport_weather@v1" in done("publish", "airport_weather@v1", "--at", "2013-07-20")


def test_publish_of_a_version_without_rows_is_not_found(tmp_path: Path) -> None:
    store = ("--store", str(tmp_path / "store"))
    done("apply", "features/", *store)
    said = call("publish", "airport_weather@v1", *store, "--json")
    assert said.code == 3
    assert said.json["error"]["type"] == "NotMaterializedError"
    assert call("get", "airport_weather:temp", "--key", "origin=JFK", *store).code == 3


def test_activate_and_rollback() -> None:
    done("activate", "airport_weather@v1", "--reason", "one")
    move = told("activate", "airport_weather@v2", "--reason", "again")[0]
    assert (move["view"], move["version"], move["reason"]) == ("airport_weather", 2, "again")
    dry = told("rollback", "airport_weather:wind_6h", "--to", "v1", "--endpoint", "eta-prod", "--dry-run")
    assert (dry["before"], dry["after"], dry["activation"]) == ("airport_weather@v2", "airport_weather@v1", None)
    assert "would read airport_weather@v1" in done("rollback", "airport_weather", "--dry-run")
    back = told("rollback", "airport_weather", "--reason", "wind is wrong")
    assert back["activation"]["version"] == 1
    assert told("active", "airport_weather")["version"] == "airport_weather@v1"
    assert "v2" in done("activate", "airport_weather@v2", "--reason", "the story, 2")
    assert call("rollback", "airport_fog").code == 3


def test_retire_refuses_what_is_read() -> None:
    assert call("retire", "airport_weather@v2", "--reason", "wrong").code == 4
    answer = told("retire", "airport_fog@v1", "--reason", "wrong")
    assert answer["retired"] == "wrong"


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["airport_weather@v1:temp"], {"airport_weather__temp": [21.0, None]}),
        (["airport_weather:temp", "airport_weather:wind_6h"], None),
        (["--model", "delay@1"], None),
        (["--endpoint", "eta-prod", "--model", "delay@2"], None),
    ],
)
def test_get(words: list[str], values: dict[str, list[float | None]] | None) -> None:
    call_words = ("get", *words, "--key", "origin=JFK,XXX", "--at", "2013-07-20T00:30")
    answer = told(*call_words)
    assert answer["keys"] == {"origin": ["JFK", "XXX"]}
    assert values is None or answer["values"] == values
    assert all(statuses == ["PRESENT", "NOT_FOUND"] for statuses in answer["statuses"].values())
    assert [column["name"] for column in answer["columns"]] == list(answer["values"])
    text = done(*call_words)
    assert "JFK" in text
    assert "(not found)" in text
    assert "from airport_weather@v" in text


def test_get_tells_expired_values_and_errors() -> None:
    answer = told("get", "airport_weather@v1:temp", "--key", "origin=JFK", "--at", "2013-08-01")
    assert answer["statuses"] == {"airport_weather__temp": ["EXPIRED"]}
    assert call("get", "airport_weather@v1:tmp", "--key", "origin=JFK").code == 3
    assert call("get", "airport_weather@v1:temp", "--key", "dest=JFK").code in {1, 3}


def test_get_from_a_server_that_is_not_there() -> None:
    said = call("get", "airport_weather@v1:temp", "--key", "origin=JFK", "--address", "127.0.0.1:1")
    assert said.code == 5


def test_status() -> None:
    answer = told("status")
    assert answer
    assert "airport_weather" in done("status")


def test_consumers() -> None:
    assert "delay@1" in done("consumers", "airport_weather@v1:temp")
    assert "delay@1" in json.dumps(told("consumers", "weather.wind_speed", "--live"))
    assert call("consumers", "airport_weather@v1:tmp").code == 3


def test_lineage() -> None:
    assert "weather.wind_speed" in done("lineage", "delay@1")
    assert "weather.wind_speed" in json.dumps(told("lineage", "delay@1", "--up"))
    assert "delay@2" in done("lineage", "weather.wind_speed", "--down")
    assert len(told("lineage", "delay@1", "--depth", "1")["nodes"]) < len(told("lineage", "delay@1")["nodes"])
    assert "flowchart" in done("lineage", "delay@1", "--format", "mermaid")
    assert "digraph" in done("lineage", "delay@1", "--format", "dot")
    assert call("lineage", "wether.wind_speed").code == 3


def test_active() -> None:
    answer = told("active", "airport_weather")
    assert (answer["version"], answer["answers"][0]["reason"]) == ("airport_weather@v2", "the story, 2")
    assert "the story, 2" in done("active", "airport_weather:temp")
    readers = told("active", "airport_weather:temp", "--endpoint", "eta-prod")["answers"]
    assert {(reader["model"], reader["version"], reader["by"]) for reader in readers} == {
        ("delay@1", "airport_weather@v1", "lock"),
        ("delay@2", "airport_weather@v2", "lock"),
    }
    assert told("active", "airport_weather", "--at", "2001-01-01")["answers"] == []


def test_changes() -> None:
    kinds = {change["kind"] for change in told("changes", "--since", "1d")}
    assert {"applied", "materialized", "published", "activated", "registered", "deployed"} <= kinds
    assert "applied" in done("changes")
    upstream = told("changes", "--upstream-of", "delay@1", "--since", "1d")
    assert any(change["read"] is False for change in upstream)
    assert told("changes", "--since", "2001-01-01", "--until", "2001-01-02") == []


def test_trained_on_stale_and_diff() -> None:
    assert "airport_weather@v1" in json.dumps(told("trained-on", "delay@1"))
    assert "airport_weather@v1" in done("trained-on", "delay@1")
    assert "delay@1" in json.dumps(told("stale"))
    assert "delay@1" in done("stale")
    assert "airport_weather" in json.dumps(told("diff", "delay@1", "delay@2"))
    assert "airport_weather" in done("diff", "delay@1", "delay@2")


def test_errors_end_with_their_code_and_no_traceback() -> None:
    said = call("activate", "airport_weather@v7")
    assert said.code == 3
    assert said.err.startswith("error: ")
    said = call("activate", "airport weather", "--json")
    assert said.code == 1
    assert said.json["error"]["type"] == "DefinitionError"


def test_warnings_about_a_frame_are_told_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "spine.csv").write_text("origin,event_timestamp\nXXX,2013-07-02T06:00:00Z\n", encoding="utf-8")
    said = call("train", "airport_weather@v1:temp", "--spine", str(tmp_path / "spine.csv"), "--json")
    assert said.code == 0
    assert said.json["report"]["reads"][0]["matched"] == 0
    assert "warning: airport_weather@v1: no row matched" in said.err


def test_rows_known_later_need_a_created_time() -> None:
    said = call("train", "airport_weather@v1:temp", "--spine", "flights.parquet", "--as-of", "spine", "--json")
    assert said.code == 1
    assert "created_time" in said.json["error"]["message"]


def test_compare_finds_online_and_offline_the_same() -> None:
    answer = told("compare", "airport_weather@v1", "airport_weather@v2", "--online", "--at", "2013-07-20")
    assert answer["equal"] is True
    assert {column["name"] for column in answer["columns"]} == {
        f"airport_weather__{feature}__v{number}" for feature in ("temp", "wind_6h") for number in (1, 2)
    }
    for column in answer["columns"]:
        assert column["counts"]["equal"] == answer["rows"] == sum(column["statuses"].values())
        assert column["statuses"]["PRESENT"] == 3
    assert "the same online and offline" in done("compare", "--online", "--model", "delay@1", "--at", "2013-07-20")


@pytest.mark.parametrize(
    "words", [["airport_weather@v1"], ["--online"], ["airport_weather@v1", "--online", "--model", "m@1"]]
)
def test_compare_says_what_it_must_be_told(words: list[str]) -> None:
    assert call("compare", *words).code == 2


def test_verify_reads_everything_and_tells_damage(world: Path, tmp_path: Path) -> None:
    answer = told("verify", "airport_weather@v1")
    assert answer["damaged"] == []
    assert {item["kind"] for item in answer["checked"]} == {"file", "generation"}
    shutil.copytree(world / ".featurestore", tmp_path / "store")
    next((tmp_path / "store" / "online").glob("**/data.mdb")).write_bytes(b"")
    said = call("verify", "--store", str(tmp_path / "store"))
    assert said.code == 6
    assert "1 damaged" in said.out


def test_compare_ends_with_1_where_anything_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "judge", lambda *_, **__: Verdict.STATE_DIFFERS)
    said = call("compare", "airport_weather@v1:temp", "--online", "--at", "2013-07-20")
    assert said.code == 1
    assert "NOT the same online and offline" in said.out
    assert "state differs at origin=" in said.out
    answer = call("compare", "airport_weather@v1:temp", "--online", "--at", "2013-07-20", "--json")
    assert (answer.code, answer.json["equal"]) == (1, False)
    assert answer.json["columns"][0]["examples"][0]["verdict"] == "state differs"
