"""The first half of the story: define, materialize, join, train, deploy, and change one computation."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING

import polars as pl

from examples.flights.features.airport_board import airport_board
from examples.flights.features.airport_weather import airport_weather
from examples.flights.features.carrier_record import carrier_record
from examples.flights.features.plane import plane
from examples.flights.features.route_record import route_record
from examples.flights.features_next.airport_board import airport_board as next_airport_board
from examples.flights.model import REQUEST, flights_between, references, train
from examples.flights.story import HOLD_OUT_FROM, OPENING, TRAIN_FROM, Story

if TYPE_CHECKING:
    from featurestore.offline.frame import TrainingFrame

VIEWS = (airport_board, airport_weather, carrier_record, route_record, plane)


def define(story: Story) -> None:
    """Plan and apply five feature views."""
    screen = story.screen
    screen.say("Upstream has delivered the history. Five views are defined over it, in plain Python files.")
    screen.command("plan", folder("features"))
    screen.command("apply", folder("features"))


def materialize(story: Story) -> None:
    """Compute the rows of every view."""
    story.screen.call("store.materialize(view, end=OPENING)")
    _materialize(story, [view.name for view in VIEWS])


def _materialize(story: Story, views: Sequence[str]) -> None:
    rows = []
    for view in views:
        started = time.perf_counter()
        end = None if view == "plane" else OPENING
        snapshot = story.store.materialize(view, end=end)
        seconds = time.perf_counter() - started
        rows.append((snapshot.reference, snapshot.id[:12], f"{snapshot.rows:,}", f"{snapshot.rows / seconds:,.0f}"))
    story.screen.table(("version", "snapshot", "rows", "rows/s"), rows)


def train_first(story: Story) -> None:
    """Join a pinned frame, join it again bit for bit, train and register `delay@1`."""
    screen, store = story.screen, story.store
    spine = flights_between(story.database, TRAIN_FROM, OPENING)
    screen.say(f"The spine: {spine.height:,} flights, each at the moment its delay was to be estimated.")
    screen.call('frame = store.get_training_frame(["airport_board@v1:disrupted", ...], spine)')
    frame = store.get_training_frame(references(), spine)
    screen.show(f"frame {frame.id[:12]}  {len(frame.to_arrow()):,} rows, {len(frame.feature_columns)} features")
    screen.call("again = store.get_training_frame(frame.pins)")
    again = store.get_training_frame(frame.pins)
    same = again.to_arrow().equals(frame.to_arrow())
    screen.show(f"frame {again.id[:12]}  the same rows, bit for bit: {same}")
    assert same, "the pinned frame did not come back bit for bit"
    assert again.id == frame.id
    _train(story, frame, "1")


def _train(story: Story, frame: TrainingFrame, version: str) -> None:
    """Train on the frame up to the hold-out weeks, measure on those, register and lock."""
    rows = frame.to_polars()
    early = pl.col("event_timestamp") < HOLD_OUT_FROM
    inputs = (*frame.feature_columns, *REQUEST)
    model = train(rows.filter(early), inputs)
    error = model.error(rows.filter(~early))
    story.models[f"delay@{version}"] = model
    story.numbers[f"hold-out {version}"] = error
    file = model.save(story.work / f"delay-{version}.txt")
    story.screen.call(f'store.register_model("delay", version="{version}", frame=frame, inputs=[...])')
    story.store.register_model(
        "delay",
        version=version,
        frame=frame,
        inputs=inputs,
        owner="delay-team",
        uri=file.as_posix(),
        metrics={"mae": error},
    )
    held_out = rows.filter(~early).height
    story.screen.show(f"delay@{version}: mean absolute error {error:.2f} min on {held_out:,} flights held out")


def deploy_first(story: Story) -> None:
    """Publish what `delay@1` reads and deploy it."""
    screen, store = story.screen, story.store
    screen.call('store.publish("airport_board@v1", at=OPENING); ...')
    for view in VIEWS:
        store.publish(f"{view.name}@v1", at=OPENING)
    screen.call('store.deploy("delay@1", endpoint="eta-prod")')
    deployment = store.deploy("delay@1", endpoint="eta-prod")
    screen.show(f"{deployment.reference} is live on {deployment.endpoint}")


def change(story: Story) -> None:
    """Change one computation; see what the plan says; apply it beside the old one."""
    screen = story.screen
    screen.say(
        "A day is long, so a colleague counts two hours. And since a remark is only written when something is\n"
        "wrong, he counts the remarks. SQL's count() leaves out what is null. The review finds nothing."
    )
    screen.say("")
    before, after = (dedent(str(view.sql)).splitlines() for view in (airport_board, next_airport_board))
    screen.diff(list(unified_diff(before, after, n=1, lineterm=""))[3:])
    screen.say("\nThe gate, which a pull request runs, knows whom it reaches:")
    screen.command("check", folder("features_next"))
    screen.say(
        "\ndelay@1 is pinned to v1, so nothing breaks. A warning, and nobody asked what a remark is. It is merged."
    )
    screen.command("apply", folder("features_next"))
    _materialize(story, ["airport_board"])


def train_second(story: Story) -> None:
    """Train `delay@2` on the same flights with v2 of that view, and deploy it beside `delay@1`."""
    screen, store = story.screen, story.store
    spine = flights_between(story.database, TRAIN_FROM, OPENING)
    screen.call('frame = store.get_training_frame(["airport_board@v2:disrupted", ...], spine)')
    frame = store.get_training_frame(references(airport_board="v2"), spine)
    screen.show(f"frame {frame.id[:12]}  {len(frame.to_arrow()):,} rows")
    _train(story, frame, "2")
    store.publish("airport_board@v2", at=OPENING)
    screen.call('store.deploy("delay@2", endpoint="eta-next")')
    deployment = store.deploy("delay@2", endpoint="eta-next")
    screen.show(f"{deployment.reference} is live on {deployment.endpoint}")
    gain = 1 - story.numbers["hold-out 2"] / story.numbers["hold-out 1"]
    screen.say(f"On the weeks held out, delay@2 is {gain:.1%} better than delay@1. Both go live.")
    assert gain > 0, "the second computation was to help"


def folder(name: str) -> str:
    """Return the path of a folder beside this file, as one would type it."""
    return os.path.relpath(Path(__file__).parent / name)
