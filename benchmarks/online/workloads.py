"""What is measured online: the requests, the bars they must clear, and the sizes.

A bar is a ratio in one run on one machine: our rate to another's, or another's p99 to ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["SCALES", "WORKLOADS", "Bar", "Scale", "Workload"]

FLOATS, VIEWS, VECTOR = 50, 5, 128


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of it: entities in our store and in Feast's, seconds of each load, request bodies that take turns."""

    entities: int
    feast_entities: int
    seconds: int
    bodies: int


SCALES: Mapping[str, Scale] = MappingProxyType(
    {"full": Scale(1_000_000, 100_000, 8, 8), "small": Scale(20_000, 2_000, 2, 2), "tiny": Scale(500, 100, 1, 1)}
)


@dataclass(frozen=True, slots=True)
class Bar:
    """What the issue asks for: our rate divided by the peer's is at least `rate`; its p99 divided by ours, `p99`."""

    peer: str
    rate: float | None = None
    p99: float | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of request.

    Attributes
    ----------
    rows
        Entities asked for in each call.
    features
        References; a whole version stands for all its features.
    bars
        What its rate is held against.
    zipf
        Whether few entities are asked for often; all alike otherwise.
    """

    name: str
    rows: int
    features: Sequence[str]
    bars: Sequence[Bar] = ()
    zipf: bool = False


ALL_VIEWS = tuple(f"floats{view}@v1" for view in range(VIEWS))

WORKLOADS: Sequence[Workload] = (
    Workload("1x50", 1, ["floats0@v1"], [Bar("echo", 0.70)]),
    Workload("1x50-zipf", 1, ["floats0@v1"], [Bar("echo", 0.70)], zipf=True),
    Workload("1x50-default", 1, ["floats0"]),
    Workload("100x50", 100, ["floats0@v1"], [Bar("echo", 0.50)]),
    Workload("100x50-zipf", 100, ["floats0@v1"], [Bar("echo", 0.50)], zipf=True),
    Workload("500x50", 500, ["floats0@v1"]),
    Workload("1x250", 1, ALL_VIEWS, [Bar("feast-grpc", 10, 10)]),
    Workload("100x250", 100, ALL_VIEWS, [Bar("feast-http", 100)]),
    Workload("100xmixed", 100, ["mixed@v1"]),
    Workload("100x300-versions", 100, [f"floats{view}@v{number}" for view in range(3) for number in (1, 2)]),
)
