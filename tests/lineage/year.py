"""A year in the life of a small store, told by real operations, whose answers are written down by hand in the tests.

Sources  weather(origin, time_hour, temp, wind, gust, station), planes(tailnum, seats), later fleet(tailnum, seats, age)
Views    airport_weather v1: temp, wind. v2: temp as before, wind from gust where the station reported. v3: temp, wind
         is wind in knots. plane v1: seats, over planes; v2: seats and age, over fleet
Models   delay@1 reads v1:temp, v1:wind; delay@2 and delay@3 read v2:temp, v2:wind; age@1 reads plane@v1:seats; age@2
         reads plane@v2:seats, plane@v2:age
People   ada builds, bob improves, carol owns the fleet, dave is on call, eve answers for delay, refresh is a scheduler

`moments` holds the wall clock between two steps, by name. What happened, in order:

opened      ada: v1 and plane@v1 applied, materialized, published, active; delay@1 trained, on eta-prod; also on
            eta-shadow, and taken off again. carol: age@1 trained, on fleet
improved    eve: accepts that wind changes its meaning. bob: v2 applied, materialized, published, active; delay@2
            trained; on eta-next, and on eta-prod with 10%
refreshed   refresh: a second day of weather, for v1 and v2
incident    dave: wind of eta-next back to v1; then the whole view back to v1, for eta-prod and in the default scope
retrained   bob: delay@3 trained on v2 with both days; replaces delay@2 on eta-next; delay@2 leaves eta-prod
moved       carol: accepts another source for seats; plane@v2 over it; age@2 replaces age@1; plane@v1 retired
schema      ada: station vanishes from weather, visib appears; v3, accepted by eve, applied and materialized, then
            retired; v1's first rows are published again, and held
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import featurestore as fs
from featurestore.catalog.database import acting_as
from featurestore.model.snapshot import Snapshot

START = datetime(2013, 7, 1, tzinfo=UTC)
AIRPORT = fs.Entity("airport", keys={"origin": fs.String})
PLANE = fs.Entity("aircraft", keys={"tailnum": fs.String})

V1 = "select origin, time_hour, temp, wind from weather"
V2 = "select origin, time_hour, temp, gust as wind from weather where station is not null"
V3 = "select origin, time_hour, temp, wind / 1.94 as wind from weather"


@dataclass
class Year:
    """The store, the moments between its steps, and what the steps gave."""

    store: fs.FeatureStore
    folder: Path
    moments: dict[str, datetime] = field(default_factory=dict)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    frames: dict[str, str] = field(default_factory=dict)

    def tell(self) -> Year:
        """Let all of it happen."""
        for step in (_opened, _improved, _refreshed, _incident, _retrained, _moved, _schema):
            step(self)
            self.moments[step.__name__.strip("_")] = datetime.now(UTC)
        return self

    def day(self, number: int, *, station: bool = True) -> None:
        """Deliver a day of hourly weather at two airports."""
        rows = [
            {"origin": origin, "time_hour": START + timedelta(days=number, hours=hour), "temp": base + hour / 4,
             "wind": float(hour % 7), "gust": float(hour % 9), **({"station": "KX"} if station else {"visib": 9.0})}
            for origin, base in (("JFK", 20.0), ("LGA", 30.0))
            for hour in range(24)
        ]  # fmt: skip
        file = self.folder / "weather" / f"{number}.parquet"
        file.parent.mkdir(exist_ok=True)
        table = pa.Table.from_pylist(rows)
        place = table.schema.get_field_index("time_hour")
        pq.write_table(table.set_column(place, "time_hour", table["time_hour"].cast(pa.timestamp("us", "UTC"))), file)

    def weather(self, sql: str) -> fs.FeatureView:
        """Return the weather's view with this computation."""
        source = fs.ParquetSource("weather", path=str(self.folder / "weather" / "*.parquet"), owner="met-office")
        return fs.FeatureView(
            "airport_weather", entity=AIRPORT, source=source, sql=sql, event_time="time_hour", owner="weather-team"
        )

    def plane(self, source: str) -> fs.FeatureView:
        """Return the planes' view over this source, whose columns are its features."""
        file = self.folder / f"{source}.parquet"
        age = {"age": [3, 9]} if source == "fleet" else {}
        pq.write_table(pa.table({"tailnum": ["N1", "N2"], "seats": [150, 189], **age}), file)
        return fs.FeatureView("plane", entity=PLANE, source=fs.ParquetSource(source, path=str(file)))

    def spine(self, key: str, *, days: int = 1) -> pa.Table:
        """Return rows to train on: one an hour of the last days of which rows are there."""
        hours = [START + timedelta(hours=6 + hour) for hour in range(0, 24 * days, 4)]
        values = {"origin": ["JFK", "LGA"], "tailnum": ["N1", "N2"]}[key]
        times = pa.array([hour for hour in hours for _ in values], pa.timestamp("us", "UTC"))
        return pa.table({key: values * len(hours), "event_timestamp": times})

    def accept(self, view: fs.FeatureView, who: str, reason: str) -> None:
        """Accept what the policy blocks of a change: a feature that a live model reads would mean something else."""
        with acting_as(who):
            self.store.acknowledge(self.store.check(view), reason=reason, until="14d")

    def train(self, model: str, references: list[str], spine: pa.Table, owner: str) -> None:
        """Join a frame and register a model version on it."""
        frame = self.store.get_training_frame(references, spine)
        name, _, version = model.partition("@")
        self.store.register_model(name, version=version, frame=frame, owner=owner)
        self.frames[model] = frame.id


def _opened(year: Year) -> None:
    store = year.store
    year.day(0)
    with acting_as("ada"):
        store.apply([year.weather(V1), year.plane("planes")])
        year.snapshots["v1 first"] = store.materialize("airport_weather@v1")
        year.snapshots["plane"] = store.materialize("plane@v1")
        store.publish("airport_weather@v1")
        store.publish("plane@v1")
        store.activate("airport_weather@v1", "plane@v1", reason="the first ones")
        year.train("delay@1", ["airport_weather@v1:temp", "airport_weather@v1:wind"], year.spine("origin"), "eta-team")
        store.deploy("delay@1", endpoint="eta-prod")
        store.deploy("delay@1", endpoint="eta-shadow")
        store.undeploy("delay@1", endpoint="eta-shadow")
    with acting_as("carol"):
        year.train("age@1", ["plane@v1:seats"], year.spine("tailnum"), "fleet-team")
        store.deploy("age@1", endpoint="fleet")


def _improved(year: Year) -> None:
    store = year.store
    year.accept(year.weather(V2), "eve", "delay@1 stays on v1")
    with acting_as("bob"):
        store.apply(year.weather(V2))
        year.snapshots["v2 first"] = store.materialize("airport_weather@v2")
        store.publish("airport_weather@v2")
        store.activate("airport_weather@v2", reason="gusts say more")
        year.train("delay@2", ["airport_weather@v2:temp", "airport_weather@v2:wind"], year.spine("origin"), "eta-team")
        store.deploy("delay@2", endpoint="eta-next")
        store.deploy("delay@2", endpoint="eta-prod", share=0.1)


def _refreshed(year: Year) -> None:
    year.day(1)
    with acting_as("refresh"):
        for done in year.store.refresh("airport_weather"):
            assert done.snapshot is not None
            year.snapshots[f"v{done.snapshot.version} second"] = done.snapshot


def _incident(year: Year) -> None:
    store = year.store
    with acting_as("dave"):
        store.rollback("airport_weather:wind", to="v1", endpoint="eta-next", reason="gusts went blank")
        year.moments["during"] = datetime.now(UTC)
        store.rollback("airport_weather", to="v1", endpoint="eta-prod", reason="the canary too")
        store.rollback("airport_weather", reason="everyone back to wind")


def _retrained(year: Year) -> None:
    store = year.store
    with acting_as("bob"):
        spine = year.spine("origin", days=2)
        year.train("delay@3", ["airport_weather@v2:temp", "airport_weather@v2:wind"], spine, "eta-team")
        store.deploy("delay@3", endpoint="eta-next", replace=True)
        store.undeploy("delay@2", endpoint="eta-prod")


def _moved(year: Year) -> None:
    store = year.store
    year.accept(year.plane("fleet"), "carol", "the same seats from a better list")
    with acting_as("carol"):
        store.apply(year.plane("fleet"))
        year.snapshots["plane second"] = store.materialize("plane@v2")
        store.publish("plane@v2")
        store.activate("plane@v2", reason="the fleet's own list")
        year.train("age@2", ["plane@v2:seats", "plane@v2:age"], year.spine("tailnum"), "fleet-team")
        store.deploy("age@2", endpoint="fleet", replace=True)
        store.retire("plane@v1", reason="the list is not kept any more", replacement="plane@v2")


def _schema(year: Year) -> None:
    store = year.store
    for number in (0, 1):
        year.day(number, station=False)
    year.accept(year.weather(V3), "eve", "delay@3 stays on v2")
    with acting_as("ada"):
        store.apply(year.weather(V3))
        year.snapshots["v3"] = store.materialize("airport_weather@v3")
        store.retire("airport_weather@v3", reason="knots by mistake", replacement="airport_weather@v1")
        store.publish("airport_weather@v1", snapshot=year.snapshots["v1 first"])


def open_year(folder: Path) -> Year:
    """Tell the year into a new store."""
    return Year(fs.open_store(folder / "store"), folder).tell()
