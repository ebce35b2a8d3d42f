"""The model: arrival delay in minutes, by gradient-boosted trees, estimated an hour before the flight."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

LABEL = "arr_delay"
REQUEST = ("distance", "hour_of_day", "day_of_week")
"""What the caller knows himself: no feature store needed for a timetable."""

FEATURES = {
    "airport_board": ("disrupted", "movements"),
    "airport_weather": ("temp", "humid", "visib", "pressure", "wind_6h", "rain_6h"),
    "carrier_record": ("delay_6h", "delay_24h", "arrivals_24h"),
    "route_record": ("delay_14d", "arrivals_14d"),
    "plane": ("age", "seats"),
}

_TREES = 150
_SETTINGS = {
    "objective": "l1",  # the error that is reported below is the error that is trained on
    "learning_rate": 0.08,
    "num_leaves": 31,
    "min_child_samples": 100,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,  # two spin against each other where other work takes a core
    "verbose": -1,
}


def references(**versions: str) -> list[str]:
    """Return every feature the model reads, pinned to v1 or to the version named for its view."""
    return [
        f"{view}@{versions.get(view, 'v1')}:{feature}" for view, features in FEATURES.items() for feature in features
    ]


def flights_between(database: duckdb.DuckDBPyConnection, start: datetime, end: datetime) -> pl.DataFrame:
    """Return the spine: flights that are estimated in `[start, end)` and whose delay became known."""
    columns = ", ".join(("event_timestamp", "origin", "dest", "carrier", "tailnum", *REQUEST, LABEL))
    spine: pl.DataFrame = database.sql(
        f"select {columns} from flights where {LABEL} is not null"
        " and event_timestamp >= $start and event_timestamp < $end",
        params={"start": start, "end": end},
    ).pl()
    return spine


@dataclass(frozen=True, slots=True)
class DelayModel:
    """A trained model and the columns it reads, in order."""

    booster: lgb.Booster
    inputs: tuple[str, ...]

    def predict(self, rows: pl.DataFrame) -> npt.NDArray[np.float64]:
        """Return the estimated delay of each row, in minutes."""
        return np.asarray(self.booster.predict(_matrix(rows, self.inputs)), dtype=np.float64)

    def error(self, rows: pl.DataFrame) -> float:
        """Return the mean absolute error over rows that carry the label, in minutes."""
        return float(np.abs(self.predict(rows) - rows[LABEL].to_numpy()).mean())

    def save(self, file: Path) -> Path:
        """Write the trees as text."""
        self.booster.save_model(file)
        return file


def train(rows: pl.DataFrame, inputs: tuple[str, ...]) -> DelayModel:
    """Fit the model to rows that carry the label."""
    data = lgb.Dataset(_matrix(rows, inputs), label=rows[LABEL].to_numpy(), feature_name=list(inputs))
    return DelayModel(lgb.train(dict(_SETTINGS), data, num_boost_round=_TREES), inputs)


def _matrix(rows: pl.DataFrame, inputs: tuple[str, ...]) -> npt.NDArray[np.float64]:
    return rows.select(pl.col(inputs).cast(pl.Float64)).to_numpy()
