"""Kinds of fault, as upstreams really make them, injected into a share of a frame's rows.

A fault changes only rows where it can act (a null for `null_to_empty`), but its share is of all rows, as the bars
count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.quality.data import vectors

__all__ = ["FAULTS", "Fault", "injected"]

Generator = np.random.Generator
Inject = Callable[[pl.DataFrame, str, np.ndarray, Generator], pl.DataFrame]
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the frames hold naive UTC times


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes
    ----------
    name
        What happened upstream.
    expected
        Kinds of finding that name the cause; one of them must be found.
    table, columns
        Where it is injected.
    inject
        Gives the frame with the fault in the rows that the mask names.
    acts_on
        Which rows it can act on.
    from_share
        The least share of rows from which the bar demands that it is found; None: no bar, only measured.
    whole
        It is a fault of the whole column or table: only injected at 100%.
    relation
        What the frames are to each other: `"predecessor"`: the later holds the rows of the earlier.
    """

    name: str
    expected: tuple[str, ...]
    table: str
    columns: tuple[str, ...]
    inject: Inject
    acts_on: Callable[[pl.DataFrame, str], pl.Series] = field(default=lambda frame, column: frame[column].is_not_null())
    from_share: float | None = 0.01
    whole: bool = False


def injected(fault: Fault, frame: pl.DataFrame, column: str, share: float, seed: int) -> tuple[pl.DataFrame, float]:
    """Return the frame with the fault in `share` of its rows (or in all that it can act on), and the share reached."""
    drawn = np.random.default_rng(seed)
    able = np.flatnonzero(fault.acts_on(frame, column).to_numpy())
    wanted = len(able) if fault.whole else min(len(able), round(share * frame.height))
    mask = np.zeros(frame.height, dtype=bool)
    mask[drawn.choice(able, size=wanted, replace=False)] = True
    return fault.inject(frame, column, mask, drawn), wanted / max(frame.height, 1)


# --- how


def _replace(new: Callable[[pl.Expr], pl.Expr]) -> Inject:
    def inject(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
        return frame.with_columns(
            pl.when(pl.Series(mask)).then(new(pl.col(column))).otherwise(pl.col(column)).alias(column)
        )

    return inject


def _constant(value: object) -> Inject:
    return _replace(lambda _: pl.lit(value))


def _nulls(frame: pl.DataFrame, column: str) -> pl.Series:
    return frame[column].is_null()


def _everywhere(frame: pl.DataFrame, column: str) -> pl.Series:
    return pl.Series(np.full(frame.height, column in frame.columns))


def _mojibake(text: str) -> str:
    return text.encode("utf-8").decode("cp1252", errors="replace")


def _accented(text: str) -> str:
    return (
        text.replace("A", "Á").replace("E", "É").replace("O", "Ö").replace("a", "á").replace("e", "é").replace("o", "ö")
    )


def _encoding(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    values = [
        _mojibake(_accented(value)) if hit and value is not None else value
        for value, hit in zip(frame[column].to_list(), mask, strict=True)
    ]
    return frame.with_columns(pl.Series(column, values, dtype=pl.String))


def _most_frequent(frame: pl.DataFrame, column: str, rank: int = 0) -> object:
    counts = frame[column].drop_nulls().value_counts(sort=True)
    return counts[column][min(rank, counts.height - 1)]


def _vanished(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    """Leave out the rows of one category, of about the share asked for."""
    counts = frame[column].drop_nulls().value_counts(sort=True)
    wanted = int(mask.sum())
    nearest = int(np.abs(counts["count"].to_numpy().astype(float) - wanted).argmin())
    gone = counts[column][nearest]
    return frame.filter(pl.col(column).is_null() | (pl.col(column) != gone))


def _renamed(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    counts = frame[column].drop_nulls().value_counts(sort=True)
    nearest = int(np.abs(counts["count"].to_numpy().astype(float) - int(mask.sum())).argmin())
    old = counts[column][nearest]
    return frame.with_columns(pl.when(pl.col(column) == old).then(pl.lit("ZQ")).otherwise(pl.col(column)).alias(column))


def _duplicated(frame: pl.DataFrame, _column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    """Load some rows twice."""
    return pl.concat([frame, frame.filter(pl.Series(mask))])


def _dropped(frame: pl.DataFrame, _column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    return frame.filter(~pl.Series(mask))


def _gap(frame: pl.DataFrame, column: str, mask: np.ndarray, drawn: Generator) -> pl.DataFrame:
    """Leave out one stretch of time, of the share asked for."""
    ordered = frame.sort(column)
    length = int(mask.sum())
    if length >= frame.height // 2:
        return ordered.head(frame.height - length)
    start = int(drawn.integers(frame.height // 10, frame.height - length - frame.height // 10))
    first, last = ordered[column][start], ordered[column][start + length - 1]
    return ordered.filter((pl.col(column) < first) | (pl.col(column) > last))


def _stale(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    """Leave out the newest rows."""
    return frame.sort(column).head(frame.height - int(mask.sum()))


def _zone(hours: int, *others: str) -> Inject:
    def inject(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
        moved = [name for name in (column, *others) if name in frame.columns]
        step = pl.lit(timedelta(hours=hours))
        hit = pl.Series(mask)
        return frame.with_columns(
            pl.when(hit).then(pl.col(name) + step).otherwise(pl.col(name)).alias(name) for name in moved
        )

    return inject


def _swapped(other: str) -> Inject:
    def inject(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
        hit = pl.Series(mask)
        return frame.with_columns(
            pl.when(hit).then(pl.col(other)).otherwise(pl.col(column)).alias(column),
            pl.when(hit).then(pl.col(column)).otherwise(pl.col(other)).alias(other),
        )

    return inject


def _shift(deviations: float) -> Inject:
    def inject(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
        step = deviations * float(frame[column].std())  # type: ignore[arg-type]  # a number's deviation
        return _replace(lambda value: value + step)(frame, column, mask, _)

    return inject


def _other_model(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    other = vectors(frame, model=2)
    return frame.with_columns(pl.when(pl.Series(mask)).then(other).otherwise(pl.col(column)).alias(column))


def _scaled_vectors(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    """Vectors that are no longer of unit length."""
    values = frame[column].to_numpy() * np.where(mask, 3.0, 1.0)[:, None]
    return frame.with_columns(pl.Series(column, values.astype(np.float32), dtype=frame.schema[column]))


def _cut_vectors(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    lists = [value[:-4] if hit else value for value, hit in zip(frame[column].to_list(), mask, strict=True)]
    return frame.with_columns(pl.Series(column, lists, dtype=pl.List(pl.Float32)))


def _mixed(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    """Give some rows the most frequent category."""
    return _constant(_most_frequent(frame, column))(frame, column, mask, _)


def _as_text(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    return frame.with_columns(pl.col(column).cast(pl.String)) if mask.any() else frame


def _late(frame: pl.DataFrame, column: str, mask: np.ndarray, _: Generator) -> pl.DataFrame:
    return _replace(lambda value: value + pl.lit(timedelta(days=3)))(frame, column, mask, _)


FAULTS: tuple[Fault, ...] = (
    Fault("null becomes empty", ("null_to_empty",), "flights", ("remark",), _constant(""), _nulls),
    Fault("null becomes N/A", ("null_to_sentinel",), "flights", ("remark",), _constant("N/A"), _nulls),
    Fault("null becomes -1", ("null_to_sentinel",), "flights", ("arr_delay", "dep_delay"), _constant(-1.0), _nulls),
    Fault("null becomes 999", ("null_to_sentinel",), "weather", ("wind_gust", "pressure"), _constant(999.0), _nulls),
    Fault("null becomes 0", ("null_to_sentinel",), "flights", ("air_time",), _constant(0.0), _nulls),
    Fault("null becomes 1970-01-01", ("null_to_sentinel",), "flights", ("departed",), _constant(EPOCH), _nulls),
    Fault("text becomes null", ("nulls_rose",), "flights", ("carrier", "dest"), _constant(None)),
    Fault("number becomes null", ("nulls_rose",), "weather", ("temp", "wind_speed"), _constant(None)),
    Fault("number becomes NaN", ("not_a_number",), "weather", ("temp", "humid"), _constant(float("nan"))),
    Fault("type becomes text", ("type_changed",), "weather", ("temp", "visib"), _as_text, whole=True),
    Fault("a new category", ("category_new", "constant"), "flights", ("carrier", "origin"), _constant("ZQ")),
    Fault("a category vanishes", ("category_vanished",), "flights", ("carrier", "dest"), _vanished),
    Fault("a category is renamed", ("category_renamed",), "flights", ("carrier", "dest"), _renamed),
    Fault(
        "upper becomes lower case",
        ("case_changed",),
        "flights",
        ("carrier", "dest", "tailnum"),
        _replace(lambda value: value.str.to_lowercase()),
    ),
    Fault(
        "mixed becomes upper case",
        ("case_changed",),
        "planes",
        ("type", "engine"),
        _replace(lambda value: value.str.to_uppercase()),
    ),
    Fault(
        "blanks are appended",
        ("whitespace_changed",),
        "flights",
        ("carrier", "tailnum"),
        _replace(lambda value: value + "  "),
    ),
    Fault("another encoding", ("encoding_changed",), "planes", ("manufacturer", "model"), _encoding),
    Fault(
        "texts are cut",
        ("truncated",),
        "planes",
        ("manufacturer", "engine"),
        _replace(lambda value: value.str.slice(0, 5)),
        lambda frame, column: frame[column].str.len_chars() > 5,
    ),
    Fault(
        "numbers as 1,234 in a text",
        ("format_changed",),
        "planes",
        ("model",),
        _replace(lambda value: value.str.replace("-", ",")),
        lambda frame, column: frame[column].str.contains("-"),
    ),
    Fault("a load is repeated", ("duplicates",), "flights", ("time_hour",), _duplicated, _everywhere),
    Fault("rows are missing", ("volume_dropped",), "flights", ("time_hour",), _dropped, _everywhere),
    Fault("a stretch is missing", ("gap", "volume_dropped"), "weather", ("time_hour",), _gap, _everywhere),
    Fault("the newest rows are missing", ("stale", "volume_dropped"), "weather", ("time_hour",), _stale, _everywhere),
    Fault("x1000", ("unit_changed",), "flights", ("distance",), _replace(lambda value: value * 1000), from_share=0.2),
    Fault(
        "feet to metres",
        ("unit_changed",),
        "weather",
        ("pressure", "visib"),
        _replace(lambda value: value * 0.3048),
        from_share=0.2,
    ),
    Fault(
        "miles to kilometres",
        ("unit_changed",),
        "flights",
        ("distance",),
        _replace(lambda value: value * 1.609344),
        from_share=0.2,
    ),
    Fault(
        "Fahrenheit to Celsius",
        ("unit_changed",),
        "weather",
        ("temp", "dewp"),
        _replace(lambda value: (value - 32) / 1.8),
        from_share=0.2,
    ),
    Fault(
        "miles an hour to knots",
        ("unit_changed",),
        "weather",
        ("wind_speed",),
        _replace(lambda value: value * 0.868976),
        from_share=0.2,
    ),
    Fault(
        "minutes to seconds",
        ("unit_changed",),
        "flights",
        ("arr_delay", "air_time"),
        _replace(lambda value: value * 60),
        from_share=0.2,
    ),
    Fault(
        "zone 5 hours back",
        ("zone_shifted",),
        "flights",
        ("time_hour",),
        _zone(-5, "scheduled", "departed"),
        _everywhere,
        from_share=0.2,
    ),
    Fault("zone 4 hours on", ("zone_shifted",), "flights", ("scheduled",), _zone(4), _everywhere, from_share=0.2),
    Fault(
        "swapped columns", ("swapped",), "flights", ("dep_delay",), _swapped("air_time"), _everywhere, from_share=0.2
    ),
    Fault("swapped alike columns", ("swapped",), "flights", ("origin",), _swapped("dest"), _everywhere, from_share=0.2),
    Fault("shifted by 0.2 sd", ("shifted",), "flights", ("arr_delay", "air_time", "distance"), _shift(0.2), whole=True),
    Fault("shifted by 0.5 sd", ("shifted",), "flights", ("dep_delay", "air_time"), _shift(0.5), whole=True),
    Fault(
        "categories mix otherwise",
        ("shifted", "spike", "constant"),
        "flights",
        ("dest",),
        _mixed,
        from_share=0.2,
    ),
    Fault("constant", ("constant",), "weather", ("humid", "wind_dir"), _constant(1.0), whole=True),
    Fault(
        "sign", ("sign_flipped",), "flights", ("arr_delay", "distance"), _replace(lambda value: -value), from_share=0.2
    ),
    Fault(
        "decimals lost",
        ("precision_lost",),
        "weather",
        ("temp", "dewp"),
        _replace(lambda value: value.round(0)),
        from_share=0.2,
    ),
    Fault("vectors of another model", ("embedding_model",), "planes", ("vector",), _other_model, from_share=0.2),
    Fault(
        "vectors not normalised",
        ("embedding_shifted", "embedding_model"),
        "planes",
        ("vector",),
        _scaled_vectors,
        from_share=0.2,
    ),
    Fault("vectors cut", ("dimension_changed", "type_changed"), "planes", ("vector",), _cut_vectors),
    Fault("rows arrive late", ("late",), "flights", ("departed",), _late, from_share=0.2),
)
"""Every fault, in the order of the report."""
