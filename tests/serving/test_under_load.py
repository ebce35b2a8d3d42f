"""Publishing, activating and rolling back while clients read: no error, no answer from two states, nothing stale.

Clients in processes of their own note each answer with the times at which it was asked for and came (one clock for
all processes of a machine). Afterwards each answer is held against the states that the catalog's history went through:
all of its columns come from one of them, from one that was in force while the call was under way, and, on a
connection, never from an earlier one than the answer before. Values name the version and the publish they belong to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import featurestore as fs
from tests.serving.conftest import Serve

VIEWS = ("a", "b", "c")
FEATURES = ("x", "y")
VERSIONS = (1, 2)
KEYS = (0, 1, 2)
LATE_SECONDS = 30.0
"""An answer may be this much older than the newest state: a test's patience, not what the server promises."""

READS: dict[str, dict[str, Any]] = {
    "default": {"features": list(VIEWS)},
    "pinned": {"features": ["a@v1", "b@v2:x", "c@v1"]},
    "endpoint": {"endpoint": "shop"},
}

CLIENT = """
import json, select, sys, time
import featurestore as fs
address, read, keys = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
clients = [fs.connect(address, timeout=60) for _ in range(3)]
turn = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    client, asked = turn % len(clients), time.monotonic()
    turn += 1
    try:
        answer = clients[client].get_features(**read, entities={"k": keys})
    except fs.FeatureStoreError as error:
        print(json.dumps({"error": repr(error)}), flush=True)
        continue
    came = time.monotonic()
    said = {"client": client, "asked": asked, "came": came, "values": list(answer.to_dict().values())}
    said["columns"] = [[c.view, c.feature, c.version, c.activation, c.snapshot] for c in answer.columns]
    print(json.dumps(said), flush=True)
"""

Column = tuple[str, str, int, int | None, str]
State = dict[str, tuple[Column, ...]]
"""What each way of reading answers from, by its name in READS."""


def value(version: int, revision: int, feature: str, key: int) -> int:
    return version * 1000 + revision * 100 + FEATURES.index(feature) * 10 + key


def view(name: str, version: int, revision: int) -> fs.FeatureView:
    rows = {"k": list(KEYS)} | {
        feature: [value(version, revision, feature, key) for key in KEYS] for feature in FEATURES
    }
    return fs.FeatureView(
        name,
        entity=fs.Entity("thing", keys={"k": fs.Int64}),
        source=fs.ArrowSource(f"rows_{name}_{version}", table=rows),
    )


@dataclass(slots=True)
class Operator:
    """The one who changes things: what is online and active is noted after each change, with the time before and after.

    Attributes
    ----------
    revisions
        Snapshot to `(version, revision)`; each version has two snapshots.
    current
        The snapshot that each version is served from.
    history
        `(before the change, after it, the state from then on)`.
    """

    store: fs.FeatureStore
    revisions: dict[str, tuple[int, int]] = field(default_factory=dict)
    current: dict[tuple[str, int], str] = field(default_factory=dict)
    history: list[tuple[float, float, State]] = field(default_factory=list)

    def prepare(self) -> None:
        for version in VERSIONS:
            for revision in (1, 2):
                for name in VIEWS:
                    reference = self.store.apply(view(name, version, revision))[0].reference
                    assert reference == f"{name}@v{version}"
                    snapshot = self.store.materialize(reference)
                    self.revisions[snapshot.id] = version, revision
        for name in VIEWS:
            for version in VERSIONS:
                self.publish(name, version)
        self.store.activate(*(f"{name}@v1" for name in VIEWS))
        spine = [{"k": 0, "event_timestamp": "2024-01-01"}]
        self.store.register_model("price", version="1", frame=self.store.get_training_frame([*self.all_of(1)], spine))
        self.store.deploy("price@1", endpoint="shop")
        self.history.clear()
        self.note(lambda: None)

    def all_of(self, version: int) -> Iterator[str]:
        return (f"{name}@v{version}" for name in VIEWS)

    def publish(self, name: str, version: int) -> None:
        """Serve a version from the other one of its snapshots."""
        mine = [snapshot.id for snapshot in self.store.snapshots(f"{name}@v{version}")]
        other = next(one for one in mine if one != self.current.get((name, version)))
        self.store.publish(f"{name}@v{version}", snapshot=other)
        self.current[name, version] = other

    def note(self, change: Callable[[], object]) -> None:
        before = time.monotonic()
        change()
        self.history.append((before, time.monotonic(), self.state()))

    def state(self) -> State:
        moves = {name: self.store.activations(name) for name in VIEWS}

        def column(name: str, feature: str, endpoint: str | None) -> Column:
            mine = [move for move in moves[name] if move.endpoint == endpoint and move.feature in {None, feature}]
            newest = max(mine, key=lambda move: move.id, default=None)
            version, activation = (1, None) if newest is None else (newest.version, newest.id)
            return name, feature, version, activation, self.current[name, version]

        pinned = [("a", "x", 1), ("a", "y", 1), ("b", "x", 2), ("c", "x", 1), ("c", "y", 1)]
        return {
            "default": tuple(column(name, feature, None) for name in VIEWS for feature in FEATURES),
            "pinned": tuple(
                (name, feature, number, None, self.current[name, number]) for name, feature, number in pinned
            ),
            "endpoint": tuple(column(name, feature, "shop") for name in VIEWS for feature in FEATURES),
        }

    def changes(self) -> list[Callable[[], object]]:
        """Return one round of everything that an operator does."""
        store = self.store
        return [
            lambda: store.activate(*self.all_of(2), reason="all at once"),
            lambda: self.publish("a", 2),
            lambda: store.rollback("b:x", to="v1", reason="this feature was better"),
            lambda: self.publish("b", 1),
            lambda: store.activate("a@v2:x", endpoint="shop", reason="for the shop alone"),
            lambda: store.rollback("c", reason="back"),
            lambda: self.publish("a", 1),
            lambda: store.activate("b@v2", "c@v2", reason="two at once"),
            lambda: self.publish("c", 1),
            lambda: store.rollback("a:x", to="v1", endpoint="shop", reason="not even for the shop"),
            lambda: self.publish("b", 2),
            lambda: store.activate(*self.all_of(1), reason="all at once, back"),
        ]


@contextmanager
def reading(address: str, log: Path, read: dict[str, Any]) -> Iterator[None]:
    """Read in a process of its own, on three connections, until the block ends."""
    command = [sys.executable, "-c", CLIENT, address, json.dumps(read), json.dumps(KEYS)]
    with log.open("w") as out, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out, text=True) as process:
        try:
            yield
            assert process.poll() is None, "the client died"
        finally:
            process.communicate("stop\n", timeout=60)
    assert process.returncode == 0


def answers(log: Path) -> list[dict[str, Any]]:
    """Return what a client has noted; a line that is being written does not count yet."""
    return [json.loads(line) for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")]


def wait_for(log: Path, what: Callable[[list[dict[str, Any]]], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what(answers(log)):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def columns_of(answer: dict[str, Any]) -> tuple[Column, ...]:
    return tuple((view, feature, *rest) for view, feature, *rest in answer.get("columns", ()))


def judge(operator: Operator, name: str, found: Sequence[dict[str, Any]]) -> None:
    """Hold every answer of one way of reading against the states that there were."""
    assert not [answer["error"] for answer in found if "error" in answer]
    ends = [after + LATE_SECONDS for _, after, _ in operator.history[1:]] + [float("inf")]
    spans = [(before, end, state[name]) for (before, _, state), end in zip(operator.history, ends, strict=True)]
    place: dict[int, int] = {}
    for answer in found:
        columns = columns_of(answer)
        fitting = [
            number
            for number, (start, end, state) in enumerate(spans)
            if number >= place.get(answer["client"], 0)
            and (state == columns and start <= answer["came"] and answer["asked"] <= end)
        ]
        assert fitting, f"no state of the catalog's history gives, at that time, {columns}"
        place[answer["client"]] = fitting[0]
        for (_, feature, version, _, snapshot), values in zip(columns, answer["values"], strict=True):
            told, revision = operator.revisions[snapshot]
            assert told == version
            assert values == [value(version, revision, feature, key) for key in KEYS]


def all_have_seen(state: tuple[Column, ...], found: Sequence[dict[str, Any]]) -> bool:
    return {answer.get("client") for answer in found if columns_of(answer) == state} == {0, 1, 2}


def flip_under_load(serve: Serve, folder: Path, rounds: int) -> None:
    with fs.open_store(folder / "store") as store:
        operator = Operator(store)
        operator.prepare()
        logs = {name: folder / f"{name}.jsonl" for name in READS}
        with serve(folder / "store", workers=2) as server:
            with ExitStack() as clients:
                for name, read in READS.items():
                    clients.enter_context(reading(server.address, logs[name], read))
                for log in logs.values():
                    wait_for(log, lambda found: len(found) > 0)
                for _ in range(rounds):
                    for change in operator.changes():
                        operator.note(change)
                for name, log in logs.items():  # every connection, so every worker, comes to the last state
                    wait_for(log, partial(all_have_seen, operator.history[-1][2][name]))
            assert server.end() == 0
        for name, log in logs.items():
            found = answers(log)
            judge(operator, name, found)
            assert len({columns_of(answer) for answer in found}) > 1, "nothing moved while the clients read"
        pinned = {tuple(column[:4]) for answer in answers(logs["pinned"]) for column in answer["columns"]}
        assert len(pinned) == 5, "a pinned answer's versions moved"
        for name in VIEWS:
            for number in VERSIONS:
                assert len(list((folder / "store" / "online" / name / f"v{number}").iterdir())) <= 2


def test_changes_under_load_are_whole_and_leave_no_gap(serve: Serve, tmp_path: Path) -> None:
    flip_under_load(serve, tmp_path, 1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_changes_under_load_are_whole_for_a_long_time(serve: Serve, tmp_path: Path) -> None:
    flip_under_load(serve, tmp_path, 60)


def test_the_check_finds_mixed_and_stale_answers(tmp_path: Path) -> None:
    with fs.open_store(tmp_path / "store") as store:
        operator = Operator(store)
        operator.prepare()
        operator.note(lambda: store.activate(*operator.all_of(2)))
    first, second = (state["default"] for _, _, state in operator.history)
    now = time.monotonic()

    def answer(columns: Sequence[Column]) -> dict[str, Any]:
        values = [
            [value(number, operator.revisions[snapshot][1], feature, key) for key in KEYS]
            for _, feature, number, _, snapshot in columns
        ]
        return {"client": 0, "asked": now, "came": now, "columns": [list(one) for one in columns], "values": values}

    judge(operator, "default", [answer(first), answer(second)])
    for wrong in ([*first[:2], *second[2:]],), (second, first):
        with pytest.raises(AssertionError, match="no state"):
            judge(operator, "default", [answer(columns) for columns in wrong])
