"""The gate: what a change would do to whom, by the policy; what is accepted, and until when."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import featurestore as fs
from featurestore.errors import BlockedError, DefinitionError, NotFoundError, RequestError
from featurestore.model.effect import Effect, Ruling
from featurestore.model.version import CodeState
from featurestore.operations.check import Check
from tests.operations.conftest import AIRPORT, ViewMaker, hour, make_view, weather

SQL = "select origin, time_hour, temp, {} as wind from weather"
WITHOUT = "select origin, time_hour, temp from weather"
WHERE = "select origin, time_hour, temp from weather where wind is not null"


def train(store: fs.FeatureStore, spine: pl.DataFrame, name: str, *features: str) -> None:
    frame = store.get_training_frame(list(features), spine)
    store.register_model(name.partition("@")[0], version=name.partition("@")[2], frame=frame, owner="delay-team")


def tell(folder: Path, view: ViewMaker) -> None:
    """Make a store whose v1 reads wind, v2 does not, v3 lets it act on rows only; a model live on each, one on none."""
    (folder / "weather").mkdir()
    weather().write_parquet(folder / "weather" / "0.parquet")
    spine = pl.DataFrame({"origin": ["JFK"], "event_timestamp": [hour(7)]})
    with fs.open_store(folder / "store") as store:
        for sql in (SQL.format("wind"), WITHOUT, WHERE):
            (version,) = store.apply([view(sql=sql)])
            store.materialize(version)
            store.publish(version, at="2013-07-03")
        train(store, spine, "delay@1", "airport_weather@v1")
        train(store, spine, "delay@2", "airport_weather@v2")
        train(store, spine, "delay@3", "airport_weather@v3")
        train(store, spine, "temper@1", "airport_weather@v1:temp")
        train(store, spine, "old@1", "airport_weather@v1:wind")
        for model, endpoint in (("delay@1", "eta-prod"), ("delay@2", "eta-next"), ("delay@3", "eta-rows"),
                                ("temper@1", "temper")):  # fmt: skip
            store.deploy(model, endpoint=endpoint)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of a store that is told once and copied for each test."""
    folder = tmp_path_factory.mktemp("told")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        tell(folder, make_view)
    return folder


@pytest.fixture
def live(told: Path, folder: Path) -> Iterator[fs.FeatureStore]:
    shutil.copytree(told, folder, dirs_exist_ok=True)
    with fs.open_store(folder / "store") as opened:
        yield opened


def the(check: Check) -> Ruling:
    (ruling,) = check.rulings
    return ruling


def effects(ruling: Ruling) -> dict[str, Effect]:
    return {effect.name: effect for effect in ruling.effects}


def drop(column: str = "weather.wind") -> list[fs.SourceChange]:
    return [fs.SourceChange.drop(column)]


# --- changes of sources


def test_a_dropped_column_breaks_every_version_that_reads_it_and_says_for_each_model_what(
    live: fs.FeatureStore,
) -> None:
    found = live.check(source_changes=drop())
    ruling = the(found)
    assert (found.result, found.exit_code) == ("blocked", 1)
    assert (ruling.change.kind, ruling.severity, ruling.action) == ("column_dropped", "breaking", "block")
    told = effects(ruling)
    assert told["delay@1"].endpoints == ("eta-prod",)
    assert told["delay@1"].breaks == (
        "refresh of airport_weather@v1",
        "retraining on newer rows of airport_weather@v1",
    )
    assert (told["old@1"].reach, told["old@1"].action) == ("pinned", "warn")
    assert told["old@1"].breaks == ("retraining on newer rows of airport_weather@v1",)
    assert (told["delay@2"].severity, told["delay@2"].breaks) == ("safe", ())
    assert told["delay@2"].keeps == "it reads airport_weather@v2, which does not read weather.wind"


def test_how_the_column_is_used_is_told_apart(live: fs.FeatureStore) -> None:
    told = effects(the(live.check(source_changes=drop())))
    assert [(route.feature, route.how) for route in told["delay@1"].routes] == [("airport_weather@v1:wind", "DIRECT")]
    assert {route.how for route in told["delay@3"].routes} == {"INDIRECT"}
    assert [(route.feature, route.how) for route in told["temper@1"].routes] == [("airport_weather@v1:temp", "BESIDE")]
    assert told["temper@1"].breaks[0] == "refresh of airport_weather@v1"


def test_what_it_says_is_true(live: fs.FeatureStore, folder: Path) -> None:
    weather().drop("wind").write_parquet(folder / "weather" / "0.parquet")
    for number, refreshed in ((1, False), (2, True), (3, False)):
        if refreshed:
            live.materialize(f"airport_weather@v{number}")
        else:
            with pytest.raises(fs.ContractError, match="no longer has the declared column"):
                live.materialize(f"airport_weather@v{number}")
    assert live.get_training_frame("delay@1").to_arrow().num_rows
    assert live.get_online_features(endpoint="eta-prod", entities={"origin": ["JFK"]}, at="2013-07-03").to_dict()


def test_a_function_counts_as_reading_every_column_and_that_is_said(
    store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame
) -> None:
    def relay(relations: dict[str, pl.LazyFrame]) -> pl.LazyFrame:
        from polars import col  # noqa: F401

        frame = relations["weather"].collect()
        return frame.select("origin", "time_hour", "temp").lazy()

    (version,) = store.apply([view(sql=None, transform=relay)])
    store.materialize(version)
    train(store, spine, "delay@1", "airport_weather@v1")
    store.deploy("delay@1", endpoint="eta-prod")
    found = store.check(source_changes=drop())
    (route,) = effects(the(found))["delay@1"].routes
    assert (route.how, route.exact) == ("DIRECT", False)
    assert "it counts as reading every column" in str(found)


def test_a_version_that_nobody_reads_is_archived_and_the_newest_is_waited_for(
    store: fs.FeatureStore, view: ViewMaker
) -> None:
    for wind in ("wind", "wind * 2"):
        store.apply([view(wind)])
    told = effects(the(store.check(source_changes=drop())))
    assert (told["airport_weather@v1"].reach, told["airport_weather@v1"].action) == ("archived", "allow")
    assert (told["airport_weather@v2"].reach, told["airport_weather@v2"].action) == ("pinned", "warn")
    assert store.check(source_changes=drop()).exit_code == 0


def test_the_default_pointer_and_feature_sets_are_readers(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.materialize("airport_weather@v1")
    store.apply([fs.FeatureSet("now", features=["airport_weather@v1:wind"])])
    assert effects(the(store.check(source_changes=drop())))["now@v1"].reach == "pinned"
    store.publish("airport_weather@v1", at="2013-07-03")
    store.activate("airport_weather@v1", reason="first")
    found = store.check(source_changes=drop())
    assert effects(the(found))["airport_weather"].reach == "live"
    assert found.exit_code == 1


def test_an_endpoint_whose_pointer_was_moved_is_reached_by_what_it_reads_now(live: fs.FeatureStore) -> None:
    live.rollback("airport_weather:temp", to="v1", endpoint="eta-next", reason="v2 is wrong")
    told = effects(the(live.check(source_changes=drop())))
    assert told["delay@2"].endpoints == ("eta-next",)
    assert [(route.how, route.reads) for route in told["delay@2"].routes] == [("BESIDE", "pointer")]


def test_a_widening_is_less_severe_than_a_narrowing(
    store: fs.FeatureStore, view: ViewMaker, folder: Path, spine: pl.DataFrame
) -> None:
    whole = weather().with_columns(pl.col("wind").cast(pl.Int32))
    whole.write_parquet(folder / "weather" / "0.parquet")
    store.apply([view()])
    store.materialize("airport_weather@v1")
    train(store, spine, "delay@1", "airport_weather@v1")
    store.deploy("delay@1", endpoint="eta-prod")
    for type_, kind, code in (("Int64", "column_widened", 0), ("smallint", "column_retyped", 1),
                              ("String", "column_retyped", 1)):  # fmt: skip
        found = store.check(source_changes=[fs.SourceChange.retype("weather.wind", type_)])
        assert (the(found).change.kind, found.exit_code) == (kind, code)
    assert not store.check(source_changes=[fs.SourceChange.retype("weather.wind", "Int32")]).rulings


@pytest.mark.parametrize(
    ("types", "fits", "beyond"),
    [
        ((pl.Int32, pl.Int64), 7, 2**40),
        ((pl.Int16, pl.Int32), 7, 2**20),
        ((pl.Float32, pl.Float64), 7.5, 0.1),
        ((pl.Int32, pl.Float64), 7, 0.5),
        ((pl.Decimal(8, 2), pl.Decimal(12, 3)), Decimal("7.25"), Decimal("0.125")),
        ((pl.List(pl.Int32), pl.List(pl.Int64)), [1, None], [1, 2**40]),
        ((pl.Date, pl.Datetime("us")), date(2013, 7, 1), datetime(2013, 7, 1, 12)),  # noqa: DTZ001 - a naive column
    ],
)
def test_a_version_reads_a_wider_column_as_it_was_defined_until_a_value_does_not_fit(
    store: fs.FeatureStore, folder: Path, types: tuple[pl.DataType, pl.DataType], fits: object, beyond: object
) -> None:
    declared, wider = types
    file = folder / "weather" / "0.parquet"

    def write(wind: pl.Series) -> None:
        frame = {"origin": "JFK", "time_hour": [hour(number) for number in range(len(wind))], "temp": 1.0, "wind": wind}
        pl.DataFrame(frame).write_parquet(file)

    known = pl.Series([fits, None], dtype=declared)
    write(known)
    store.apply([make_view()])
    before = store.materialize("airport_weather@v1")
    write(known.cast(wider))
    found = store.check([make_view()], read_sources=True)
    assert [ruling.change.kind for ruling in found.rulings] == ["column_widened"]
    after = store.materialize("airport_weather@v1")
    digests = [[item.sha256 for item in snapshot.files] for snapshot in (before, after)]
    assert digests[0] == digests[1]
    write(pl.concat([known.cast(wider), pl.Series([beyond], dtype=wider)]))
    with pytest.raises(fs.ContractError, match=r"column 'wind' of source 'weather' is .* apply the view again"):
        store.materialize("airport_weather@v1")


def test_a_renamed_column_is_gone_for_those_who_read_it(live: fs.FeatureStore) -> None:
    found = live.check(source_changes=[fs.SourceChange.rename("weather.wind", "wind_speed")])
    assert str(the(found).change) == "rename weather.wind to wind_speed"
    assert found.exit_code == 1


def test_a_schema_is_compared_with_what_is_known(live: fs.FeatureStore) -> None:
    now = {"origin": "String", "time_hour": "Timestamp", "temp": "Float64", "wind": "Float64"}
    assert live.check(source_changes=[fs.SourceSchema("weather", {**now, "gust": "Float64"})]).exit_code == 0
    without = {name: type_ for name, type_ in now.items() if name != "wind"}
    found = live.check(source_changes=[fs.SourceSchema("weather", without)])
    assert found.source_changes == ("drop weather.wind",)
    renamed = fs.SourceSchema("weather", {**without, "speed": "Float64"}, was={"speed": "wind"})
    assert live.check(source_changes=[renamed]).source_changes == ("rename weather.wind to speed",)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (fs.SourceChange.drop("wether.wind"), "Did you mean 'weather'"),
        (fs.SourceChange.drop("weather.wnid"), "Did you mean 'wind'"),
    ],
)
def test_an_unknown_column_is_an_error_that_names_the_nearest(
    live: fs.FeatureStore, change: fs.SourceChange, said: str
) -> None:
    with pytest.raises(NotFoundError, match=said):
        live.check(source_changes=[change])


def test_two_changes_of_one_column_are_refused(live: fs.FeatureStore) -> None:
    with pytest.raises(DefinitionError, match=r"drop weather\.wind and retype weather\.wind to DOUBLE"):
        live.check(source_changes=[*drop(), fs.SourceChange.retype("weather.wind", "Float64")])


# --- changes of definitions


def test_a_new_computation_under_pinned_models_is_a_warning(live: fs.FeatureStore, view: ViewMaker) -> None:
    found = live.check([view("wind * 2")])
    assert found.exit_code == 0
    assert {ruling.change.kind for ruling in found.warned} == {"feature_recomputed"}
    assert [version.reference for version in live.apply([view("wind * 2")])] == ["airport_weather@v4"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"sql": WITHOUT.replace("temp", "temp as warmth")}, "feature_removed"),
        ({"sql": WITHOUT.replace("temp", "cast(temp as varchar) as temp")}, "feature_retyped"),
        ({"sql": WITHOUT.replace("temp", "wind as temp")}, "feature_repurposed"),
    ],
)
def test_what_a_live_model_reads_is_not_taken_away(
    live: fs.FeatureStore, view: ViewMaker, change: dict[str, object], kind: str
) -> None:
    found = live.check([view(**change)])
    assert found.exit_code == 1
    assert kind in {ruling.change.kind for ruling in found.blocked}
    before = live.versions("airport_weather")
    with pytest.raises(BlockedError, match=r"airport_weather:temp .* in airport_weather@v4.*delay@1 on eta-prod"):
        live.apply([view(**change)])
    assert live.versions("airport_weather") == before


def test_other_keys_are_other_features(live: fs.FeatureStore, view: ViewMaker) -> None:
    sql = "select origin, origin as twin, time_hour, temp from weather"
    keys = fs.Entity("pair", keys={"origin": fs.String, "twin": fs.String})
    found = live.check([view(sql=sql, entity=keys)])
    assert {ruling.change.kind for ruling in found.blocked} == {"feature_rekeyed"}


def test_a_wider_type_is_a_warning(store: fs.FeatureStore, view: ViewMaker, spine: pl.DataFrame) -> None:
    store.apply([view("cast(wind as float)")])
    store.materialize("airport_weather@v1")
    train(store, spine, "delay@1", "airport_weather@v1:wind")
    store.deploy("delay@1", endpoint="eta-prod")
    found = store.check([view()])
    assert (the(found).change.kind, the(found).action) == ("feature_widened", "warn")


def test_what_a_reader_reads_already_is_no_change_to_it(live: fs.FeatureStore, view: ViewMaker) -> None:
    found = live.check([view(sql=WITHOUT)])  # what delay@2 reads
    assert found.plan.changes[0].action == "reverted"
    assert {effect.name for ruling in found.rulings for effect in ruling.effects} == {"delay@3"}


def test_readers_of_the_default_pointer_are_warned_of(store: fs.FeatureStore, view: ViewMaker) -> None:
    store.apply([view()])
    store.materialize("airport_weather@v1")
    store.publish("airport_weather@v1", at="2013-07-03")
    store.activate("airport_weather@v1", reason="first")
    found = store.check([view(sql=WITHOUT)])
    assert (the(found).action, effects(the(found))["airport_weather"].breaks) == (
        "warn",
        ("moving it to airport_weather@v2",),
    )
    store.apply([view(sql=WITHOUT)])
    assert store.check([view("wind + 1")]).exit_code == 0


def test_a_definition_that_still_reads_a_dropped_column_is_broken_by_it(live: fs.FeatureStore, view: ViewMaker) -> None:
    found = live.check([view("wind * 2")], source_changes=drop())
    broken = next(ruling for ruling in found.rulings if ruling.change.kind == "definition_broken")
    assert broken.blocks
    assert "wind" in broken.change.why
    assert "definition_broken" not in {
        ruling.change.kind for ruling in live.check([view(sql=WITHOUT)], source_changes=drop()).rulings
    }


def test_a_definition_may_read_what_is_proposed(live: fs.FeatureStore, view: ViewMaker) -> None:
    renamed = [fs.SourceChange.rename("weather.wind", "speed")]
    found = live.check([view("speed")], source_changes=renamed)
    assert not found.problems
    assert "definition_broken" not in {ruling.change.kind for ruling in found.rulings}


def test_what_does_not_parse_is_not_told_and_the_rest_is(live: fs.FeatureStore, view: ViewMaker) -> None:
    wrong = fs.FeatureView("other", entity=AIRPORT, source=fs.ParquetSource("weather", path="weather/*.parquet"),
                           sql="select origin, tmep from weather")  # fmt: skip
    found = live.check([wrong, view("wind * 2")])
    assert (found.result, found.exit_code) == ("unknown", 2)
    assert "tmep" in found.problems[0]
    assert [change.view for change in found.plan.changes] == ["airport_weather"]
    assert live.check([wrong, view(sql=WITHOUT)], source_changes=drop()).exit_code == 1


def test_sources_count_as_the_catalog_knows_them_or_are_looked_at(
    live: fs.FeatureStore, view: ViewMaker, folder: Path
) -> None:
    weather().drop("wind").write_parquet(folder / "weather" / "0.parquet")
    assert live.check([view(sql=WHERE)]).exit_code == 0
    found = live.check([view(sql=WITHOUT)], read_sources=True)
    assert found.source_changes == ("drop weather.wind",)
    assert found.exit_code == 1
    for path in (folder / "weather").iterdir():
        path.unlink()
    assert live.check([view(sql=WHERE)]).exit_code == 0
    assert live.check([view(sql=WHERE)], read_sources=True).exit_code == 2


# --- what is accepted


def accept(store: fs.FeatureStore, found: Check, until: object = "14d", **more: object) -> Ruling:
    store.acknowledge(found, reason="agreed", until=until, **more)  # type: ignore[arg-type]  # any time
    return the(found)


def test_what_is_accepted_passes_and_is_history(live: fs.FeatureStore) -> None:
    found = live.check(source_changes=drop())
    ruling = accept(live, found)
    again = live.check(source_changes=drop())
    assert (again.result, again.exit_code) == ("acknowledged", 0)
    assert "accepted by" in str(again)
    (given,) = live.acknowledgements()
    assert (given.fingerprint, given.reason) == (ruling.fingerprint, "agreed")
    change = live.changes()[-1]
    assert (change.kind, change.subject, change.reason) == ("acknowledged", "column/weather.wind", "agreed")


def test_another_column_type_or_reader_is_another_matter(live: fs.FeatureStore) -> None:
    def retyped(type_: str) -> Check:
        return live.check(source_changes=[fs.SourceChange.retype("weather.wind", type_)])

    accept(live, retyped("String"))
    assert retyped("String").exit_code == 0
    assert retyped("Bool").exit_code == 1
    assert live.check(source_changes=drop()).exit_code == 1
    assert live.check(source_changes=[fs.SourceChange.retype("weather.temp", "String")]).exit_code == 1
    live.undeploy("delay@1", endpoint="eta-prod")
    assert retyped("String").exit_code == 0  # it reaches fewer
    live.deploy("old@1", endpoint="eta-prod")
    lapsed = retyped("String")
    assert lapsed.exit_code == 1
    assert "does not hold any more: it reaches model/old@1 on eta-prod now" in str(lapsed)


def test_what_is_accepted_can_be_applied_and_nothing_else(live: fs.FeatureStore, view: ViewMaker) -> None:
    removal = view(sql="select origin, time_hour, wind from weather")
    live.acknowledge(live.check([removal]), reason="all move on", until="7d")
    assert live.apply([removal])[0].reference == "airport_weather@v4"
    with pytest.raises(BlockedError):
        live.apply([view(sql="select origin, time_hour, cast(temp as varchar) as temp from weather")])


def test_it_ends_and_can_be_withdrawn(live: fs.FeatureStore) -> None:
    given = accept(live, live.check(source_changes=drop()), until=timedelta(days=3))
    acknowledgement = live.acknowledgements()[0]
    now = datetime.now(UTC)
    assert acknowledgement.covers(given, now)
    assert not acknowledgement.covers(given, now + timedelta(days=4))
    assert acknowledgement.state(now + timedelta(days=4)) == "expired"
    live.withdraw_acknowledgement(given.fingerprint[:10], reason="not agreed after all")
    assert live.check(source_changes=drop()).exit_code == 1
    assert live.acknowledgements()[0].state(now) == "withdrawn"
    assert live.changes()[-1].kind == "acknowledgement withdrawn"
    with pytest.raises(NotFoundError):
        live.withdraw_acknowledgement(given.fingerprint[:10], reason="again")


def test_only_some_of_it(live: fs.FeatureStore, view: ViewMaker) -> None:
    found = live.check([view(sql="select origin, time_hour, wind from weather")], source_changes=drop())
    first, *others = found.blocked
    assert others
    live.acknowledge(found, reason="this one", until="1d", only=[first.fingerprint[:8]])
    assert [item.fingerprint for item in live.acknowledgements()] == [first.fingerprint]
    with pytest.raises(NotFoundError, match="begins no fingerprint"):
        live.acknowledge(found, reason="this one", until="1d", only=["ffffffffffff"])


@pytest.mark.parametrize(
    ("reason", "until", "said"),
    [
        (" ", "1d", "for a reason"),
        ("agreed", "2013-01-01", "is over already"),
        ("agreed", "91d", "90 days"),
        ("agreed", "9999999999w", "longer than a duration|further away"),
        ("agreed", "soon", "until"),
    ],
)
def test_it_needs_a_reason_and_an_end(live: fs.FeatureStore, reason: str, until: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        live.acknowledge(live.check(source_changes=drop()), reason=reason, until=until)
    with pytest.raises(RequestError, match="nothing to accept"):
        live.acknowledge(live.check(source_changes=drop("weather.wind")[:0]), reason="agreed", until="1d")


def test_a_model_that_goes_live_meanwhile_is_seen(
    live: fs.FeatureStore, view: ViewMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model, endpoint in (("delay@1", "eta-prod"), ("delay@2", "eta-next"), ("delay@3", "eta-rows"),
                            ("temper@1", "temper")):  # fmt: skip
        live.undeploy(model, endpoint=endpoint)

    def late() -> CodeState:
        live.deploy("delay@1", endpoint="eta-prod")
        return CodeState()

    monkeypatch.setattr("featurestore.operations.apply.code_state", late)
    removal = view(sql="select origin, time_hour, wind from weather")
    assert live.check([removal]).exit_code == 0
    with pytest.raises(BlockedError, match="delay@1 on eta-prod"):
        live.apply([removal])


def test_apply_tells_what_the_policy_warns_of(live: fs.FeatureStore, view: ViewMaker) -> None:
    told: list[str] = []
    live.report_notices(told.append)
    live.apply([view("wind * 2")])
    recomputed = "airport_weather:wind recomputed in airport_weather@v4"  # v3 had no wind, and v1 had another
    assert f"{recomputed}; what reads it stays on its version: model/delay@1 on eta-prod" in told


# --- the policy


@pytest.fixture
def ruled(live: fs.FeatureStore, folder: Path) -> Iterator[fs.FeatureStore]:
    (folder / "featurestore.toml").write_text(
        'store = "store"\n[policy]\nbreaking = "warn"\n[policy.severity]\nfeature_recomputed = "breaking"\n'
        'feature_removed = "safe"\nfeature_repurposed = "breaking"\n'
    )
    live.close()
    with fs.open_store(folder / "featurestore.toml") as opened:
        yield opened


def test_the_policy_decides(ruled: fs.FeatureStore, view: ViewMaker, folder: Path) -> None:
    found = ruled.check([view("wind * 2")], source_changes=drop("weather.wind"))
    assert found.exit_code == 0
    assert {ruling.action for ruling in found.rulings} == {"warn"}
    assert ruled.apply([view(sql="select origin, time_hour, wind from weather")])
    (folder / "featurestore.toml").write_text('store = "store"\n[policy]\nrisky = { live = "block" }\n')
    with fs.open_store(folder / "featurestore.toml") as strict, pytest.raises(BlockedError):
        strict.apply([view(sql="select origin, time_hour, temp + 1 as temp from weather")])
