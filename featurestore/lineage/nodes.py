"""Nodes: what a person or a program names, read as one node of the graph.

view, view@v2, view@1f3a9c42         a feature view; a version by its number or by digits of its fingerprint
view@v2:feature, view:feature        a feature; without a version, of the one that the default pointer names, or,
                                     where nothing is active, of the one applied last
source, source.column                a source, one of its columns
source@files:9f2c0a31                a source's data version, by its whole text or by its beginning
fraud@v1, fraud                      a feature set's version; without it, the one applied last
delay@1, eta-prod                    a model version, an endpoint
8 or more hex digits                 a snapshot, a training frame or an archived spine
KIND/...                             any of these where the bare name fits several kinds, e.g. source/weather
job/... run/... table/... field/...  what other systems hold, once it was linked or imported: `model/foreign.py`
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import activations, feature_sets, foreign, graph, models, schema, sources, versions
from featurestore.catalog.frames import FrameRecord
from featurestore.catalog.graph import Asset
from featurestore.catalog.models import ModelVersion
from featurestore.errors import DefinitionError, NotFoundError, nearest
from featurestore.model.feature_set import FeatureSetVersion
from featurestore.model.foreign import FOREIGN
from featurestore.model.history import Generation
from featurestore.model.names import fold
from featurestore.model.reference import ModelReference, Reference, parse_reference
from featurestore.model.snapshot import Snapshot
from featurestore.model.source import Source
from featurestore.model.version import FeatureVersion
from featurestore.model.view import FeatureView

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.model.definition import FeatureDefinition

__all__ = ["parse_node"]

_PREFIXED = re.compile(rf"({'|'.join(graph.KINDS)})/(.+)")
_DIGITS = re.compile(r"[0-9a-f]{8,64}")
_DATA = re.compile(r"[^@]+@[^:]+:.{8,}")
_DIGESTS = ("snapshot", "frame", "spine")
_FEW = 20


def parse_node(connection: Connection, node: object) -> Asset:
    """Return the node that a text or an object names.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    node
        A text as in this module's description; or what a verb returned: a feature version, model version, snapshot,
        training frame, view, source, or any object with a textual `reference` or `id`.

    Raises
    ------
    DefinitionError
        If a bare name fits several nodes (the message lists the prefixed forms), or the object names none.
    NotFoundError
        If there is no such node; the message names the nearest one.
    """
    kind, text = _read(node)
    found = _candidates(connection, kind, text)
    if not found:
        raise _unknown(connection, kind, text)
    if len(found) > 1:
        forms = [f"{asset.kind}/{asset.key}" for asset in found]
        listed = ", ".join(forms[:_FEW]) + (", ..." if len(forms) > _FEW else "")
        raise DefinitionError(f"{text!r} fits several nodes: write one of {listed}.")
    return found[0]


def _read(node: object) -> tuple[str | None, str]:
    """Return the kind, where it is known, and the text."""
    if isinstance(node, str):
        match = _PREFIXED.fullmatch(node.strip())
        return (match[1], match[2]) if match else (None, node.strip())
    typed: tuple[tuple[type, str, str], ...] = (
        (FeatureVersion, "version", "reference"),
        (FeatureSetVersion, "set", "reference"),
        (ModelVersion, "model", "reference"),
        (Snapshot, "snapshot", "id"),
        (FrameRecord, "frame", "id"),
        (Generation, "snapshot", "snapshot"),
        (FeatureView, "view", "name"),
        (Source, "source", "name"),
    )
    for type_, kind, attribute in typed:
        if isinstance(node, type_):
            return kind, str(getattr(node, attribute))
    if isinstance(node, Asset):
        return node.kind, node.key
    if isinstance(node, ModelReference):
        return "model", str(node)
    if isinstance(node, Reference):
        return ("feature" if node.feature else "version" if node.pinned else "view"), str(node)
    for attribute in ("reference", "id"):
        text = getattr(node, attribute, None)
        if isinstance(text, str):
            return None, text
    raise DefinitionError(
        f"{node!r} names no node: give a text such as 'view@v2:feature', 'source.column' or 'delay@1'."
    )


def _candidates(connection: Connection, kind: str | None, text: str) -> list[Asset]:
    found = [asset for _, asset in graph.find(connection, text, kind)]
    exact = any(asset.kind in {"version", "feature"} for asset in found)
    if kind in {None, "view", "version", "feature"} and ("@" in text or ":" in text or kind) and not exact:
        found += _by_reference(connection, kind, text)
    if kind in {None, *_DIGESTS} and _DIGITS.fullmatch(text):
        found += _by_beginning(connection, _DIGESTS if kind is None else (kind,), text)
    if kind in {None, "data"} and _DATA.fullmatch(text):
        found += _by_beginning(connection, ("data",), text)
    if not found and kind in {None, "set"}:
        found += _by_set(connection, text)
    if not found and kind in {None, "source", "column"}:
        found += _by_source(connection, kind, text)
    return list(dict.fromkeys(found))


def _by_reference(connection: Connection, kind: str | None, text: str) -> list[Asset]:
    try:
        reference = parse_reference(text)
        version = versions.resolve(connection, reference)
    except (DefinitionError, NotFoundError):
        return []
    if version is None and reference.feature is None:
        return [Asset("view", versions.current(connection, reference.view).view)] if kind == "view" else []
    version = version or _pointed_at(connection, reference)
    if reference.feature is None:
        return [Asset("version", version.reference)] if kind in {None, "version"} else []
    feature = _feature(version, reference.feature)
    if feature is None or kind not in {None, "feature"}:
        return []
    return [Asset("feature", f"{version.reference}:{feature.name}")]


def _by_set(connection: Connection, text: str) -> list[Asset]:
    """Return the current version of the feature set of that name."""
    return [
        Asset("set", item.reference) for item in feature_sets.everything(connection) if fold(item.name) == fold(text)
    ]


def _pointed_at(connection: Connection, reference: Reference) -> FeatureVersion:
    pointer = activations.pointer(connection, reference.view, reference.feature)
    if pointer is None:
        return versions.current(connection, reference.view)
    return versions.find(connection, reference.view, pointer.version)


def _feature(version: FeatureVersion, name: str) -> FeatureDefinition | None:
    return next((item for item in version.definition.features if fold(item.name) == fold(name)), None)


def _by_beginning(connection: Connection, kinds: tuple[str, ...], text: str) -> list[Asset]:
    table = schema.assets
    start = fold(text)
    statement = select(table.c.kind, table.c.key).where(
        table.c.kind.in_(kinds), table.c.folded >= start, table.c.folded < start + "\U0010ffff"
    )
    return [Asset(row.kind, row.key) for row in connection.execute(statement.limit(_FEW + 1))]


def _by_source(connection: Connection, kind: str | None, text: str) -> list[Asset]:
    """Return a source, or a column of one, that is known but that no version reads."""
    source, dot, column = text.partition(".")
    row = sources.find(connection, source)
    if row is None:
        return []
    if not dot:
        return [Asset("source", row["name"])] if kind in {None, "source"} else []
    names = {fold(name): name for name in row["columns"]}
    if fold(column) not in names or kind == "source":
        return []
    return [Asset("column", f"{row['name']}.{names[fold(column)]}")]


def _unknown(connection: Connection, kind: str | None, text: str) -> NotFoundError:
    """Return the error that says what is missing, as near to what was meant as can be told."""
    if kind in FOREIGN:
        known = foreign.keys(connection, [kind])
        return NotFoundError(f"nobody has linked or imported {kind}/{text} yet.{nearest(f'{kind}/{text}', known)}")
    if kind in {None, "version", "feature"}:
        try:
            reference = parse_reference(text)
            versions.view_id(connection, reference.view)
        except (DefinitionError, NotFoundError):
            pass
        else:
            return _unknown_version(connection, reference, text)
    source, dot, _ = text.partition(".")
    row = sources.find(connection, source) if dot and kind in {None, "column"} else None
    if row is not None:
        return NotFoundError(f"source {row['name']!r} has no such column: {text!r}.{nearest(text, _columns(row))}")
    listings = {
        "view": versions.view_names,
        "version": _version_names,
        "set": feature_sets.names,
        "source": sources.names,
        "model": lambda connection: [model.reference for model in models.everything(connection)],
        "endpoint": models.endpoint_names,
    }
    names = [name for each, list_ in listings.items() if kind in {None, each} for name in list_(connection)]
    return NotFoundError(f"there is no {kind or 'node'} {text!r}.{nearest(text, names)}")


def _columns(row: dict[str, dict[str, str]]) -> list[str]:
    return [f"{row['name']}.{column}" for column in row["columns"]]


def _version_names(connection: Connection) -> list[str]:
    table = schema.assets
    return list(connection.execute(select(table.c.key).where(table.c.kind == "version")).scalars())


def _unknown_version(connection: Connection, reference: Reference, text: str) -> NotFoundError:
    try:
        version = versions.resolve(connection, reference)
    except NotFoundError as error:
        return error
    version = version or _pointed_at(connection, reference)
    names = [feature.name for feature in version.definition.features]
    if reference.feature is None:
        named = (
            f"no feature: write {version.reference}:{names[0]}" if reference.pinned else f"no version: write {version}"
        )
        return NotFoundError(f"{text!r} names {named}.")
    elsewhere = [
        other.reference
        for other in versions.of_view(connection, reference.view)
        if other.number != version.number and _feature(other, reference.feature)
    ]
    if elsewhere:
        return NotFoundError(
            f"{version.reference} has no feature {reference.feature!r}; {', '.join(elsewhere)} has: "
            f"write {elsewhere[-1]}:{reference.feature}."
        )
    return NotFoundError(
        f"{version.reference} has no feature {reference.feature!r}.{nearest(reference.feature, names)}"
    )
