"""The second half: two good weeks, the incident, the questions, the rollback, two weeks after it."""

from datetime import timedelta

import numpy as np
import polars as pl

from examples.flights.build import folder
from examples.flights.features.airport_board import airport_board
from examples.flights.features_next.airport_board import airport_board as next_airport_board
from examples.flights.model import LABEL, references
from examples.flights.replay import Replay, errors
from examples.flights.story import CLOSING, INCIDENT, OPENING, REMEDY, SUSPECT, Story

DISRUPTED = "airport_board__disrupted"
V1, V2 = "airport_board@v1:disrupted", "airport_board@v2:disrupted"


def good_weeks(story: Story, replay: Replay) -> None:
    """Serve both models side by side."""
    story.screen.call('client.get_features(endpoint="eta-prod", entities={...}, at=tick)   # and "eta-next"')
    story.weeks["good"] = replay.run(OPENING, INCIDENT)
    _report(story, "good")


def bad_weeks(story: Story, replay: Replay) -> None:
    """One setting changes upstream: the missing remark is no longer null, it is an empty text."""
    story.upstream.quotes_everything = True
    story.weeks["bad"] = replay.run(INCIDENT, REMEDY)
    story.screen.say("The board's delivery of Friday, and that of Monday:")
    for mark, day in (("-", INCIDENT - timedelta(days=3)), ("+", INCIDENT)):
        story.screen.diff([mark + line for line in story.upstream.board_lines(day, 3)])
    _report(story, "bad")


def ask(story: Story, replay: Replay) -> None:
    """Ask what a person on call asks, and answer from the tool."""
    screen, store = story.screen, story.store
    ticks = sorted(tick for tick in replay.clock if tick >= INCIDENT)
    since, until = replay.clock[min(replay.clock)][0].isoformat(), replay.clock[ticks[0]][1].isoformat()
    screen.say("No model was touched. delay@1 is well, delay@2 is not. What differs?")
    screen.command("diff", "delay@1", "delay@2", lines=3)
    screen.say("\nOne feature. What changed upstream of delay@2, from the two good weeks until it began?")
    screen.command("changes", "--upstream-of", "delay@2", "--since", since, "--until", until)
    screen.say("\nNo definition, no schema, no pointer: new rows, as ever. What do the two versions make of them?")
    screen.call(f'store.get_online_features(features=["{V1}", "{V2}"], entities={{"origin": [...]}}, at=tick)')
    airports = {"origin": ["EWR", "JFK", "LGA"]}
    screen.show(repr(store.get_online_features(features=[V1, V2], entities=airports, at=ticks[-1])))
    screen.say("\nTo v2 every departure is a disrupted one. Where does it come from?")
    screen.command("lineage", V2, "--up")
    screen.say("\nWhich live models depend on that column?")
    screen.command("consumers", "board.remark", "--live")
    screen.say("\nWhat exactly was delay@2 trained on? (The rows of then are still there.)")
    screen.command("trained-on", "delay@2", "--verify")
    screen.say("\nWhat has changed since each live model was trained?")
    screen.command("stale", lines=12)


def roll_back(story: Story, replay: Replay) -> None:
    """Move one feature of one endpoint back to v1; the model stays."""
    screen, store = story.screen, story.store
    reason = "an empty remark counts as a remark"
    code = f'store.rollback("{SUSPECT}", to="v1", endpoint="eta-next", reason="{reason}"'
    screen.call(f"{code}, dry_run=True)")
    screen.show(store.rollback(SUSPECT, to="v1", endpoint="eta-next", reason=reason, dry_run=True))
    screen.call(f"{code})")
    screen.show(store.rollback(SUSPECT, to="v1", endpoint="eta-next", reason=reason))
    screen.say("\nWhich version was active when it began, and for whom? And now?")
    began, _ = replay.clock[min(tick for tick in replay.clock if tick >= INCIDENT)]
    screen.command("active", SUSPECT, "--endpoint", "eta-next", "--at", began.isoformat())
    screen.command("active", SUSPECT, "--endpoint", "eta-next")


def healed_weeks(story: Story, replay: Replay) -> None:
    """Serve on, with the feed as broken as before."""
    story.weeks["healed"] = replay.run(REMEDY, CLOSING)
    _report(story, "healed")
    ticks, lookups = len(replay.clock), replay.lookups
    flights = sum(weeks.height for weeks in story.weeks.values()) / ticks
    refresh, lookup = replay.seconds["refresh"] / ticks, 1000 * replay.seconds["lookup"] / lookups
    story.screen.say(
        f"{ticks} ticks, {refresh:.2f} s each to refresh and publish; "
        f"{lookups} lookups of {flights:.0f} flights over gRPC, {lookup:.1f} ms each."
    )


def audit(story: Story) -> None:
    """Hold what was served against what a clean feed would have given, and against the offline join."""
    served = pl.concat(story.weeks.values())
    clean = _on_a_clean_feed(story, served, "1")
    untouched = int((clean == served["estimate eta-prod"].to_numpy()).sum())
    story.screen.say(
        f"delay@1 reads the same feed through v1: {untouched:,} of {served.height:,} estimates are, bit for bit, "
        "those of a feed that never changed."
    )
    assert untouched == served.height, "the incident reached delay@1"
    spine = served.select("event_timestamp", "origin", "dest", "carrier", "tailnum")
    story.screen.call("store.get_training_frame(delay@1's features, the flights served)")
    offline = story.store.get_training_frame(references(), spine).to_polars()
    cells = differing = 0
    for column in story.models["delay@1"].inputs:
        if column in offline.columns:
            cells += served.height
            differing += int((~offline[column].eq_missing(served[f"eta-prod {column}"])).sum())
    story.screen.show(f"{cells:,} feature values served online; {differing:,} differ from the offline join")
    assert differing == 0, "online and offline disagree"


def gate(story: Story) -> None:
    """Put the lesson into the policy: the same change, and one that upstream announces, do not pass any more."""
    screen = story.screen
    policy = story.work / "featurestore.toml"
    policy.write_text('store = "store"\n\n[policy.risky]\nlive = "block"\n', encoding="utf-8")
    screen.say(
        "The old computation becomes the current one again, and the policy stricter: to compute a feature otherwise\n"
        "that a live model reads, somebody who answers for the model has to accept it (featurestore ack)."
    )
    screen.show(policy.read_text(encoding="utf-8"))
    screen.command("apply", folder("features"))
    screen.say("\nThe change that the review let pass, proposed again:")
    screen.command("check", folder("features_next"), "--store", str(policy), code=1)
    screen.say("\nAnd airport-operations asks whether anybody would miss the remark:")
    screen.command("check", "--drop-column", "board.remark", "--store", str(policy), code=1)


def verdict(story: Story) -> None:
    """Tell the numbers, and fail if the story does not hold."""
    numbers = story.numbers
    story.screen.table(
        ("mean absolute error, minutes", "good weeks", "incident", "rolled back"),
        [
            (label, *(f"{numbers[f'{weeks} {column}']:.2f}" for weeks in ("good", "bad", "healed")))
            for label, column in (
                ("delay@1 on eta-prod", "eta-prod"),
                ("delay@2 on eta-next", "eta-next"),
                ("delay@2, not rolled back", "delay@2"),
                ("delay@2, had the feed not changed", "clean"),
            )
        ],
    )
    assert numbers["good eta-next"] < 1.02 * numbers["good eta-prod"], "delay@2 was worse from the start"
    assert numbers["bad eta-next"] > 1.03 * numbers["bad clean"], "the incident did not hurt"
    assert numbers["healed eta-next"] < 0.97 * numbers["healed delay@2"], "the rollback did not help"
    assert numbers["healed eta-next"] < 1.03 * numbers["healed clean"], "the error did not recover"


def _report(story: Story, name: str) -> None:
    """Show the error by week and keep that of the whole period."""
    readers = ("eta-prod", "eta-next", "delay@2")
    served = story.weeks[name].with_columns(
        pl.Series("estimate clean", _on_a_clean_feed(story, story.weeks[name], "2"))
    )
    columns = [f"estimate {reader}" for reader in (*readers, "clean")]
    weekly = errors(served, columns)
    rows = []
    for week in weekly.iter_rows(named=True):
        rise = week["estimate eta-next"] / week["estimate clean"] - 1
        rows.append(
            (f"{week['week']:%d %b}", week["flights"], *(f"{week[column]:.2f}" for column in columns), f"{rise:+.0%}")
        )
    story.screen.table(("week of", "flights", *readers, "clean feed", "eta-next against it"), rows)
    known = served.filter(pl.col(LABEL).is_not_null())
    for reader in (*readers, "clean"):
        difference = (known[f"estimate {reader}"] - known[LABEL]).abs().mean()
        story.numbers[f"{name} {reader}"] = float(np.asarray(difference))


def _on_a_clean_feed(story: Story, served: pl.DataFrame, version: str) -> pl.Series:
    """Return what `delay@version` would have estimated, had the feed not changed: its SQL over the untouched data."""
    view, reader = (airport_board, "eta-prod") if version == "1" else (next_airport_board, "delay@2")
    story.database.register("served", served.select("event_timestamp", "origin").with_row_index("place"))
    value = story.database.sql(
        f"with clean as (select distinct * from ({view.sql})) select disrupted from served asof left join clean"
        " on served.origin = clean.origin and event_timestamp >= board_time order by place"
    ).pl()["disrupted"]
    model = story.models[f"delay@{version}"]
    features = served.select(
        pl.col(f"{reader} {column}").alias(column) if f"{reader} {column}" in served.columns else pl.col(column)
        for column in model.inputs
    ).with_columns(value.alias(DISRUPTED))
    return pl.Series(model.predict(features))
