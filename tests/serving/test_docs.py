"""docs/serving.md says what the code does: its example runs, and its tables are the code's."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import featurestore as fs
from featurestore.model.serving import ServingSettings
from featurestore.serving import client
from featurestore.serving.status import CODES
from featurestore.serving.v1 import serving_pb2 as pb
from tests.serving.answers import OneAnswer, served

if TYPE_CHECKING:
    import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_the_python_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    with served(OneAnswer()) as address:
        monkeypatch.setattr(fs, "connect", client.connect, raising=False)
        namespace: dict[str, object] = {}
        exec(example.replace("localhost:6566", address).replace("timeout=0.5", "timeout=30"), namespace)
    assert repr(namespace["answer"]).startswith("OnlineFeatures")


def test_the_table_of_errors_is_the_codes() -> None:
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| ([A-Za-z, ]+) \|", TEXT, re.MULTILINE))
    documented = {name: code for code, names in rows.items() for name in names.split(", ")}
    assert documented == {class_.__name__: code.name for class_, code in CODES.items()}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (?:`(.*?)`)? ?\|", TEXT, re.MULTILINE)
    documented = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    for item in fields(ServingSettings):
        default = item.default
        text = "" if default is None else f'"{default}"' if isinstance(default, str) else str(default).lower()
        assert documented[item.name] == text


def test_the_states_are_the_enum() -> None:
    (line,) = re.findall(r"1 PRESENT.*EXPIRED", TEXT)
    documented = {f"CELL_STATUS_{name}": int(number) for number, name in re.findall(r"(\d) ([A-Z_]+)", line)}
    assert documented == {name: number for name, number in pb.CellStatus.items() if number}


def test_every_field_of_values_is_in_the_table() -> None:
    fields = {field.name for field in pb.Values.DESCRIPTOR.fields}
    assert fields - set(re.findall(r"`(\w+)`", TEXT)) == set()
