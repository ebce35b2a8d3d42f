"""What a change of a source's columns does: to every version that reads them, also old ones, and to all who read those.

A version runs as it was defined. Where a column that it reads is gone or cannot be read with its declared type, it
cannot be materialized or refreshed any more, whichever of its features the column is for; what was published stays.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING

from featurestore.catalog import graph, sources, versions
from featurestore.errors import DefinitionError, NotFoundError, nearest
from featurestore.lineage.gate_readers import Reader, readers_of
from featurestore.model.column_types import widens
from featurestore.model.effect import Effect, ProposedChange, Route, Ruling
from featurestore.model.names import fold
from featurestore.model.policy import REACHES, SEVERITIES
from featurestore.model.source_change import SourceChange, SourceSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.model.policy import Policy
    from featurestore.model.version import FeatureVersion

__all__ = ["column_changes", "known_columns", "proposed_columns", "source_rulings", "source_versions"]


def known_columns(connection: Connection, source: str) -> dict[str, str] | None:
    """Return a source's columns as they were when last looked at: column -> DuckDB type; None: no such source."""
    row = sources.find(connection, source)
    return None if row is None else dict(row["columns"])


def column_changes(
    connection: Connection, proposed: Iterable[SourceChange | SourceSchema]
) -> list[tuple[SourceChange, str]]:
    """Return each column that changes, with the type that it has now; a schema is compared with what is known.

    Raises
    ------
    NotFoundError
        If there is no such source or column.
    DefinitionError
        If two changes are of one column.
    """
    found: dict[tuple[str, str], tuple[SourceChange, str]] = {}
    for item in proposed:
        row = sources.find(connection, item.source)
        if row is None:
            known = sources.names(connection)
            raise NotFoundError(f"there is no source {item.source!r}.{nearest(item.source, known)}")
        columns: dict[str, str] = dict(row["columns"])
        listed = _differences(row["name"], row["columns"], item) if isinstance(item, SourceSchema) else [item]
        for change in listed:
            if change.column not in columns:
                columns |= _declared(connection, row["name"])  # gone already, and read by old versions still
            if change.column not in columns:
                raise NotFoundError(
                    f"source {row['name']!r} has no column {change.column!r}.{nearest(change.column, columns)}"
                )
            key = (fold(change.source), change.column)
            if key in found and found[key][0] != change:
                raise DefinitionError(f"{found[key][0]} and {change} are of one column: propose one of them.")
            own = SourceChange(change.action, row["name"], change.column, change.to)
            found[key] = (own, columns[change.column])
    return list(found.values())


def _declared(connection: Connection, source: str) -> dict[str, str]:
    """Return the columns that versions read of a source, also those that it does not have any more."""
    return {
        column: type_
        for version in source_versions(connection, source)
        for item in version.definition.sources
        if fold(item.name) == fold(source)
        for column, type_ in item.columns
    }


def _differences(source: str, known: Mapping[str, str], schema: SourceSchema) -> list[SourceChange]:
    """Return how the columns known now become those of a schema."""
    found = []
    names = {before: name for name, before in schema.was.items()}
    for before in names:
        if before not in known:
            raise NotFoundError(f"source {source!r} has no column {before!r}.{nearest(before, known)}")
    for column, type_ in known.items():
        if column in names:
            found.append(SourceChange("rename", source, column, names[column]))
        elif column not in schema.columns:
            found.append(SourceChange("drop", source, column))
        elif schema.columns[column] != type_:
            found.append(SourceChange("retype", source, column, schema.columns[column]))
    return found


def proposed_columns(
    known: Mapping[str, str], proposed: Iterable[SourceChange | SourceSchema], source: str
) -> dict[str, str]:
    """Return a source's columns as they will be."""
    columns = dict(known)
    for item in proposed:
        if fold(item.source) != fold(source):
            continue
        if isinstance(item, SourceSchema):
            columns = dict(item.columns)
        elif item.action == "retype":
            columns[item.column] = item.to
        else:
            type_ = columns.pop(item.column, "")
            if item.action == "rename":
                columns[item.to] = type_
    return columns


def source_versions(connection: Connection, source: str, column: str | None = None) -> list[FeatureVersion]:
    """Return the versions that read a source, or one column of it, in order."""
    nodes = [row for row, _ in graph.find(connection, source, "source")]
    names = {
        asset.key.partition("@")[0]
        for _, _, kind, asset in graph.links(connection, nodes, "down", columns=False)
        if kind == "read by" and asset.kind == "version"
    }
    found = versions.of_views(connection, sorted(names), containing=None if column is None else json.dumps(column))
    return [version for each in found.values() for version in each if _reads(version, source, column)]


def _reads(version: FeatureVersion, source: str, column: str | None) -> bool:
    return any(
        fold(item.name) == fold(source) and (column is None or any(name == column for name, _ in item.columns))
        for item in version.definition.sources
    )


def source_rulings(connection: Connection, changes: Sequence[tuple[SourceChange, str]], policy: Policy) -> list[Ruling]:
    """Return what each changed column does, by the policy; a change that no version feels is left away."""
    found = []
    for change, type_ in changes:
        felt = [
            version
            for version in source_versions(connection, change.source, change.column)
            if change.action != "retype" or _declared_type(version, change) != change.to
        ]
        if felt:
            found.append(_ruling(connection, change, type_, felt, policy))
    return found


def _declared_type(version: FeatureVersion, change: SourceChange) -> str:
    for item in version.definition.sources:
        if fold(item.name) == fold(change.source):
            return dict(item.columns)[change.column]
    raise AssertionError(version)


def _ruling(
    connection: Connection, change: SourceChange, type_: str, felt: Sequence[FeatureVersion], policy: Policy
) -> Ruling:
    kind = {"drop": "column_dropped", "rename": "column_renamed"}.get(change.action)
    if kind is None:
        widened = all(widens(_declared_type(version, change), change.to) for version in felt)
        kind = "column_widened" if widened else "column_retyped"
    subject = f"{change.source}.{change.column}"
    proposed = ProposedChange(kind, subject, type_, change.to)
    severity = policy.severity_of(kind)
    known = {version.reference: version for version in felt}
    views = {version.view for version in felt}
    every = [version for each in versions.of_views(connection, views).values() for version in each]
    by_reader: dict[tuple[str, str, str], list[Reader]] = defaultdict(list)
    beside: dict[str, list[Reader]] = defaultdict(list)
    for reader in readers_of(connection, every):
        if reader.version in known:
            by_reader[reader.kind, reader.name, reader.reach].append(reader)
        elif reader.kind == "model" and reader.endpoint:
            beside[reader.name].append(reader)
    effects = [
        _effect(change, known, readers, severity, policy.action(severity, reach))
        for (_, _, reach), readers in by_reader.items()
    ]
    reached = {name for kind, name, reach in by_reader if kind == "model" and reach == "live"}
    effects += [_untouched(subject, readers, policy) for name, readers in beside.items() if name not in reached]
    read = {reader.version for readers in by_reader.values() for reader in readers}
    newest = versions.current_numbers(connection, views)
    effects += [
        _unread(change, version, severity, reach, policy.action(severity, reach))
        for version in felt
        if version.reference not in read
        for reach in ["pinned" if _is_current(version, newest) else "archived"]
    ]
    return Ruling(proposed, tuple(sorted(effects, key=_order)))


def _order(effect: Effect) -> tuple[int, int, str]:
    return SEVERITIES.index(effect.severity), REACHES.index(effect.reach), effect.reader


def _is_current(version: FeatureVersion, newest: Mapping[str, int]) -> bool:
    return version.retired is None and newest.get(fold(version.view)) == version.number


def _effect(
    change: SourceChange, known: Mapping[str, FeatureVersion], readers: Sequence[Reader], severity: str, action: str
) -> Effect:
    first = readers[0]
    references = sorted({reader.version for reader in readers})
    listed = ", ".join(references)
    refreshed = f"refresh of {listed}"
    retraining = f"retraining on newer rows of {listed}"
    breaks: tuple[str, ...]
    if first.kind != "model":
        breaks, keeps = (refreshed,), _stays(known, references)
    elif first.reach == "live":
        breaks, keeps = (refreshed, retraining), _stays(known, references)
    else:
        breaks, keeps = (retraining,), "the rows it was trained on can still be given again"
    if change.action == "retype" and all(widens(_declared_type(known[name], change), change.to) for name in references):
        breaks, keeps = (), f"{listed} go on as declared, until a value comes that does not fit the declared type"
    routes = [route for reader in readers for route in _routes(change, known[reader.version], reader)]
    endpoints = tuple(dict.fromkeys(reader.endpoint for reader in readers if reader.endpoint))
    return Effect(
        f"{first.kind}/{first.name}", first.owner, endpoints, first.reach, severity, action, breaks, keeps,
        tuple(routes),
    )  # fmt: skip


def _untouched(subject: str, readers: Sequence[Reader], policy: Policy) -> Effect:
    """Return that a live model reads such versions of the same views that do not read the column."""
    first = readers[0]
    listed = ", ".join(sorted({reader.version for reader in readers}))
    endpoints = tuple(dict.fromkeys(reader.endpoint for reader in readers))
    keeps = f"it reads {listed}, which {'does' if ',' not in listed else 'do'} not read {subject}"
    action = policy.action("safe", "live")
    return Effect(f"model/{first.name}", first.owner, endpoints, "live", "safe", action, (), keeps, ())


def _stays(known: Mapping[str, FeatureVersion], references: Iterable[str]) -> str:
    """Return what readers of published rows still get, and how long."""
    ends = [
        f"{name} when they are {known[name].definition.ttl} old"
        for name in references
        if known[name].definition.ttl is not None
    ]
    return "rows published before go on being served" + (f", and expire ({'; '.join(ends)})" if ends else "")


def _unread(change: SourceChange, version: FeatureVersion, severity: str, reach: str, action: str) -> Effect:
    names = tuple(item.name for item in version.definition.features)
    nobody = Reader("", "", "", version.reference, names)
    widened = change.action == "retype" and widens(_declared_type(version, change), change.to)
    breaks = () if widened else (f"materialization of {version.reference}",)
    return Effect(
        f"version/{version.reference}", "", (), reach, severity, action, breaks,
        "its snapshots stay" if breaks else "it goes on as declared, until a value comes that does not fit",
        tuple(route for route in _routes(change, version, nobody) if route.how != "BESIDE"),
    )  # fmt: skip


def _routes(change: SourceChange, version: FeatureVersion, reader: Reader) -> list[Route]:
    """Return one route for each feature read: by the column's values, by what they do to rows, or beside it."""
    start = f"{change.source}.{change.column}"
    routes = []
    for name in reader.features:
        feature = version.definition.feature(name)
        if feature is None:
            continue
        uses = [
            how
            for source, column, how in feature.reads
            if column == change.column and fold(source) == fold(change.source)
        ]
        how = uses[0] if uses else "BESIDE" if feature.exact else "DIRECT"
        reference = f"{version.reference}:{feature.name}"
        routes.append(Route(start, reference, how, feature.exact, reader.name, reader.endpoint, reader.reads))
    depending = [route for route in routes if route.how != "BESIDE"]
    return depending or routes
