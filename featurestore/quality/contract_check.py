"""Rows held against a contract: one query over them, and a second one only where a key is found twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.errors import nearest
from featurestore.model.contract import Contract, Expect
from featurestore.model.times import from_micros
from featurestore.model.violation import Violation
from featurestore.offline.connection import identifier
from featurestore.quality.contract_rules import Probe, fits, kind_of, probes, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    import duckdb

__all__ = ["Relation", "check_rows", "column_violations"]

_EXAMPLES = 3
_WIDTH = 60
"""Characters of an example that are shown."""

_COLUMN_CURE = "Restore the column upstream, or take it out of the contract: readers of it are told by `contract diff`."
_TYPE_CURE = "Restore the type upstream, or declare the new one: a view that reads the column becomes a new version."
_KEY_CURE = "Load each row once: look for a batch that was loaded twice, or a key that has become too short."
_FRESH_CURE = "Find out why no newer rows came, and materialize again when they have."
_VOLUME_CURE = "Find out which load is short or doubled; if the number is right now, declare it."


@dataclass(frozen=True, slots=True)
class Relation:
    """Rows to be checked: SQL that can stand in FROM on a connection, and its columns with their DuckDB types."""

    connection: duckdb.DuckDBPyConnection
    sql: str
    columns: Mapping[str, str]


def check_rows(
    relation: Relation, contract: Contract, *, subject: str, now: datetime, whole: bool = True
) -> tuple[int, tuple[Violation, ...]]:
    """Return how many rows a relation has, and which rules of a contract they break.

    Parameters
    ----------
    subject
        Whose rows, as violations name it.
    now
        The moment that freshness is counted from.
    whole
        Whether these are all rows; of a part, the number of all rows says nothing.

    Raises
    ------
    DefinitionError
        If a rule cannot be asked of a column: a pattern of a number, a bound of another type.
    """
    return _Check(relation, contract, subject, now, whole).run()


def column_violations(subject: str, contract: Contract, columns: Mapping[str, str]) -> Iterator[Violation]:
    """Give the violations that the columns alone show: one that is gone, of another type, or not agreed."""
    for column in contract.named:
        if column not in columns:
            text = f"there is no column {column!r}.{nearest(column, columns)}"
            yield Violation(subject, "column", column, None, 0, (), text, _COLUMN_CURE)
    for column, expected in contract.columns.items():
        if column in columns and expected.type is not None and not fits(columns[column], expected.type):
            text = f"{column!r} is {expected.type}, and now is {type_of(columns[column]) or columns[column]}."
            yield Violation(subject, "type", column, None, 0, (), text, _TYPE_CURE)
    if contract.closed:
        for column in columns.keys() - set(contract.named):
            text = f"no column comes that is not agreed, and {column!r} did."
            cure = "Take it out upstream, or add it to the contract."
            yield Violation(subject, "closed", column, None, 0, (), text, cure)


class _Check:
    def __init__(
        self,
        relation: Relation,
        contract: Contract,
        subject: str,
        now: datetime,
        whole: bool,  # noqa: FBT001 - one caller, above
    ) -> None:
        self.connection, self.relation, columns = relation.connection, relation.sql, relation.columns
        self.columns, self.contract, self.subject, self.now, self.whole = columns, contract, subject, now, whole
        self.probes = probes(contract, columns)
        self.rows = 0
        self.keys = [key for key in [contract.key, *self._uniques()] if key and all(name in columns for name in key)]

    def _uniques(self) -> Iterator[tuple[str, ...]]:
        for column, expected in self.contract.columns.items():
            if expected.unique and (column,) != tuple(self.contract.key):
                yield (column,)

    def run(self) -> tuple[int, tuple[Violation, ...]]:
        parts = ["count(*)"]
        for probe in self.probes:
            parts.append(f"count(*) FILTER (WHERE {probe.condition})")
            shows = probe.examples and not self._expected(probe.column).sensitive
            example = f"approx_top_k(CAST({identifier(probe.column)} AS VARCHAR), {_EXAMPLES})"
            parts.append(f"{example} FILTER (WHERE {probe.condition})" if shows else "NULL")
        for key in self.keys:
            named = f"FILTER (WHERE {' AND '.join(f'{identifier(name)} IS NOT NULL' for name in key)})"
            packed = ", ".join(f"k{number} := {identifier(name)}" for number, name in enumerate(key))
            parts.append(f"count(*) {named} - count(DISTINCT struct_pack({packed})) {named}")
        parts += [self._newest(), self._windows()]
        # Parquet's statistics leave NaN out, and DuckDB would take from them that there is none.
        self.connection.execute("SET disabled_optimizers = 'type_pushdown,statistics_propagation'")
        found = self.connection.execute(f"SELECT {', '.join(parts)} FROM {self.relation}").fetchone() or ()  # noqa: S608 - identifiers and literals are quoted
        answers = iter(found)
        self.rows = int(next(answers))
        violations = list(column_violations(self.subject, self.contract, self.columns))
        for probe in self.probes:
            violations += self._probed(probe, next(answers), next(answers))
        for key in self.keys:
            violations += self._doubled(key, next(answers))
        violations += self._late(next(answers))
        violations += self._counted(next(answers))
        return self.rows, tuple(violations)

    def _expected(self, column: str) -> Expect:
        return self.contract.expects(column)

    def _probed(self, probe: Probe, rows: int, examples: Sequence[str] | None) -> Iterator[Violation]:
        if rows <= probe.share * self.rows:
            return
        told = tuple(_example(text) for text in examples or ())
        shows = f", for example {', '.join(told)}" if told else ""
        text = f"{probe.promised}; {rows:,} of {self.rows:,} rows are not so ({rows / self.rows:.2%}){shows}."
        if probe.share:
            text = f"{probe.promised}; {rows:,} of {self.rows:,} rows are ({rows / self.rows:.2%})."
        yield Violation(self.subject, probe.rule, probe.column, rows, self.rows, told, text, probe.cure)

    def _doubled(self, key: Sequence[str], rows: int) -> Iterator[Violation]:
        if not rows:
            return
        rule, column = ("key", None) if tuple(key) == tuple(self.contract.key) else ("unique", key[0])
        names = ", ".join(key)
        told: tuple[str, ...] = ()
        if not any(self._expected(name).sensitive for name in key):
            selected = ", ".join(identifier(name) for name in key)
            present = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in key)
            query = (
                f"SELECT {selected}, count(*) AS times FROM {self.relation} WHERE {present} "  # noqa: S608 - as above
                f"GROUP BY {selected} HAVING count(*) > 1 ORDER BY times DESC, {selected} LIMIT {_EXAMPLES}"
            )
            found = self.connection.execute(query).fetchall()
            told = tuple(_example(f"{', '.join(map(str, row[:-1]))} ({row[-1]} times)") for row in found)
        shows = f", for example {'; '.join(told)}" if told else ""
        text = f"{names} names one row; {rows:,} of {self.rows:,} rows repeat another's{shows}."
        yield Violation(self.subject, rule, column, rows, self.rows, told, text, _KEY_CURE)

    def _newest(self) -> str:
        freshness = self.contract.freshness
        usable = freshness is not None and self._is_time(freshness.column)
        return f"epoch_us(max({identifier(freshness.column)}))" if freshness is not None and usable else "NULL"

    def _late(self, newest: int | None) -> Iterator[Violation]:
        freshness = self.contract.freshness
        if freshness is None or freshness.column not in self.columns:
            return
        column = freshness.column
        if not self._is_time(column):
            text = f"freshness is told by {column!r}, which holds no times: it is {self.columns[column]}."
            yield Violation(self.subject, "freshness", column, None, self.rows, (), text, _TYPE_CURE)
            return
        age = None if newest is None else self.now - from_micros(newest)
        if age is None or age > freshness.within:
            was = "there is none" if newest is None else f"it is of {from_micros(newest).isoformat()}, {age} before"
            text = f"the newest {column!r} is at most {freshness.within} before {self.now.isoformat()}; {was}."
            yield Violation(self.subject, "freshness", column, None, self.rows, (), text, _FRESH_CURE)

    def _windows(self) -> str:
        volume = self.contract.volume
        if volume is None or volume.column is None or volume.every is None or not self._is_time(volume.column):
            return "NULL"
        length = volume.every // _MICROSECOND
        return f"histogram(CAST(floor(epoch_us({identifier(volume.column)}) / {length}) AS BIGINT))"

    def _counted(self, windows: Mapping[int, int] | None) -> Iterator[Violation]:
        volume = self.contract.volume
        if volume is None:
            return
        least, most = volume.at_least or 0, float("inf") if volume.at_most is None else volume.at_most
        promised = f"{least:,} to {'any number of' if volume.at_most is None else f'{volume.at_most:,}'} rows"
        if volume.column is None or volume.every is None:
            if self.whole and not least <= self.rows <= most:
                text = f"there are {promised}; there are {self.rows:,} now."
                yield Violation(self.subject, "volume", None, None, self.rows, (), text, _VOLUME_CURE)
            return
        if not windows:
            return
        length = volume.every // _MICROSECOND
        inner = range(min(windows) + 1, max(windows))
        wrong = [(place, windows.get(place, 0)) for place in inner if not least <= windows.get(place, 0) <= most]
        if wrong:
            told = tuple(f"{from_micros(place * length).isoformat()}: {rows:,}" for place, rows in wrong[:_EXAMPLES])
            text = (
                f"each {volume.every} of {volume.column!r} has {promised}; {len(wrong):,} of {len(inner):,} have not, "
                f"for example {', '.join(told)}."
            )
            yield Violation(self.subject, "volume", volume.column, None, self.rows, told, text, _VOLUME_CURE)

    def _is_time(self, column: str) -> bool:
        return column in self.columns and kind_of(self.columns[column]) == "time"


_MICROSECOND = from_micros(1) - from_micros(0)


def _example(text: str) -> str:
    """Return a value as it is shown: in quotes if it is empty or has blanks at its ends, cut if it is long."""
    cut = text if len(text) <= _WIDTH else f"{text[:_WIDTH]}..."
    return cut if cut.strip() == cut and cut else repr(cut)
