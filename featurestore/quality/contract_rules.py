"""A contract's rules as SQL: for each, the condition that marks the rows which break it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from featurestore.errors import DefinitionError
from featurestore.model.contract import Contract, Expect, shown
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import from_duckdb, to_duckdb
from featurestore.offline.connection import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Probe", "fits", "kind_of", "probes", "type_of"]

_DISGUISES = ("na", "n/a", "#n/a", "<na>", "nan", "null", "none", "nil", "-", "--", "?", "\\n")
"""Texts, trimmed and in lower case, that stand for nothing; an empty or blank text does too."""
_SENTINELS = (-999, -9999, -99999)
"""Numbers that stand for nothing, unless the range that is promised holds them."""
_FAR = ("0001-01-01", "9999-12-31")
"""Dates that stand for nothing."""

_HAND_OVER = "Mend it upstream; or, if it is meant, declare it in the contract, whose new version says whom it reaches."


@dataclass(frozen=True, slots=True)
class Probe:
    """One rule over rows.

    Attributes
    ----------
    rule, column
        Which.
    condition
        SQL that is true for a row that breaks it.
    promised
        What is promised, in words.
    examples
        Whether to show values.
    share
        Greatest share of the rows that may; 0 for none.
    cure
        What to do.
    """

    rule: str
    column: str
    condition: str
    promised: str
    examples: bool = True
    share: float = 0.0
    cure: str = _HAND_OVER


def type_of(found: str) -> FeatureType | None:
    """Return the feature type of a DuckDB type; None if there is none."""
    try:
        return from_duckdb(found, where="a column")
    except DefinitionError:
        return None


def kind_of(found: str) -> str:
    """Return `text`, `number`, `float`, `bool`, `time` or `other` for a DuckDB type."""
    type_ = type_of(found)
    if type_ is None:
        return "other"
    kinds = {"String": "text", "Float32": "float", "Float64": "float", "Bool": "bool", "Date": "time"}
    kinds |= {"Int32": "number", "Int64": "number", "Decimal": "number", "Timestamp": "time"}
    return kinds.get(type_.kind, "other")


def fits(found: str, declared: FeatureType) -> bool:
    """Return whether a column of DuckDB type `found` is what was declared; a list of floats may be an embedding."""
    type_ = type_of(found)
    if declared.kind == "Embedding" and type_ is not None and type_.kind == "List":
        return type_.item is not None and type_.item.kind == "Float32"
    return type_ == declared


def probes(contract: Contract, columns: Mapping[str, str]) -> list[Probe]:
    """Return the rules over rows that can be asked of these columns (name -> DuckDB type)."""
    found: list[Probe] = []
    for column, expected in contract.columns.items():
        if column in columns:
            found += _Column(column, columns[column], expected).probes()
    keys = [key for key in contract.key if key in columns]
    if contract.key and len(keys) == len(contract.key):
        for key in keys:
            if contract.expects(key).nullable:
                text = f"{key!r} names rows, so it is never null"
                found.append(Probe("key", key, f"{identifier(key)} IS NULL", text, examples=False))
    return found


class _Column:
    """One column's rules."""

    def __init__(self, column: str, found: str, expected: Expect) -> None:
        self.column, self.found, self.expected = column, found, expected
        self.kind = kind_of(found)
        self.name = identifier(column)
        declared = [self.form(value) for value in expected.absent]
        self.absent = " OR ".join(f"({form})" for form in declared) or f"{self.name} IS NULL"
        self.disguised = " OR ".join(f"({form})" for form in self._disguises())
        there = [f"{self.name} IS NOT NULL", f"NOT ({self.absent})"]
        there += [f"NOT ({self.disguised})"] if self.disguised else []
        self.present = " AND ".join(dict.fromkeys(there))

    def probes(self) -> Iterator[Probe]:
        expected, column, name = self.expected, self.column, self.name
        agreed = shown(expected.absent)
        if not expected.nullable:
            yield Probe("nullable", column, f"{name} IS NULL", f"{column!r} is never null", examples=False)
        elif expected.absent and None not in expected.absent:
            cure = f"Hand {agreed} over where there is no value, as agreed. {_HAND_OVER}"
            text = f"an absent {column!r} looks like {agreed}, never null"
            yield Probe("absent", column, f"{name} IS NULL", text, examples=False, cure=cure)
        if self.disguised:
            cure = f"Hand {agreed} over where there is no value, as agreed. {_HAND_OVER}"
            yield Probe("absent", column, self.disguised, f"an absent {column!r} looks like {agreed} only", cure=cure)
        if expected.absent_at_most is not None:
            text = f"at most {expected.absent_at_most:.1%} of {column!r} is absent"
            yield Probe("absent_at_most", column, self.absent, text, examples=False, share=expected.absent_at_most)
        if expected.type is not None and not fits(self.found, expected.type):
            yield from self._unreadable(expected.type)
            return
        yield from self._values()
        if expected.type is not None and expected.type.kind == "Embedding" and self.found.endswith("[]"):
            (length,) = expected.type.parameters
            text = f"{column!r} has {length} elements"
            yield Probe("type", column, f"{self.present} AND len({name}) <> {length}", text, examples=False)

    def _values(self) -> Iterator[Probe]:
        expected, column, name = self.expected, self.column, self.name
        if expected.allowed is not None:
            values = [self.value(item) for item in expected.allowed if item is not None]
            outside = f"{name} NOT IN ({', '.join(values)})" if values else "true"
            few = shown(expected.allowed[:8]) + (", ..." if len(expected.allowed) > 8 else "")  # noqa: PLR2004
            yield Probe("allowed", column, f"{self.present} AND {outside}", f"{column!r} is one of {few}")
        for rule, sign, words in (("at_least", "<", "at least"), ("at_most", ">", "at most")):
            bound = getattr(expected, rule)
            if bound is not None:
                text = f"{column!r} is {words} {shown(bound)}{f' {expected.unit}' if expected.unit else ''}"
                yield Probe(rule, column, f"{self.present} AND {name} {sign} {self.value(bound)}", text)
        if expected.pattern is not None:
            self._only("text", "pattern")
            outside = f"NOT regexp_full_match({name}, {literal(expected.pattern)})"
            yield Probe("pattern", column, f"{self.present} AND {outside}", f"{column!r} matches {expected.pattern!r}")
        for rule, sign, words in (("shortest", "<", "at least"), ("longest", ">", "at most")):
            bound = getattr(expected, rule)
            if bound is not None:
                self._only("text", rule)
                text = f"{column!r} has {words} {bound} characters"
                yield Probe(rule, column, f"{self.present} AND length({name}) {sign} {bound}", text)

    def _unreadable(self, declared: FeatureType) -> Iterator[Probe]:
        """Give the texts that are no value of the declared type: they are what made the column text."""
        if self.kind != "text" or declared.kind in {"List", "Embedding", "Bytes"}:
            return
        wrong = f"{self.present} AND TRY_CAST({self.name} AS {to_duckdb(declared)}) IS NULL"
        yield Probe("type", self.column, wrong, f"every {self.column!r} can be read as {declared}")

    def _disguises(self) -> Iterator[str]:
        """Give the conditions under which a value stands for nothing in another form than was agreed."""
        expected, name = self.expected, self.name
        if not expected.absent:
            return
        agreed = {item for item in (*expected.absent, *(expected.allowed or ())) if item is not None}
        spared = f" AND {name} NOT IN ({', '.join(self.value(item) for item in agreed)})" if agreed else ""
        if self.kind == "text":
            listed = ", ".join(literal(text) for text in _DISGUISES)
            yield f"(trim({name}, ' \t\r\n') = '' OR lower(trim({name})) IN ({listed})){spared}"
        elif self.kind in {"number", "float"}:
            left = [text for text in _SENTINELS if text not in agreed and not self._in_range(text)]
            forms = [f"{name} IN ({', '.join(map(str, left))})"] if left and self._wide() else []
            if self.kind == "float" and not any(item != item for item in agreed):  # noqa: PLR0124 - only a NaN is
                forms.append(f"isnan({name})")
            yield from forms
        elif self.kind == "time":
            yield f"CAST({name} AS DATE) IN ({', '.join(f'DATE {literal(day)}' for day in _FAR)}){spared}"

    def _wide(self) -> bool:
        """Return whether the column can hold the sentinels, which a comparison with them presumes."""
        return self.found not in {"TINYINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "SMALLINT"}

    def _in_range(self, number: int) -> bool:
        least, most = self.expected.at_least, self.expected.at_most
        return least is not None and least <= number and (most is None or number <= most)

    def form(self, value: Any) -> str:  # noqa: ANN401 - a scalar of any type
        """Return the condition under which the column holds an agreed form of an absent value."""
        if value is None:
            return f"{self.name} IS NULL"
        if isinstance(value, float) and value != value:  # noqa: PLR0124 - only a NaN is not itself
            return f"isnan({self.name})"
        if self.kind == "text" and isinstance(value, str) and self.expected.type not in {None, FeatureType("String")}:
            return f"{self.name} = {literal(value)}"
        return f"{self.name} = {self.value(value)}"

    def value(self, value: Any) -> str:  # noqa: ANN401 - a scalar of any type
        """Return a value of the contract as SQL of the column's type."""
        kinds = {str: {"text"}, bool: {"bool"}, int: {"number", "float"}, float: {"number", "float"}}
        kinds |= {Decimal: {"number", "float"}, datetime: {"time"}, date: {"time"}}
        if self.kind == "text" and self.expected.type is not None and self.expected.type.kind != "String":
            return literal(str(value))  # the column is not what was declared: its texts are compared
        if self.kind not in kinds[type(value)]:
            raise DefinitionError(
                f"the contract compares column {self.column!r}, which is {self.found}, with {value!r}: "
                "write a value of the column's type."
            )
        if isinstance(value, str):
            return literal(value)
        if isinstance(value, datetime):
            return self._time(value)
        if isinstance(value, date):
            return f"DATE {literal(value.isoformat())}"
        if self.kind == "float":
            return f"CAST({literal(str(value))} AS {self.found})"
        return f"CAST({literal(repr(value))} AS DOUBLE)" if isinstance(value, float) else str(value)

    def _time(self, value: datetime) -> str:
        if self.found == "TIMESTAMP WITH TIME ZONE":
            return f"TIMESTAMPTZ {literal(value.isoformat(sep=' '))}"
        return f"TIMESTAMP {literal(value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' '))}"

    def _only(self, kind: str, rule: str) -> None:
        if self.kind != kind:
            raise DefinitionError(
                f"the contract has {rule}= for column {self.column!r}, which is {self.found}: that is for {kind}."
            )
