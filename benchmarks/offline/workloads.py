"""What is measured: each workload's rows, what it asks, which peers answer beside us, and the bar it must clear.

Sizes are those of `--scale full`; `scaled` makes smaller ones of the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType

__all__ = ["SCALES", "WARMUP", "WORKLOADS", "Bar", "Table", "View", "Workload", "scaled"]

SCALES: Mapping[str, int] = MappingProxyType({"full": 1, "small": 50, "tiny": 5_000})
"""By how much rows and entities are divided: small proves the scripts in minutes, tiny in a test."""


OURS = "featurestore"


@dataclass(frozen=True, slots=True)
class Table:
    """One source of rows.

    Attributes
    ----------
    keys
        Key columns, of those that `generate.KEYS` knows.
    hot
        Whether a hundredth of the entities holds half of the rows.
    doubled
        Share of the rows that come again later: same key, same event time, later created time, other values.
    embedding
        Length of an embedding beside the float features; 0 for none.
    """

    name: str
    rows: int
    entities: int = 100_000
    features: int = 10
    keys: tuple[str, ...] = ("user",)
    hot: bool = False
    doubled: float = 0.0
    embedding: int = 0


@dataclass(frozen=True, slots=True)
class View:
    """One feature view: the columns of a table as they are.

    Attributes
    ----------
    windows
        How many materializations wrote it, each a window of its own; 1 is one of the whole.
    compacted
        Whether `store.compact` merged its runs afterwards.
    """

    name: str
    table: Table
    ttl: timedelta | None = None
    windows: int = 1
    compacted: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """What the issue asks for: seconds or memory of another, divided by ours, at least this.

    Attributes
    ----------
    peer
        Whose, in the same workload; our own where `workload` names another one.
    seconds, memory
        The least ratio; two thirds means that we may take one and a half times as much.
    """

    peer: str = OURS
    workload: str | None = None
    seconds: float | None = None
    memory: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One measurement.

    Attributes
    ----------
    name
        `group` or `group-case`; `--only` takes either.
    spine
        Rows that are asked for.
    among
        How many entities, chosen at random, they are about; None takes all.
    ours, peers
        Which of our calls answers, and who answers beside it.
    settings
        Of the store, where they are not the defaults.
    cap
        Share of the views' bytes that a process may have as memory of its own; None is unlimited.
    """

    name: str
    views: tuple[View, ...]
    spine: int
    among: int | None = None
    ours: str = OURS
    peers: tuple[str, ...] = ("duckdb", "duckdb-semi", "polars", "pandas")
    settings: Mapping[str, str | int] = field(default_factory=dict)
    cap: float | None = None
    bars: tuple[Bar, ...] = ()


def scaled(workload: Workload, scale: str) -> Workload:
    """Return the workload of the same shape at another scale; a key keeps as many rows as it has."""
    factor = SCALES[scale]

    def smaller(table: Table) -> Table:
        return replace(table, rows=table.rows // factor, entities=max(table.entities // factor, 10))

    return replace(
        workload,
        views=tuple(replace(view, table=smaller(view.table)) for view in workload.views),
        spine=max(workload.spine // factor, 100),
        among=None if workload.among is None else max(workload.among // factor, 3),
    )


def _views(name: str, tables: int, rows: int, *, ttl: timedelta | None = None, **options: object) -> tuple[View, ...]:
    names = [f"{name}_{number}" for number in range(tables)]
    return tuple(View(one, replace(Table(one, rows), **options), ttl) for one in names)  # type: ignore[arg-type] # fields of Table


_DENSE = _views("dense", 3, 10_000_000)
_EVENTS = Table("events", 8_000_000)
_FLOORS = ("floor-decode", "floor-read")
_WITHIN = 1 / 1.5


def _compression(codec: str) -> Workload:
    return Workload(
        name=f"compression-{codec}",
        views=_DENSE,
        spine=1_000_000,
        peers=("duckdb", *_FLOORS),
        settings={"compression": codec},
    )


def _runs(name: str, view: View, *bars: Bar, **settings: int) -> Workload:
    return Workload(
        name=f"runs-{name}", views=(view,), spine=500_000, peers=("duckdb", "polars"), settings=settings, bars=bars
    )


def _bounded(name: str, rows: int, *bars: Bar) -> Workload:
    views = (View(f"bounded_{name}", Table(f"bounded_{name}", rows, features=4)),)
    return Workload(name=f"bounded-{name}", views=views, spine=500_000, peers=("duckdb",), bars=bars)


_AS_ONE_RUN = Bar(workload="runs-one", seconds=_WITHIN)

WORKLOADS: tuple[Workload, ...] = (
    Workload(
        name="dense",
        views=_DENSE,
        spine=1_000_000,
        peers=("duckdb", "duckdb-semi", "polars", "pandas", *_FLOORS),
        bars=(Bar("duckdb", seconds=3, memory=3),),
    ),
    Workload(
        name="sparse",
        views=_DENSE,
        spine=10_000,
        among=1_000,
        peers=("duckdb", "duckdb-semi", "polars", "pandas", *_FLOORS),
        bars=(Bar("duckdb", seconds=10),),
    ),
    Workload(
        name="skewed",
        views=_views("skewed", 3, 10_000_000, hot=True),
        spine=1_000_000,
        bars=(Bar("duckdb", seconds=3),),
    ),
    Workload(name="ten", views=_views("ten", 10, 2_000_000), spine=500_000, bars=(Bar("duckdb", seconds=3),)),
    Workload(
        name="keys",
        views=(
            View("by_number", Table("by_number", 5_000_000, keys=("user",))),
            View("by_text", Table("by_text", 5_000_000, keys=("merchant",))),
            View("by_two", Table("by_two", 5_000_000, keys=("region", "device"))),
        ),
        spine=500_000,
    ),
    Workload(
        name="ties",
        views=_views("ties", 3, 5_000_000, doubled=0.3, ttl=timedelta(days=1)),
        spine=500_000,
        bars=(Bar("duckdb", seconds=3),),
    ),
    Workload(
        name="embedding",
        views=(View("vectors", Table("vectors", 2_000_000, features=2, keys=("merchant",), embedding=128)),),
        spine=200_000,
    ),
    _runs("one", View("events_one", _EVENTS)),
    _runs("8", View("events_8", _EVENTS, windows=8), _AS_ONE_RUN),
    _runs("16", View("events_16", _EVENTS, windows=16), _AS_ONE_RUN, max_runs=16),
    _runs("compacted", View("events_compacted", _EVENTS, windows=16, compacted=True), _AS_ONE_RUN),
    Workload(name="capped", views=_DENSE, spine=1_000_000, ours="featurestore-file", peers=("duckdb-file",), cap=0.25),
    Workload(
        name="feast",
        views=_views("feast", 3, 1_000_000, entities=10_000),
        spine=100_000,
        peers=("duckdb", "feast"),
        bars=(Bar("feast", seconds=30),),
    ),
    _bounded("10m", 10_000_000),
    _bounded("100m", 100_000_000, Bar(workload="bounded-10m", memory=_WITHIN)),
    *(_compression(codec) for codec in ("none", "lz4", "zstd")),
)

WARMUP = Workload(name="warmup", views=(View("warmup", Table("warmup", 1_000, entities=10)),), spine=100)
"""What each process does before its clock starts, so that everything is loaded that loads at the first use."""
