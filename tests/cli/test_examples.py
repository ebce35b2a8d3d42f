"""The examples of the help and of docs/cli.md, run in the order in which a person would."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest

from featurestore.cli.group import VERBS, cli
from tests.cli.story import call, change_wind, done, environment, promise, told

SERVER = "localhost:6566"
DBT = Path(__file__).parent.parent / "integrations" / "data" / "dbt"

BEFORE = """
featurestore init
featurestore plan features/
featurestore apply features/
featurestore push observations rows.json
featurestore materialize airport_weather
featurestore materialize airport_weather@v1 --start 2013-07-01 --end 2013-08-01
featurestore train airport_weather@v1 --spine flights.parquet --out frame.parquet --lock delay.lock
featurestore train delay.lock --out again.parquet
featurestore train airport_weather@v1 --start 2013-07-01 --end 2013-08-01 --out july.parquet
featurestore register delay --version 1 --lock delay.lock --input airport_weather__temp --metric rmse=12.5
featurestore lock delay@1 --out delay.lock
featurestore publish airport_weather@v1
featurestore publish airport_weather@v1 --at 2013-07-20
featurestore compare airport_weather@v1 --online
featurestore activate airport_weather@v1 --reason "first version"
featurestore deploy delay@1 --endpoint eta-prod
featurestore get airport_weather:temp --key origin=JFK,LGA
featurestore get --model delay@1 --key origin=JFK --at 2013-07-20
featurestore apply sets.py
featurestore get --feature-set weather_now@v1 --key origin=JFK
"""

SERVED = """
featurestore get --endpoint eta-prod --key origin=JFK --address localhost:6566
featurestore compare --online --endpoint eta-prod --address localhost:6566
"""

NEXT_VERSION = """
featurestore undeploy delay@1 --endpoint eta-prod
featurestore apply features/
featurestore materialize airport_weather@v2
featurestore publish airport_weather@v2 --at 2013-07-20
featurestore compare airport_weather@v1 airport_weather@v2 --online --sample 10000 --at 2013-07-20
featurestore activate airport_weather@v2 --reason "shorter wind"
featurestore train airport_weather@v2 --spine flights.parquet --lock second.lock
featurestore register delay --version 2 --lock second.lock
featurestore deploy delay@2 --endpoint eta-prod
"""

CHECKED = """
featurestore check features/
featurestore ack --drop-column weather.wind_speed --reason "agreed with the delay team" --until 30d
featurestore ack features/ --source weather.schema.json --reason "delay@1 is retired on Friday" --until 14d
featurestore check features/ --source weather.schema.json --markdown report.md --sarif check.sarif
featurestore ack --list
"""

BLOCKED = """
featurestore check --drop-column weather.wind_speed --retype weather.temp=String
"""

WITHDRAWN = """
featurestore ack --withdraw 3fa9c2e81b70 --reason "delay@1 stays"
"""

SCHEMA = {"source": "weather", "columns": {"origin": "String", "time_hour": "Timestamp", "temp": "Float64"}}

PROMISED = """
featurestore contract check
featurestore contract check weather
featurestore contract check weather --file weather.parquet
featurestore contract show
featurestore contract show weather
featurestore contract show weather@c1
featurestore contract diff weather
featurestore contract diff weather@c1 weather@c3
featurestore contract export weather
featurestore contract export weather --out weather.odcs.yaml
featurestore contract import weather.odcs.yaml --dry-run
featurestore contract import weather.odcs.yaml
"""

FOUND = """
featurestore compare airport_weather@v1 airport_weather@v2
featurestore activate airport_weather@v2 --compare --reason "gusts too"
featurestore skew delay@1 --since 1d
featurestore skew delay@1 --endpoint eta-prod --since 2026-01-01 --until 2026-01-02
featurestore report --owner weather-team --json
"""
"""What ends with another code than 0 in this story: something differs, or is not there. Each has tests of its own."""

AFTER = """
featurestore verify
featurestore report
featurestore report --since 1d --html report.html --markdown report.md
featurestore verify airport_weather@v1
featurestore serve --check
featurestore token new scorer --role read --days 90
featurestore token new etl --role read --role write --tokens tokens.toml
featurestore rollback airport_weather:wind_6h --to v1 --endpoint eta-prod --dry-run
featurestore rollback airport_weather --reason "wind is wrong"
featurestore refresh
featurestore refresh airport_weather --until 2013-08-01 --no-publish
featurestore compact airport_weather@v1
featurestore profile airport_weather@v1
featurestore profile weather.temp --json
featurestore profile delay@1
featurestore detect airport_weather
featurestore detect airport_weather@v2 --against airport_weather@v1
featurestore detect airport_weather@v1 --against delay@1 --json
featurestore status
featurestore show views
featurestore show airport_weather
featurestore show airport_weather@v1
featurestore show delay@1
featurestore show endpoint/eta-prod
featurestore consumers airport_weather@v1:temp
featurestore consumers weather.wind_speed --live
featurestore lineage delay@1 --up
featurestore lineage weather.wind_speed --down --depth 2
featurestore lineage delay@1 --depth 2 --who
featurestore lineage delay@1 --format mermaid
featurestore active airport_weather
featurestore active airport_weather:temp --at 7d
featurestore active airport_weather:temp --endpoint eta-prod
featurestore link job/airflow/daily.load weather --reason "writes weather.parquet every night"
featurestore link field/postgres://db:5432/raw.public.stations.wind weather.wind_speed
featurestore link delay@1 table/bigquery/reports.eta
featurestore import openlineage lineage.ndjson
featurestore import openlineage lineage.ndjson --map weather=postgres://db:5432/shop.public.weather
featurestore import dbt target/manifest.json --map weather=model.shop.weather_daily
featurestore export openlineage
featurestore export openlineage --since 30d
featurestore export openlineage --since 2026-01-01 --to events.ndjson
featurestore changes --since 14d
featurestore changes --upstream-of delay@1 --since 14d
featurestore changes --since 14d --class definition --class schema
featurestore trained-on delay@1
featurestore trained-on delay@1 --verify
featurestore stale
featurestore stale --fail-on schema --fail-on activation
featurestore stale --markdown
featurestore diff delay@1 delay@2
featurestore activate airport_weather@v2 --reason "so that v1 is not active"
featurestore retire airport_weather@v1 --reason "wind in knots" --replacement airport_weather@v2
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def serving(command: str) -> Iterator[None]:
    """Run `featurestore serve` in a process of its own until it says that it serves; end it afterwards."""
    words = [sys.executable, "-m", *shlex.split(command)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment()) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving on 127.0.0.1:")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


def run(text: str) -> None:
    for line in lines(text):
        done(*shlex.split(line)[1:])


def tell_others() -> None:
    """Let the store tell what is done from now on, and give the folder a dbt project's target."""
    with Path("featurestore.toml").open("a", encoding="utf-8") as file:
        file.write('\n[openlineage]\nfile = "lineage.ndjson"\n')
    shutil.copytree(DBT, "target")


@pytest.mark.usefixtures("folder")
def test_the_examples_tell_one_story() -> None:
    run(BEFORE)
    address = f"localhost:{free_port()}"
    with serving(f"featurestore serve --address {address} --workers 2"):
        run(SERVED.replace(SERVER, address))
    change_wind()
    run(NEXT_VERSION)
    Path("weather.schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    run(CHECKED)
    given = told("ack", "--list")[0]["fingerprint"]
    run(WITHDRAWN.replace("3fa9c2e81b70", given))
    for line in lines(BLOCKED):
        assert call(*shlex.split(line)[1:]).code == 1
    for most in (100, 60, 50):
        promise(most)
        done("apply", "features/")
    run(PROMISED)
    tell_others()
    run(AFTER)


def test_the_story_holds_every_example() -> None:
    every = (BEFORE, SERVED, NEXT_VERSION, CHECKED, BLOCKED, WITHDRAWN, PROMISED, FOUND, AFTER)
    known = {line for text in every for line in lines(text)}
    known.add("featurestore serve --address localhost:6566 --workers 2")
    known.add("featurestore serve --tokens tokens.toml --tls-certificate server.pem --tls-key server.key")
    known.add('featurestore approve 1f3a9c42 --reason "the new sensor reads lower; agreed with the data team"')
    examples: set[str] = set()
    for name in VERBS:
        command: Any = cli.get_command(click.Context(cli), name)
        examples.update(command.examples)
    assert examples <= known


def test_a_server_on_an_address_that_is_taken_ends_with_its_code(tmp_path: Path) -> None:
    done("init", "--store", str(tmp_path / "store"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = call("serve", "--address", address, "--store", str(tmp_path / "store"))
    assert said.code == 5
    assert "cannot listen" in said.err
