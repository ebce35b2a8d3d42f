"""The golden suite: real-looking queries with the lineage of each output, written by hand in `golden/*.sql`.

A case is a query under a comment. The comment's first line names it and says what it shows; then comes a line for
each output: the columns whose value flows into it, and after `by` those that only act on it. `rows` lists what acts on
every output, because it decides which rows there are.

    -- rolling: a frame over time
    -- rows: weather.temp
    -- wind_6h: weather.wind; by weather.origin, weather.ts
    select ...;
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lineage import suite

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CASES", "SCHEMAS", "Case", "Column", "expectation"]

SCHEMAS = {
    **suite.SCHEMAS,
    "orders": {"id": "INTEGER", "customer": "INTEGER", "placed": "TIMESTAMP", "total": "DOUBLE", "status": "VARCHAR",
               "lines": "STRUCT(sku VARCHAR, qty INTEGER, price DOUBLE)[]"},
    "customers": {"customer": "INTEGER", "country": "VARCHAR", "joined": "TIMESTAMP", "referrer": "INTEGER"},
    "clicks": {"customer": "INTEGER", "seen": "TIMESTAMP", "page": "VARCHAR", "device": "VARCHAR"},
}  # fmt: skip

Column = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """A query and what is expected of it: for each output, `(source, column)` to `"DIRECT"` or `"INDIRECT"`."""

    name: str
    sql: str
    expected: Mapping[str, Mapping[Column, str]]

    @property
    def sources(self) -> list[str]:
        """The sources named in the text."""
        return [source for source in SCHEMAS if re.search(rf"\b{source}\b", self.sql, re.IGNORECASE)]


def _columns(text: str) -> list[Column]:
    pairs = [name.strip().split(".") for name in text.split(",") if name.strip()]
    return [(source, column) for source, column in pairs]


def _case(block: str) -> Case:
    comments = [line[3:] for line in block.splitlines() if line.startswith("-- ")]
    sql = "\n".join(line for line in block.splitlines() if not line.startswith("--"))
    return Case(comments[0].partition(":")[0], sql.strip().rstrip(";"), expectation(comments[1:]))


def expectation(lines: list[str]) -> dict[str, dict[Column, str]]:
    """Read the lines that say what each output depends on."""
    outputs = {name: columns for name, _, columns in (line.partition(":") for line in lines)}
    assert len(outputs) == len(lines), f"an output has two lines: {lines}"
    rows = dict.fromkeys(_columns(outputs.pop("rows", "")), "INDIRECT")
    expected = {}
    for output, columns in outputs.items():
        direct, _, acts = columns.partition("; by ")
        expected[output] = rows | dict.fromkeys(_columns(acts), "INDIRECT") | dict.fromkeys(_columns(direct), "DIRECT")
    return expected


def _read() -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for path in sorted((Path(__file__).parent / "golden").glob("*.sql")):
        for block in re.split(r"\n\n(?=-- )", path.read_text().strip()):
            case = _case(block)
            key = f"{path.stem}-{case.name}"
            assert key not in cases, key
            cases[key] = case
    return cases


CASES = _read()
