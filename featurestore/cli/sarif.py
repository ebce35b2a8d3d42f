"""A check as SARIF 2.1.0, which code hosts and editors read: a rule for each kind of change, a result for each change.

The format is OASIS's: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore import __version__
from featurestore.cli.check_words import place_of, sentence
from featurestore.model.policy import KINDS

if TYPE_CHECKING:
    from featurestore.cli.places import Place, Places
    from featurestore.model.effect import Ruling
    from featurestore.operations.check import Check

__all__ = ["log"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"block": "error", "warn": "warning", "allow": "note"}
_SEVERITIES = {"breaking": "error", "risky": "warning", "safe": "note"}

_RULES = {
    "column_dropped": "A source column that versions read is dropped.",
    "column_renamed": "A source column that versions read is renamed.",
    "column_retyped": "A source column that versions read gets a type that does not hold every value.",
    "column_widened": "A source column that versions read gets a type that holds every value it had.",
    "definition_broken": "A proposed definition reads what a proposed change of a source takes away.",
    "feature_removed": "A feature that somebody reads is not in the new version.",
    "feature_retyped": "A feature that somebody reads has a type in the new version that does not hold every value.",
    "feature_rekeyed": "A feature that somebody reads has other keys in the new version.",
    "feature_repurposed": "A feature that somebody reads takes its values from other columns in the new version.",
    "feature_widened": "A feature that somebody reads has a wider type in the new version.",
    "feature_recomputed": "A feature that somebody reads is computed otherwise in the new version.",
    "feature_recomputed_unpinned": "A feature that somebody reads through a pointer is computed otherwise.",
}


def log(found: Check, places: Places) -> dict[str, Any]:
    """Return the SARIF log of a check."""
    kinds = list(KINDS)
    driver = {
        "name": "featurestore check",
        "version": __version__,
        "rules": [
            {
                "id": kind,
                "shortDescription": {"text": _RULES[kind]},
                "defaultConfiguration": {"level": _SEVERITIES[KINDS[kind]]},
            }
            for kind in kinds
        ],
    }
    run = {
        "tool": {"driver": driver},
        "originalUriBaseIds": {"ROOT": {"uri": Path.cwd().as_uri().rstrip("/") + "/"}},
        "invocations": [
            {
                "executionSuccessful": not found.problems,
                "exitCode": found.exit_code,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": problem}} for problem in found.problems
                ],
            }
        ],
        "results": [_result(ruling, kinds.index(ruling.change.kind), places) for ruling in found.rulings],
        "columnKind": "unicodeCodePoints",
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(ruling: Ruling, rule: int, places: Places) -> dict[str, Any]:
    change = ruling.change
    place = place_of(change, places)
    location: dict[str, Any] = {
        "logicalLocations": [
            {"name": change.subject.rpartition(":")[2], "fullyQualifiedName": change.subject, "kind": "member"}
        ]
    }
    if place is not None:
        location["physicalLocation"] = _physical(place)
    result: dict[str, Any] = {
        "ruleId": change.kind,
        "ruleIndex": rule,
        "level": _LEVELS[ruling.action],
        "message": {"text": sentence(ruling)},
        "locations": [location],
        "partialFingerprints": {"featurestore/v1": ruling.fingerprint},
    }
    given = ruling.acknowledgement
    if given is not None:
        why = f"{given.actor}: {given.reason} (until {given.until.isoformat()})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": why}]
    return result


def _physical(place: Place) -> dict[str, Any]:
    artifact = {"uri": Path(place.file).as_uri()} if Path(place.file).is_absolute() else {
        "uri": place.file, "uriBaseId": "ROOT",
    }  # fmt: skip
    return {"artifactLocation": artifact, "region": {"startLine": place.line}}
