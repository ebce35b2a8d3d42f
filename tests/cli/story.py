"""A small story: modules, data, and calls of the command line in this process."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from click.testing import CliRunner

import featurestore
from featurestore.cli.group import cli

START = datetime(2013, 7, 1, tzinfo=UTC)
HOURS = 24 * 25
AIRPORTS = ("EWR", "JFK", "LGA")

FEATURES = {
    "entities.py": """
        import featurestore as fs

        airport = fs.Entity("airport", keys={"origin": fs.String})
    """,
    "weather.py": """
        from datetime import timedelta

        import featurestore as fs
        from features.entities import airport

        airport_weather = fs.FeatureView(
            "airport_weather",
            entity=airport,
            source=fs.ParquetSource("weather", path="weather.parquet"),
            sql=\"\"\"
                select origin, time_hour, temp,
                    avg(wind_speed) over (
                        partition by origin order by time_hour
                        range between interval 5 hours preceding and current row
                    ) as wind_6h
                from weather
            \"\"\",
            event_time="time_hour",
            ttl=timedelta(hours=6),
            lookback=timedelta(hours=5),
            owner="delay-team",
        )
    """,
    "notes.py": """
        import featurestore as fs
        from features.entities import airport

        observations = fs.PushSource(
            "observations", schema={"origin": fs.String, "seen_at": fs.Timestamp, "fog": fs.Bool}
        )
        airport_fog = fs.FeatureView("airport_fog", entity=airport, source=observations, event_time="seen_at")
    """,
}


SETS = """
import featurestore as fs

weather_now = fs.FeatureSet("weather_now", features=["airport_weather@v1:temp", "airport_weather@v1:wind_6h as wind"])
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What one call of the command line gave."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON values
        return json.loads(self.out)


def call(*words: str) -> Said:
    """Run the command line in this process, in the working folder."""
    result = CliRunner().invoke(cli, list(words), prog_name="featurestore")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def done(*words: str) -> str:
    """Run the command line; it must end well. Return what it printed."""
    said = call(*words)
    assert said.code == 0, f"{words}: {said.code}\n{said.out}\n{said.err}"
    return said.out


def told(*words: str) -> Any:  # noqa: ANN401 - JSON values
    """Run the command line with --json; it must end well and print one JSON document. Return it."""
    return json.loads(done(*words, "--json"))


def environment() -> dict[str, str]:
    """Return the variables for a process of the command line: ours, and the way to this checkout."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FEATURESTORE_")}
    paths = [str(Path(featurestore.__file__).parent.parent), kept.get("PYTHONPATH", "")]
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def prepare(folder: Path) -> None:
    """Write the modules and the data of the story into a folder."""
    for name, text in FEATURES.items():
        path = folder / "features" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    (folder / "sets.py").write_text(SETS, encoding="utf-8")
    hours = [START + timedelta(hours=hour) for hour in range(HOURS)]
    weather: dict[str, Any] = {
        "origin": [origin for origin in AIRPORTS for _ in hours],
        "time_hour": pa.array(hours * len(AIRPORTS), pa.timestamp("us", "UTC")),
        "temp": [20.0 + position for position, _ in enumerate(AIRPORTS) for _ in hours],
        "wind_speed": [float(hour % 12) for _ in AIRPORTS for hour, _ in enumerate(hours)],
    }
    pyarrow.parquet.write_table(pa.table(weather), folder / "weather.parquet")
    flights: dict[str, Any] = {
        "origin": ["JFK", "LGA", "XXX"],
        "event_timestamp": pa.array([START + timedelta(hours=30)] * 3, pa.timestamp("us", "UTC")),
        "late": [1.0, 2.0, 3.0],
    }
    pyarrow.parquet.write_table(pa.table(flights), folder / "flights.parquet")
    rows = [{"origin": "JFK", "seen_at": "2013-07-19T23:00:00Z", "fog": True}]
    (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")


def change_wind() -> None:
    """Edit the definition: the wind of three hours under the old name, which makes v2."""
    path = Path("features/weather.py")
    path.write_text(path.read_text(encoding="utf-8").replace("interval 5 hours", "interval 2 hours"), encoding="utf-8")


def promise(most: int) -> None:
    """Edit the definition: the weather's contract, with `most` degrees at most; it makes no new version."""
    path = Path("features/weather.py")
    head, _, view = path.read_text(encoding="utf-8").partition("airport_weather = ")
    head = head.partition("promised = ")[0]
    view = view.replace('"weather.parquet")', '"weather.parquet", contract=promised)')
    contract = f'fs.Contract({{"temp": fs.Expect(fs.Float64, at_most={most})}}, key=("origin", "time_hour"))'
    path.write_text(f"{head}promised = {contract}\nairport_weather = {view}", encoding="utf-8")
