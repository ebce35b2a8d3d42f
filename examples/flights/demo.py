"""Run the story: `make demo`, or `python -m examples.flights.demo` from the root of the repository."""

import shutil
import sys
import time
from pathlib import Path

import featurestore as fs
from examples.flights import build, incident
from examples.flights.data import load
from examples.flights.replay import Replay, serving
from examples.flights.screen import Screen
from examples.flights.story import OPENING, Story
from examples.flights.upstream import Upstream

WORK = Path(".demo")


def main() -> int:
    """Play every act; return 0 if the story holds."""
    started = time.perf_counter()
    screen = Screen(WORK / "store")
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    try:
        with fs.open_store(WORK / "store") as store:
            _play(screen, store)
    except AssertionError as broken:
        screen.say(f"\n[bold red]The story does not hold:[/] {broken}")
        return 1
    screen.table(("act", "seconds"), [(title, f"{took:.1f}") for title, took in screen.times])
    screen.say(f"\n[bold]{time.perf_counter() - started:.0f} s in all.[/] The store is still there. Ask it:")
    screen.command("status", "--store", str(WORK / "store"))
    return 0


def _play(screen: Screen, store: fs.FeatureStore) -> None:
    story = _begin(screen, store)
    for title, act in (
        ("Define five views", build.define),
        ("Materialize the history", build.materialize),
        ("Join a pinned training frame, train delay@1", build.train_first),
        ("Publish and deploy delay@1", build.deploy_first),
        ("Change one computation", build.change),
        ("Train and deploy delay@2 beside it", build.train_second),
    ):
        with screen.act(title):
            act(story)
    _serve(story)
    with screen.act("The gate: the same change again"):
        incident.gate(story)
    with screen.act("Was it really so?"):
        incident.audit(story)
    with screen.act("Summary"):
        incident.verdict(story)


def _begin(screen: Screen, store: fs.FeatureStore) -> Story:
    with screen.act("The data: every flight out of New York in 2013"):
        database = load(WORK)
        upstream = Upstream(database, WORK / "upstream")
        delivered = upstream.deliver(until=OPENING)
        screen.show(
            f"delivered until {OPENING:%d %B %Y}: " + ", ".join(f"{n:,} {feed}" for feed, n in delivered.items())
        )
    return Story(WORK, screen, database, upstream, store)


def _serve(story: Story) -> None:
    screen = story.screen
    models = {"eta-prod": story.models["delay@1"], "eta-next": story.models["delay@2"]}
    with serving(WORK / "store", WORK / "server.log") as address, fs.connect(address) as client:
        replay = Replay(story.store, story.upstream, client, story.database, screen, models)
        with screen.act("Two good weeks, both models side by side over gRPC"):
            incident.good_weeks(story, replay)
        with screen.act("Monday, 28 October: something changes upstream"):
            incident.bad_weeks(story, replay)
        with screen.act("On call: the questions"):
            incident.ask(story, replay)
        with screen.act("Roll back one feature for one endpoint; the model stays"):
            incident.roll_back(story, replay)
        with screen.act("Two weeks after, on the same broken feed"):
            incident.healed_weeks(story, replay)


if __name__ == "__main__":
    sys.exit(main())
