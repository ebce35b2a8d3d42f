"""The graph's questions over a catalog of up to a million nodes: `python -m benchmarks.lineage`.

A small history is told through the functions in which verbs end and in bulk, and every row is compared; then larger
ones are told in bulk, to SQLite and to a PostgreSQL server of our own, and each question is asked many times of things
drawn at random: in process, after one call that is not counted, and as a command line, start included. What was built
for SQLite lies in `.bench/lineage` for the next run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.lineage.check import SMALL, check_rows
from benchmarks.lineage.databases import build_postgres, build_sqlite, server
from benchmarks.lineage.definitions import defined, definitions_of
from benchmarks.lineage.questions import QUESTIONS, Question, World
from benchmarks.lineage.report import Report
from benchmarks.lineage.world import Shape, view
from featurestore.catalog.database import REVISION
from featurestore.model.source_change import SourceChange
from featurestore.store import FeatureStore, open_store

COMMANDS = 5
"""How often each command line is started."""
PATIENCE = 30.0
"""Seconds after which a slow question is not asked again."""


def check(folder: Path) -> None:
    """Hold that what is built in bulk is what verbs build, before anything is timed."""
    definitions = definitions_of(SMALL, folder)
    with TemporaryDirectory(dir=folder) as scratch:
        place = Path(scratch)
        with open_store(place / "store") as store:
            for (number, version), definition in definitions.items():
                assert definition == defined(store, number, version, SMALL), (number, version)
        rows = check_rows(place, definitions)
    click.echo(f"{rows:,} rows told in bulk are those that verbs leave\n")


@contextmanager
def built(database: str, shape: Shape, folder: Path, report: Report) -> Iterator[Path]:
    """Give the folder of a store whose catalog holds the history."""
    with ExitStack() as stack:
        if database == "sqlite":
            store = folder / f"sqlite-{shape.views}-{REVISION}"
            if not (store / "done").exists():
                shutil.rmtree(store, ignore_errors=True)
                store.mkdir()
                counts = build_sqlite(store, shape, definitions_of(shape, folder))
                (store / "done").write_text(str(counts["nodes"]), encoding="ascii")
                report.note(f"{database} {shape.views}", counts)
        else:
            make = stack.enter_context(server())
            url = make()
            counts = build_postgres(url, shape, definitions_of(shape, folder))
            report.note(f"{database} {shape.views}", counts)
            store = Path(stack.enter_context(TemporaryDirectory(dir=folder)))
            stack.enter_context(_setting(url))
            open_store(store).close()
        yield store


@contextmanager
def _setting(url: str) -> Iterator[None]:
    os.environ["FEATURESTORE_CATALOG"] = url
    try:
        yield
    finally:
        del os.environ["FEATURESTORE_CATALOG"]


def ask(question: Question, store: FeatureStore, world: World) -> list[float]:
    """Return the milliseconds of each call."""
    question.ask(store, world)
    times: list[float] = []
    while len(times) < question.times and sum(times) < PATIENCE * 1e3:
        start = time.perf_counter()
        question.ask(store, world)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def command(question: Question, store: Path, world: World) -> list[float]:
    """Return the milliseconds of each command line, start included."""
    times = []
    for _ in range(COMMANDS if question.command else 0):
        assert question.command is not None
        line = [sys.executable, "-m", "featurestore", *question.command(world), "--store", str(store), "--json"]
        start = time.perf_counter()
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        times.append((time.perf_counter() - start) * 1e3)
        answer = json.loads(done.stdout)  # the exit code is a part of some answers: of `stale`, that something changed
        assert "error" not in answer, done.stderr
    return times


def gate(store: FeatureStore, world: World, shape: Shape) -> Iterator[tuple[str, list[float]]]:
    """Yield the milliseconds of checks: of a column that goes, and of every view written anew beside it."""
    source, _, column = world.column().partition(".")
    drop = SourceChange("drop", source, column)
    views = [view(number, shape.versions, shape) for number in range(shape.views)]
    for name, definitions, times in (
        ("check of a dropped column", [], 5),
        ("check of a dropped column and every view, cold", views, 1),
        ("check of a dropped column and every view, warm", views, 3),
    ):
        found = []
        for _ in range(times):
            start = time.perf_counter()
            assert store.check(definitions, source_changes=[drop]).rulings
            found.append((time.perf_counter() - start) * 1e3)
        yield name, found


@click.command(help=__doc__)
@click.option("--views", default="10,100,1000", show_default=True, help="Sizes: about a thousand nodes for each view.")
@click.option("--database", "databases", multiple=True, default=["sqlite", "postgres"], show_default=True)
@click.option("--only", default="", help="Questions whose name has this in it.")
@click.option("--commands/--no-commands", default=True, help="Start command lines too.")
@click.option("--folder", default=".bench/lineage", show_default=True, type=click.Path(path_type=Path))
def main(views: str, databases: tuple[str, ...], only: str, folder: Path, *, commands: bool) -> None:
    """Measure; the module's docstring is the help."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    check(folder)
    report = Report.begin(folder / "results.json")
    for database in databases:
        for size in map(int, views.split(",")):
            shape = Shape(size)
            with built(database, shape, folder, report) as path:
                with open_store(path, read_only=True) as store:
                    world = World.of(store, shape)
                    for question in QUESTIONS:
                        if only in question.name:
                            report.add(database, size, question.name, ask(question, store, world), question.bar)
                for question in QUESTIONS if commands else ():
                    if question.command and only in question.name:
                        report.add(database, size, f"$ {question.name}", command(question, path, world), 1000.0)
                with open_store(path) as store:
                    for name, times in gate(store, world, shape) if only in "check" else ():
                        report.add(database, size, name, times, {"cold": 15_000.0, "warm": 2_000.0}.get(name[-4:]))
    report.end()


if __name__ == "__main__":
    main()
