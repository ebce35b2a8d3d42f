"""docs/clients.md and docs/serving.md say what the code does (the examples run in tests/test_pages.py)."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from featurestore.model.serving import ServingSettings
from featurestore.serving.control import Control
from featurestore.serving.control_service import ROLES
from featurestore.serving.protocol import CONTROL
from featurestore.serving.status import CODES
from featurestore.serving.v1 import serving_pb2 as pb

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "clients.md").read_text(encoding="utf-8")


def test_the_table_of_errors_is_the_codes() -> None:
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| ([A-Za-z, ]+) \|", TEXT, re.MULTILINE))
    documented = {name: code for code, names in rows.items() for name in names.split(", ")}
    assert documented == {class_.__name__: code.name for class_, code in CODES.items()}


def test_every_setting_is_in_the_table_with_its_default() -> None:
    text = (DOCS / "serving.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (?:`(.*?)`)? ?\|", text, re.MULTILINE)
    documented = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    for item in fields(ServingSettings):
        default = item.default
        shown = "" if default is None else f'"{default}"' if isinstance(default, str) else str(default).lower()
        assert documented[item.name] == shown


def test_the_states_are_the_enum() -> None:
    (line,) = re.findall(r"1 PRESENT.*EXPIRED", TEXT)
    documented = {f"CELL_STATUS_{name}": int(number) for number, name in re.findall(r"(\d) ([A-Z_]+)", line)}
    assert documented == {name: number for name, number in pb.CellStatus.items() if number}


def test_every_field_of_values_is_in_the_table() -> None:
    fields = {field.name for field in pb.Values.DESCRIPTOR.fields}
    assert fields - set(re.findall(r"`(\w+)`", TEXT)) == set()


def test_the_table_of_operators_verbs_is_the_service() -> None:
    rows = re.findall(r"^\| `control\.(\w+)\(.*?\)` \| `(\w+)` \| (\w+) \|", TEXT, re.MULTILINE)
    assert {f"/{CONTROL}/{method}": role for _, method, role in rows} == ROLES
    assert {verb for verb, _, _ in rows} == {name for name in vars(Control) if not name.startswith("_")}
