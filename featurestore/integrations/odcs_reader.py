"""The standard's documents read into contracts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from featurestore.errors import DefinitionError
from featurestore.integrations.odcs_types import LOGICAL, read_bound, read_type, read_value
from featurestore.model.contract import Contract, Expect, Freshness, Volume
from featurestore.model.times import parse_duration

if TYPE_CHECKING:
    from featurestore.integrations.yaml_lines import Place
    from featurestore.model.types import FeatureType

__all__ = ["read_document"]

_SENSITIVE = {"confidential", "restricted", "sensitive", "pii", "secret"}
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_OPERATORS = (
    "mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo",
    "mustBeBetween", "mustNotBeBetween",
)  # fmt: skip
_TAKEN = {
    "name", "required", "unique", "primaryKey", "primaryKeyPosition", "description", "quality", "customProperties",
    "logicalTypeOptions",
}  # fmt: skip
_TYPED = ("logicalType", "physicalType", "items")
"""Of a property: what becomes rules, and what becomes a type where it says enough."""
_METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")


def read_document(document: Place) -> tuple[dict[str, Contract], list[str]]:
    """Return a contract for each object of a document's schema, and notes on rules that are not checked.

    Raises
    ------
    DefinitionError
        If the document breaks a rule of the standard.
    """
    document.fields()
    for key in ("version", "id"):
        document.get(key).text()
    if document.get("kind").text() != "DataContract":
        document.get("kind").fail("is not DataContract: this is another kind of document.")
    api = document.get("apiVersion")
    if not api.text().startswith("v3."):
        api.fail(f"is {api.text()}: version 3 of the standard is read, v3.0.0 or later.")
    notes: list[str] = []
    found: dict[str, Contract] = {}
    for item in document.get("schema").items():
        name = item.get("name").text()
        if name in found:
            item.get("name").fail(f"stands twice, {name!r}: name each object once.")
        try:
            found[name] = _Object(document, item, notes).contract()
        except DefinitionError as error:
            text = str(error)
            raise (
                error if text.startswith(item.where.split(":", 1)[0]) else DefinitionError(f"{item.where}: {text}")
            ) from None
    if not found:
        document.get("schema").fail("holds no object: write the table and its properties.")
    return found, notes


class _Object:
    """One object of a schema: a table."""

    def __init__(self, document: Place, item: Place, notes: list[str]) -> None:
        self.document, self.item, self.notes = document, item, notes
        self.name = item.get("name").text()
        self.key: list[tuple[int, str]] = []
        self.volume: Volume | None = None
        self.unique_together: tuple[str, ...] = ()

    def contract(self) -> Contract:
        self.item.get("logicalType").one_of(("object",))
        columns = {}
        for each in self.item.get("properties").items():
            column, expected = self._property(each)
            if column in columns:
                each.get("name").fail(f"stands twice, {column!r}: name each property once.")
            columns[column] = expected
        kept_rules = [rule.value for rule in self.item.get("quality").items() if not self._rule(rule)]
        closed, customs = _custom(self.item, "closed")
        freshness, slas = self._freshness()
        owner, team = self._owner()
        description = self.document.get("description")
        purpose = description.get("purpose").text("") if description else ""
        own = {"schema", "kind", "team", "slaProperties", "description"}
        document = {name: value for name, value in self.document.fields().items() if name not in own}
        more_of = {name: value for name, value in (description.value or {}).items() if name != "purpose"}
        document |= {
            name: value for name, value in (("team", team), ("slaProperties", slas), ("description", more_of)) if value
        }
        taken = {"name", "properties", "quality", "customProperties", "logicalType"}
        object_ = {name: value for name, value in self.item.fields().items() if name not in taken}
        object_ |= {name: value for name, value in (("quality", kept_rules), ("customProperties", customs)) if value}
        key = tuple(column for _, column in sorted(self.key)) or self.unique_together
        return Contract(
            columns,
            key=key,
            freshness=freshness,
            volume=self.volume,
            closed=closed is True,
            owner=owner,
            description=purpose,
            more=_plain({"document": document, "object": object_}),
        )

    def _property(self, item: Place) -> tuple[str, Expect]:
        name = item.get("name").text()
        column = item.get("physicalName").text(name)
        options = item.get("logicalTypeOptions")
        logical = item.get("logicalType").one_of(LOGICAL)
        physical = item.get("physicalType").text("") or None
        format_ = options.get("format").value if options else None
        type_ = read_type(logical, physical, format_ if isinstance(format_, str) else None)
        if type_ is None and logical is not None:
            self._note(item, f"its type, {logical}, is not checked: give physicalType or a format")
        rules: dict[str, Any] = {"nullable": not item.get("required").flag(), "unique": item.get("unique").flag()}
        used: set[str] = set()
        if options:
            rules |= self._options(options, type_, logical, used)
        if listed := item.get("enum"):
            rules["allowed"] = tuple(read_value(each.get("value"), type_, logical) for each in listed.items())
        if item.get("primaryKey").flag():
            position = item.get("primaryKeyPosition").number()
            self.key.append((len(self.key) + 1 if position is None or position < 0 else int(position), column))
        unit, customs = _custom(item, "unit")
        kept = [
            rule.value for rule in item.get("quality").items() if not self._column_rule(rule, rules, type_, logical)
        ]
        classification = item.get("classification").text("")
        own = {*_TAKEN, *(("enum",) if listed else ()), *(_TYPED if type_ is not None else ())}
        more = {key: value for key, value in item.fields().items() if key not in own}
        if column != name:
            more["name"] = name
        left = {key: value for key, value in (options.value or {}).items() if key not in used}
        if type_ is not None and type_.kind in {"Int32", "Int64", "Float32", "Float64", "Bytes"}:
            left.pop("format", None)
        pairs = (("logicalTypeOptions", left), ("quality", kept), ("customProperties", customs))
        more |= {key: value for key, value in pairs if value}
        expected = Expect(
            type_,
            **rules,
            unit=unit if isinstance(unit, str) else "",
            sensitive=classification.lower() in _SENSITIVE,
            description=item.get("description").text(""),
            more=_plain(more),
        )
        return column, expected

    def _options(
        self, options: Place, type_: FeatureType | None, logical: str | None, used: set[str]
    ) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, rule in (("minLength", "shortest"), ("maxLength", "longest")):
            if options.get(name):
                found[rule] = options.get(name).whole()
                used.add(name)
        if options.get("pattern"):
            found["pattern"] = options.get("pattern").text()
            used.add("pattern")
        for name, rule in (("minimum", "at_least"), ("maximum", "at_most")):
            if options.get(name):
                found[rule] = read_bound(options.get(name), type_, logical)
                used.add(name)
        for name in ("exclusiveMinimum", "exclusiveMaximum", "multipleOf"):
            if options.get(name):
                self._note(options.get(name), "is kept, not checked")
        return found

    def _column_rule(self, rule: Place, rules: dict[str, Any], type_: FeatureType | None, logical: str | None) -> bool:
        """Take a rule of a column into `rules`; return whether it could be."""
        metric = self._metric(rule)
        arguments = rule.get("arguments")
        most = self._share(rule)
        none = rule.get("mustBe").value == 0
        if metric == "nullValues" and none:
            rules["nullable"] = False
        elif metric == "nullValues" and most is not None and "absent" not in rules:
            rules["absent_at_most"] = most
        elif metric == "missingValues" and most is not None and arguments and arguments.get("missingValues"):
            listed = arguments.get("missingValues").items()
            rules["absent"] = tuple(read_value(each, type_, logical) for each in listed)
            rules["absent_at_most"] = most if most < 1 else None
        elif metric == "invalidValues" and none and arguments and arguments.get("validValues"):
            listed = arguments.get("validValues").items()
            rules["allowed"] = tuple(read_value(each, type_, logical) for each in listed)
        elif metric == "invalidValues" and none and arguments and arguments.get("pattern"):
            rules["pattern"] = arguments.get("pattern").text()
        elif metric == "duplicateValues" and none and not arguments:
            rules["unique"] = True
        else:
            self._unchecked(rule)
            return False
        return True

    def _rule(self, rule: Place) -> bool:
        """Take a rule of the whole object; return whether it could be."""
        metric = self._metric(rule)
        arguments = rule.get("arguments")
        if metric == "rowCount" and (bounds := self._bounds(rule)) is not None:
            column, _ = _custom(rule, "windowColumn")
            every, _ = _custom(rule, "window")
            length = parse_duration(every) if isinstance(every, str) else None
            self.volume = Volume(*bounds, column=column, every=length)
            return True
        if metric == "duplicateValues" and rule.get("mustBe").value == 0 and arguments and not self.unique_together:
            self.unique_together = tuple(each.text() for each in arguments.get("properties").items())
            return bool(self.unique_together)
        self._unchecked(rule)
        return False

    def _metric(self, rule: Place) -> str | None:
        kind = rule.get("type").one_of(("text", "library", "sql", "custom"))
        name = "metric" if rule.get("metric") else "rule"
        metric = rule.get(name).one_of(_METRICS) if kind in {None, "library"} else None
        if kind == "library" and metric is None:
            rule.fail(f"is a library rule without a metric: write metric: {_METRICS[0]} or another.")
        given = [operator for operator in _OPERATORS if rule.get(operator)]
        if metric is not None and len(given) != 1:
            rule.fail(f"has {len(given)} operators: write one, for example mustBe: 0.")
        return metric

    @staticmethod
    def _share(rule: Place) -> float | None:
        """Return the greatest share that a rule in percent allows; `less than` is taken as `at most`."""
        if rule.get("unit").value != "percent":
            return 0.0 if rule.get("mustBe").value == 0 else None
        for operator in ("mustBe", "mustBeLessThan", "mustBeLessOrEqualTo"):
            number = rule.get(operator).number() if rule.get(operator) else None
            if number is not None and (operator != "mustBe" or number == 0):
                return number / 100
        return None

    @staticmethod
    def _bounds(rule: Place) -> tuple[int | None, int | None] | None:
        def whole(name: str, more: int = 0) -> int | None:
            number = rule.get(name).whole()
            return None if number is None else number + more

        if rule.get("mustBeBetween"):
            pair = [each.whole() for each in rule.get("mustBeBetween").items()]
            if len(pair) != 2:  # noqa: PLR2004 - a pair
                rule.get("mustBeBetween").fail("is no pair: write [least, greatest].")
            return pair[0], pair[1]
        exact = whole("mustBe")
        least = exact if exact is not None else whole("mustBeGreaterOrEqualTo")
        least = least if least is not None else whole("mustBeGreaterThan", 1)
        most = exact if exact is not None else whole("mustBeLessOrEqualTo")
        most = most if most is not None else whole("mustBeLessThan", -1)
        return None if least is None and most is None else (least, most)

    def _freshness(self) -> tuple[Freshness | None, list[Any]]:
        """Return the freshness of this object, and the service levels that are another's or no freshness."""
        found, left = None, []
        for item in self.document.get("slaProperties").items():
            element = item.get("element").text("")
            table, _, column = element.rpartition(".")
            ours = item.get("property").text() in {"freshness", "latency"} and column and table in {"", self.name}
            seconds = _UNITS.get(item.get("unit").text("d")[:1].lower())
            number = item.get("value").value
            if found is not None or not ours or seconds is None or isinstance(number, (str, bool)) or number is None:
                left.append(item.value)
            else:
                found = Freshness(column, timedelta(seconds=number * seconds))
        return found, left

    def _owner(self) -> tuple[str, Any]:
        team = self.document.get("team")
        if not isinstance(team.value, dict):
            return "", team.value
        return team.get("name").text(""), {name: value for name, value in team.value.items() if name != "name"}

    def _unchecked(self, rule: Place) -> None:
        kind = rule.get("type").value or "library"
        self._note(rule, f"this {kind} rule is kept, not checked")

    def _note(self, place: Place, text: str) -> None:
        self.notes.append(f"{place.where} {text}.")


def _custom(item: Place, name: str) -> tuple[Any, list[Any]]:
    """Return the value of a custom property, and the others."""
    found, left = None, []
    for each in item.get("customProperties").items():
        if each.get("property").text() == name:
            found = each.get("value").value
        else:
            left.append(each.value)
    return found, left


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON values
    """Return a value as JSON has it: dates as text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items() if item not in ({}, [])}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value
