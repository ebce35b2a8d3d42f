"""What is asked: of which things, by which call, and as which command."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from benchmarks.lineage.world import FEATURES, START, Shape
from featurestore.catalog import changes, models
from featurestore.store import FeatureStore

__all__ = ["QUESTIONS", "Question", "World"]


@dataclass(frozen=True, slots=True)
class World:
    """What there is to be asked of."""

    shape: Shape
    live: Sequence[str]
    endpoints: Sequence[str]
    end: datetime
    chance: random.Random

    @classmethod
    def of(cls, store: FeatureStore, shape: Shape) -> World:
        """Look at a store that `tell` filled."""
        with store._context.catalog.read() as connection:  # noqa: SLF001
            live = models.deployments(connection)
            last = changes.newest(connection, "deployed", "model", live[-1].reference)
        assert last is not None
        names = sorted({item.reference for item in live}), sorted({item.endpoint for item in live})
        return cls(shape, *names, last.at + timedelta(hours=1), random.Random(7))

    def version(self) -> str:
        """Return a feature version."""
        return f"view_{self.chance.randrange(self.shape.views):04}@v{self.chance.randrange(self.shape.versions) + 1}"

    def feature(self) -> str:
        """Return a feature."""
        return f"{self.version()}:f{self.chance.randrange(FEATURES):02}"

    def popular(self) -> str:
        """Return a feature of the view that is read most."""
        return f"view_0000@v{self.shape.versions}:f{self.chance.randrange(5, 20):02}"

    def column(self) -> str:
        """Return a source's column."""
        return f"source_{self.chance.randrange(self.shape.sources):04}.c{self.chance.randrange(40):02}"

    def model(self) -> str:
        """Return a live model version."""
        return self.chance.choice(self.live)

    def when(self) -> datetime:
        """Return a time."""
        return START + (self.end - START) * self.chance.random()


Ask = Callable[[FeatureStore, World], object]


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes
    ----------
    name
        In the table.
    ask
        Draws what is asked about, and asks.
    bar
        Most milliseconds of the 99th percentile, in process; None: no bar.
    times
        How often it is asked.
    command
        The same as a command line, or nothing.
    """

    name: str
    ask: Ask
    bar: float | None = None
    times: int = 300
    command: Callable[[World], Sequence[str]] | None = None


def _view(world: World) -> str:
    return world.version().partition("@")[0]


QUESTIONS = (
    Question(
        "consumers of a feature version", lambda s, w: s.consumers(w.feature()), 10,
        command=lambda w: ["consumers", w.feature()],
    ),
    Question("consumers of a view's version", lambda s, w: s.consumers(w.version()), 10),
    Question("consumers of the most read view's feature", lambda s, w: s.consumers(w.popular()), times=50),
    Question(
        "consumers of a column", lambda s, w: s.consumers(w.column()), times=30,
        command=lambda w: ["consumers", w.column(), "--live"],
    ),
    Question(
        "upstream of a model", lambda s, w: s.lineage(w.model(), direction="up"), 10,
        command=lambda w: ["lineage", w.model(), "--up"],
    ),
    Question("trained on", lambda s, w: s.trained_on(w.model()), times=50, command=lambda w: ["trained-on", w.model()]),
    Question("downstream of a feature", lambda s, w: s.lineage(w.feature(), direction="down")),
    Question(
        "changes upstream of a model, two weeks",
        lambda s, w: s.changes(since=w.end - timedelta(days=14), upstream_of=w.model()),
        times=100,
        command=lambda w: [
            "changes", "--upstream-of", w.model(), "--since", (w.end - timedelta(days=14)).isoformat(),
        ],
    ),
    Question(
        "active at a time", lambda s, w: s.active_at(_view(w), at=w.when()), 10,
        command=lambda w: ["active", _view(w), "--at", w.when().isoformat()],
    ),
    Question(
        "active at a time, for an endpoint",
        lambda s, w: s.active_at(_view(w), at=w.end, endpoint=w.chance.choice(w.endpoints)),
        10,
    ),
    Question("stale, every live model", lambda s, _: s.stale_models(), times=5, command=lambda _: ["stale"]),
)  # fmt: skip
