"""Findings: what differs in the data between two moments, named by its cause; and how each kind is looked for.

`KINDS` is the one list of what can be found. It is here, below the detectors, so that a feature's `checks` can be held
to it when they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from featurestore.errors import DefinitionError, nearest

__all__ = [
    "BLOCKING",
    "KINDS",
    "NOTICE",
    "SEVERITIES",
    "WARNING",
    "Check",
    "Finding",
    "Kind",
    "checks_of",
    "read_checks",
]

NOTICE, WARNING, BLOCKING = "notice", "warning", "blocking"

SEVERITIES = (NOTICE, WARNING, BLOCKING)
"""From least to most."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding, and its defaults.

    Attributes
    ----------
    name
        As a finding carries it and as `checks` name it.
    meaning
        What has happened, in a few words.
    at
        The least effect that counts, in `unit`.
    unit
        What `at` measures.
    severity
        Of a finding of this kind.
    """

    name: str
    meaning: str
    at: float
    unit: str = "share of rows"
    severity: str = WARNING


_TABLE = (
    Kind("null_to_empty", "nulls became empty strings", 0.001, severity=BLOCKING),
    Kind("null_to_sentinel", "nulls became one value that stands for them", 0.001, severity=BLOCKING),
    Kind("empty_to_null", "empty strings became nulls", 0.001, severity=BLOCKING),
    Kind("sentinel_to_null", "the value that stood for nulls became null", 0.001, severity=BLOCKING),
    Kind("emptied", "values became empty strings", 0.005),
    Kind("nulls_rose", "values became nulls", 0.005),
    Kind("nulls_fell", "nulls became values", 0.005, severity=NOTICE),
    Kind("not_a_number", "NaN or infinity appeared", 0.0001),
    Kind("type_changed", "the column has another type", 0.0, severity=BLOCKING),
    Kind("format_changed", "texts are written in another form", 0.005, severity=BLOCKING),
    Kind("unit_changed", "numbers are in another unit", 0.05, severity=BLOCKING),
    Kind("sign_flipped", "numbers changed their sign", 0.05, severity=BLOCKING),
    Kind("precision_lost", "numbers lost their decimals", 0.05),
    Kind("category_new", "values appeared that were never seen", 0.002),
    Kind("category_vanished", "values are gone that were frequent", 0.002),
    Kind("category_renamed", "a value is gone and another has its share", 0.002),
    Kind("case_changed", "texts changed between upper and lower case", 0.002, severity=BLOCKING),
    Kind("whitespace_changed", "texts gained or lost blanks around them", 0.002, severity=BLOCKING),
    Kind("encoding_changed", "texts were read in another character encoding", 0.0005, severity=BLOCKING),
    Kind("truncated", "texts are cut at one length", 0.005, severity=BLOCKING),
    Kind("constant", "a column that varied has one value", 0.0, severity=BLOCKING),
    Kind("spike", "one value became frequent", 0.01),
    Kind("swapped", "two columns exchanged their values", 0.1, severity=BLOCKING),
    Kind("duplicates", "rows are there more than once", 0.001, severity=BLOCKING),
    Kind("volume_dropped", "rows are missing", 0.005),
    Kind("volume_rose", "there are many more rows", 0.5),
    Kind("gap", "no rows for a stretch of time", 2.0, unit="times the longest gap before"),
    Kind("stale", "the newest row is older than it should be", 3.0, unit="times the wait before, a day at least"),
    Kind("late", "rows become known later after their event", 0.01),
    Kind("zone_shifted", "times moved by whole hours", 0.1, severity=BLOCKING),
    Kind("shifted", "the distribution moved", 0.1, unit="Jensen-Shannon distance"),
    Kind("embedding_model", "vectors come from another model", 0.05, unit="share of vectors", severity=BLOCKING),
    Kind("embedding_shifted", "vectors moved", 0.1, unit="distance of centroids, in norms"),
    Kind("dimension_changed", "vectors or lists have another length", 0.001, severity=BLOCKING),
)

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _TABLE})
"""Every kind of finding by its name."""

OFF = "off"


@dataclass(frozen=True, slots=True)
class Check:
    """How one kind is looked for in one column.

    Attributes
    ----------
    at
        The least effect that counts, in the kind's unit.
    severity
        Of a finding, or `"off"`: it is not looked for.
    """

    at: float
    severity: str

    @property
    def wanted(self) -> bool:
        """Whether this kind is looked for at all."""
        return self.severity != OFF


Checks = Mapping[str, Any]
"""As written: a kind to `"off"`, a severity, the least effect that counts, or `{"at": number, "severity": text}`."""


def read_checks(value: object, *, where: str) -> dict[str, Any]:
    """Return checks as they are kept, or fail: the one place where they are parsed.

    Parameters
    ----------
    value
        A mapping as `Checks` describes.
    where
        Whose they are, for the error: `"feature 'remark'"`.

    Raises
    ------
    DefinitionError
        If a kind is unknown, or what is said about it cannot be read.
    """
    if not isinstance(value, Mapping):
        raise DefinitionError(f"{where} has checks {value!r}: write a mapping such as {{'spike': 'off'}}.")
    return {str(kind): _read_check(str(kind), said, where) for kind, said in value.items()}


def _read_check(kind: str, said: object, where: str) -> dict[str, Any]:
    if kind not in KINDS:
        raise DefinitionError(f"{where} has a check of an unknown kind {kind!r}.{nearest(kind, KINDS)}")
    if said is False:
        said = OFF
    if isinstance(said, str):
        said = {"severity": said}
    elif isinstance(said, int | float) and not isinstance(said, bool):
        said = {"at": said}
    if not isinstance(said, Mapping) or not said or set(said) - {"at", "severity"}:
        raise DefinitionError(
            f"{where} says {said!r} of {kind}: write 'off', a severity, the least effect that counts "
            "(a number), or {'at': number, 'severity': severity}."
        )
    severity, at = said.get("severity"), said.get("at")
    if severity is not None and severity not in {*SEVERITIES, OFF}:
        raise DefinitionError(
            f"{where} gives {kind} the severity {severity!r}.{nearest(str(severity), [*SEVERITIES, OFF])}"
        )
    if at is not None and (isinstance(at, bool) or not isinstance(at, int | float) or not at >= 0):
        raise DefinitionError(f"{where} says that {kind} counts from {at!r} on: give a number of 0 or more.")
    return {name: item for name, item in (("at", at), ("severity", severity)) if item is not None}


def checks_of(*layers: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Check]:
    """Return each kind's check: its defaults, overlaid by what `read_checks` gave, the last layer last."""
    found = {}
    for name, kind in KINDS.items():
        said: dict[str, Any] = {"at": kind.at, "severity": kind.severity}
        for layer in layers:
            said |= layer.get(name, {})
        found[name] = Check(float(said["at"]), str(said["severity"]))
    return found


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs in the data.

    Attributes
    ----------
    kind
        One of `KINDS`.
    subject
        What differs, in the graph's text form: `view@vN:feature`, `view@vN`, or `source.column`.
    text
        One sentence for people.
    amount
        How much: the effect, in the kind's unit.
    severity
        `"notice"`, `"warning"` or `"blocking"`.
    evidence
        What was measured: JSON values by name.
    against
        What it was compared with: `"snapshot 9f2c..."`, `"version v1"`, `"training of delay@1"`, `"season"`.
    since
        From when on: the earliest time at which the data is known to be so (UTC); None where that cannot be told.
    explains
        Vaguer kinds that were found on the same subject too, and that this one explains.
    models, endpoints
        The live model versions and the endpoints that it reaches.
    """

    kind: str
    subject: str
    text: str
    amount: float
    severity: str = WARNING
    evidence: Mapping[str, Any] = field(default_factory=dict)
    against: str = ""
    since: datetime | None = None
    explains: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "evidence", MappingProxyType(dict(self.evidence)))

    @property
    def blocking(self) -> bool:
        """Whether rows like these should not reach a model unseen."""
        return self.severity == BLOCKING

    def reaching(self, models: tuple[str, ...], endpoints: tuple[str, ...]) -> Finding:
        """Return the same finding with the models and endpoints that it reaches."""
        return replace(self, models=models, endpoints=endpoints)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "kind": self.kind,
            "subject": self.subject,
            "text": self.text,
            "amount": self.amount,
            "severity": self.severity,
            "evidence": dict(self.evidence),
            "against": self.against,
            "since": None if self.since is None else self.since.isoformat(),
            "explains": list(self.explains),
            "models": list(self.models),
            "endpoints": list(self.endpoints),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Finding:
        """Read the JSON form."""
        since = value["since"]
        return cls(
            **{
                **value,
                "since": None if since is None else datetime.fromisoformat(since),
                "explains": tuple(value["explains"]),
                "models": tuple(value["models"]),
                "endpoints": tuple(value["endpoints"]),
            }
        )

    def __str__(self) -> str:
        reached = f" -> {', '.join([*self.models, *self.endpoints])}" if self.models or self.endpoints else ""
        return f"{self.severity}: {self.subject}: {self.text}{reached}"
