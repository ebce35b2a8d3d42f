"""Pointers: which move counts for a view, a feature, a scope, a moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from featurestore.catalog import activations, models, schema, versions
from featurestore.catalog.database import Catalog
from featurestore.catalog.models import ModelVersion
from featurestore.errors import NotFoundError
from featurestore.model.definition import Computation, Definition, FeatureDefinition, Metadata
from featurestore.model.history import Activation, Deployment
from featurestore.model.pins import PinSet
from featurestore.model.types import Float64, String
from featurestore.model.version import CodeState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Pointers:
    """A catalog with three versions of two views, whose clock moves an hour at every change."""

    catalog: Catalog
    hours: int = 0

    @property
    def now(self) -> datetime:
        return NOON + timedelta(hours=self.hours)

    def fill(self) -> None:
        with self.catalog.write() as tx:
            for view in ("weather", "plane"):
                for number in range(1, 4):
                    versions.insert(tx, definition(view, number), Metadata(), CodeState())
            values = {"pins": {}, "rows": 0, "actor": "ada", "created_at": tx.now}
            tx.connection.execute(insert(schema.frames).values(id="f" * 32, **values))
            for version in ("1", "2", "3"):
                lock = PinSet((), ())
                code = CodeState()
                model = ModelVersion("delay", version, "f" * 32, lock, "", None, {}, "", code, tx.now)
                models.insert(tx, model)

    def move(self, pointer: str, version: int, *, endpoint: str | None = None, **changes: Any) -> Activation:  # noqa: ANN401
        view, _, feature = pointer.partition(":")
        self.hours += 1
        with self.catalog.write() as tx:
            return activations.move(
                replace(tx, now=self.now, actor="ada"),
                view=view,
                feature=feature or None,
                endpoint=endpoint,
                version=version,
                **{"action": "activate", "below": None, "reason": f"v{version}", **changes},
            )

    def deploy(self, version: str, endpoint: str = "eta") -> Deployment:
        self.hours += 1
        with self.catalog.write() as tx:
            model = models.find(tx.connection, f"delay@{version}")
            return models.deploy(replace(tx, now=self.now), model, endpoint, None)

    def undeploy(self, deployment: Deployment) -> Deployment:
        self.hours += 1
        with self.catalog.write() as tx:
            models.end_deployment(replace(tx, now=self.now), deployment, "replaced")
            ended = models.deployments(tx.connection, endpoint=deployment.endpoint, live=False)
            return next(item for item in ended if item.id == deployment.id)

    def top(self, pointer: str, **scope: Any) -> int | None:  # noqa: ANN401
        view, _, feature = pointer.partition(":")
        with self.catalog.read() as connection:
            pointers = activations.pointers(connection, view, **scope)
        found = pointers.own.get(feature) if feature else pointers.whole
        return None if found is None else found.version

    def read(self, pointer: str, **scope: Any) -> int | None:  # noqa: ANN401
        view, _, feature = pointer.partition(":")
        with self.catalog.read() as connection:
            found = activations.pointer(connection, view, feature or None, **scope)
        return None if found is None else found.version


def definition(view: str, number: int) -> Definition:
    features = tuple(FeatureDefinition(name, Float64, identity=f"{name} {number}") for name in ("temp", "wind"))
    text = f"select {number} from {view}"
    return Definition(
        view, "airport", (("origin", String),), (), Computation("sql", text, text), None, None, None, None, features
    )


@pytest.fixture
def pointers(catalog: Catalog) -> Pointers:
    made = Pointers(catalog)
    made.fill()
    return made


# --- views and features


def test_nothing_is_active_at_first(pointers: Pointers) -> None:
    assert pointers.top("weather") is None
    assert pointers.read("weather:temp") is None


def test_the_newest_move_counts(pointers: Pointers) -> None:
    for version in (1, 3, 2):
        pointers.move("weather", version)
        assert pointers.top("weather") == pointers.read("weather") == pointers.read("weather:temp") == version
    assert pointers.top("weather:temp") is None
    assert pointers.top("plane") is None


def test_a_features_move_counts_while_it_is_newer_than_its_views(pointers: Pointers) -> None:
    pointers.move("weather", 2)
    pointers.move("weather:temp", 1)
    assert (pointers.read("weather:temp"), pointers.read("weather:wind"), pointers.read("weather")) == (1, 2, 2)
    pointers.move("weather", 3)
    assert (pointers.read("weather:temp"), pointers.read("weather:wind"), pointers.read("weather")) == (3, 3, 3)
    assert pointers.top("weather:temp") == 1
    pointers.move("weather:temp", 2)
    assert (pointers.read("weather:temp"), pointers.read("weather:wind")) == (2, 3)


def test_a_feature_may_be_active_where_its_view_is_not(pointers: Pointers) -> None:
    pointers.move("weather:temp", 1)
    assert pointers.read("weather:temp") == 1
    assert pointers.read("weather:wind") is None
    assert pointers.read("weather") is None


def test_moves_in_one_transaction_count_in_their_order(pointers: Pointers) -> None:
    """The sequence decides, not the clock: both moves have one time."""
    how: dict[str, Any] = {"endpoint": None, "action": "activate", "below": None, "reason": ""}
    with pointers.catalog.write() as tx:
        activations.move(tx, view="weather", feature="temp", version=1, **how)
        activations.move(tx, view="weather", feature=None, version=2, **how)
        activations.move(tx, view="weather", feature="wind", version=3, **how)
    assert (pointers.read("weather:temp"), pointers.read("weather:wind")) == (2, 3)


def test_a_view_is_found_whatever_its_case_or_the_error_names_it(pointers: Pointers) -> None:
    pointers.move("Weather", 1)
    assert pointers.top("WEATHER") == 1
    with pytest.raises(NotFoundError, match=r"there is no feature view 'wether'. Did you mean 'weather'"):
        pointers.top("wether")
    with pytest.raises(NotFoundError, match="there is no endpoint 'eta'"):
        pointers.top("weather", endpoint="eta")


# --- moments


def test_at_counts_the_moves_up_to_then_inclusive(pointers: Pointers) -> None:
    first = pointers.move("weather", 1)
    second = pointers.move("weather", 2)
    own = pointers.move("weather:temp", 3)
    before = first.at - timedelta(microseconds=1)
    assert pointers.top("weather", at=before) is None
    assert pointers.top("weather", at=first.at) == 1
    assert pointers.top("weather", at=second.at - timedelta(microseconds=1)) == 1
    assert pointers.top("weather", at=second.at) == 2
    assert pointers.read("weather:temp", at=own.at - timedelta(microseconds=1)) == 2
    assert pointers.read("weather:temp", at=own.at) == 3
    assert pointers.read("weather", at=own.at + timedelta(days=1)) == 2


# --- endpoints


def test_an_endpoint_is_a_scope_of_its_own(pointers: Pointers) -> None:
    deployment = pointers.deploy("1")
    pointers.deploy("1", "shadow")
    pointers.move("weather", 1)
    pointers.move("weather", 2, endpoint="eta")
    pointers.move("weather:temp", 3, endpoint="ETA")
    assert pointers.read("weather") == pointers.read("weather:temp") == 1
    assert pointers.read("weather", endpoint="eta") == 2
    assert pointers.read("weather:temp", endpoint="eta", deployment=deployment) == 3
    assert pointers.read("weather", endpoint="shadow") is None


def test_a_move_counts_for_the_deployments_live_when_it_was_made(pointers: Pointers) -> None:
    one, two = pointers.deploy("1"), pointers.deploy("2")
    pointers.move("weather:temp", 1, endpoint="eta")
    three = pointers.deploy("3")

    def seen(*deployments: Deployment) -> list[int | None]:
        return [pointers.read("weather:temp", endpoint="eta", deployment=item) for item in deployments]

    assert seen(one, two, three) == [1, 1, None]
    pointers.undeploy(three)
    pointers.move("weather:temp", 2, endpoint="eta")
    assert seen(one, two) == [2, 2]
    four = pointers.deploy("3")
    assert seen(one, two, four) == [2, 2, None]
    pointers.move("weather", 3, endpoint="eta")
    assert seen(one, two, four) == [3, 3, 3]


def test_the_same_model_deployed_again_starts_from_its_lock(pointers: Pointers) -> None:
    first = pointers.deploy("1")
    pointers.move("weather", 1, endpoint="eta")
    pointers.undeploy(first)
    again = pointers.deploy("1")
    assert pointers.top("weather", endpoint="eta", deployment=again) is None
    assert pointers.top("weather", endpoint="eta") == 1


def test_a_move_after_a_deployments_end_is_not_its_own(pointers: Pointers) -> None:
    first = pointers.deploy("1")
    moved = pointers.move("weather", 1, endpoint="eta")
    ended = pointers.undeploy(first)
    pointers.deploy("2")
    later = pointers.move("weather", 2, endpoint="eta")
    assert pointers.top("weather", endpoint="eta", deployment=ended) == 1
    assert pointers.top("weather", endpoint="eta", deployment=ended, at=later.at) == 1
    assert pointers.top("weather", endpoint="eta", deployment=ended, at=moved.at - timedelta(hours=1)) is None


def test_a_move_while_nothing_is_live_counts_for_no_deployment(pointers: Pointers) -> None:
    first = pointers.deploy("1")
    pointers.undeploy(first)
    pointers.move("weather", 1, endpoint="eta")
    second = pointers.deploy("2")
    assert pointers.top("weather", endpoint="eta", deployment=first) is None
    assert pointers.top("weather", endpoint="eta", deployment=second) is None
    assert pointers.top("weather", endpoint="eta") == 1


# --- history


def test_every_move_is_kept_oldest_first_and_recorded(pointers: Pointers) -> None:
    pointers.deploy("1")
    first = pointers.move("weather", 1)
    second = pointers.move("weather:temp", 2)
    back = pointers.move("weather", 1, action="rollback", below=first.id, reason="gusts went blank")
    own = pointers.move("weather", 3, endpoint="eta")
    pointers.move("plane", 1)
    with pointers.catalog.read() as connection:
        assert activations.history(connection, "weather") == [first, second, back, own]
        assert activations.by_id(connection, back.id) == back
        rows = connection.execute(schema.changes.select().order_by(schema.changes.c.id)).all()
    assert (back.action, back.below, back.reason, back.actor, back.at) == (
        "rollback",
        first.id,
        "gusts went blank",
        "ada",
        NOON + timedelta(hours=4),
    )
    assert (own.endpoint, second.feature, first.endpoint, first.feature) == ("eta", "temp", None, None)
    moves = [row for row in rows if row.kind in {"activated", "rolled back"} and row.subject == "weather"]
    assert [(row.kind, row.detail["pointer"], row.detail["version"], row.detail["endpoint"]) for row in moves] == [
        ("activated", "weather", 1, None),
        ("activated", "weather:temp", 2, None),
        ("rolled back", "weather", 1, None),
        ("activated", "weather", 3, "eta"),
    ]
    assert [row.detail["activation"] for row in moves] == [first.id, second.id, back.id, own.id]
    assert moves[2].reason == "gusts went blank"
