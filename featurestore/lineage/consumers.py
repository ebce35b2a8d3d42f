"""Consumers: which models and endpoints read a node, and which feature sets name it.

Columns and features are followed on the definition plane only: a model that was trained on a frame holding a version,
but whose lock reads none of the features asked about, is no consumer. Snapshots, source data and frames are followed
on the instance plane, to the models that were trained on those rows and to the endpoints that are served from them.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import select

from featurestore.catalog import activations, feature_sets, generations, graph, schema, versions
from featurestore.lineage import foreign
from featurestore.lineage.endings import endings
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.reads import (
    Reading,
    batches,
    is_model,
    live_reads,
    lock_columns,
    pointed_endpoints,
)
from featurestore.lineage.served import OnlineRows, online_spans
from featurestore.lineage.uses import Consumers, DefaultUse, EndpointUse, FeatureUse, ModelUse, SetUse
from featurestore.model.foreign import FOREIGN
from featurestore.model.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.catalog.graph import Asset

__all__ = ["Consumers", "DefaultUse", "EndpointUse", "FeatureUse", "ModelUse", "SetUse", "consumers", "features_of"]


def consumers(connection: Connection, node: object, *, live: bool = False) -> Consumers:
    """Return the models and endpoints that read a node.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    node
        As `lineage.nodes.parse_node` reads it: a source, column, view, version, feature, data version, snapshot,
        spine, frame, or a model version (its consumers are the endpoints it is live on). A source is all its columns
        and the versions that read it, a view all its versions, a node of another system all that it leads to.
    live
        List only the models that read the node on a live endpoint now.

    Raises
    ------
    NotFoundError, DefinitionError
        As `parse_node`.
    """
    asset = parse_node(connection, node)
    if asset.kind in {"data", "snapshot", "spine", "frame"}:
        found = _of_rows(connection, asset)
    elif asset.kind == "model":
        found = Consumers(asset, (), tuple(_endpoints(live_reads(connection, models=[asset.key]))))
    elif asset.kind in {"endpoint", "set"}:
        found = Consumers(asset, (), ())
    elif asset.kind in FOREIGN:
        found = _of_foreign(connection, asset)
    else:
        found = _of_features(connection, asset, features_of(connection, asset))
    used = tuple(use for use in _with_past(connection, found.models) if use.endpoints or not live)
    return replace(found, models=used, ended=endings(connection, [asset]).get(asset))


def _with_past(connection: Connection, uses: tuple[ModelUse, ...]) -> Iterable[ModelUse]:
    """Add where the models were live before."""
    wanted = {use.model for use in uses}
    ended: dict[str, dict[str, None]] = defaultdict(dict)
    live: set[tuple[str, str]] = set()
    for part in batches(wanted):
        for model, endpoint, until in _deployments(connection, part):
            if until is None:
                live.add((model, endpoint))
            else:
                ended[model][endpoint] = None
    for use in uses:
        yield replace(use, formerly=tuple(name for name in ended[use.model] if (use.model, name) not in live))


def _deployments(connection: Connection, models: list[str]) -> Iterable[tuple[str, str, datetime | None]]:
    table_, names, places = schema.deployments, schema.model_versions, schema.endpoints
    statement = (
        select(names.c.model, names.c.version, places.c.name, table_.c.until)
        .join(names, names.c.id == table_.c.model_version_id)
        .join(places, places.c.id == table_.c.endpoint_id)
        .where(is_model(models))
        .order_by(table_.c.id)
    )
    return [(f"{row.model}@{row.version}", row.name, row.until) for row in connection.execute(statement)]


# --- the definition plane


def features_of(connection: Connection, asset: Asset) -> dict[str, FeatureUse]:
    """Return the features that a node of the definition plane is or reaches, by their text form.

    A contract reaches those of the source or view that it is about, a foreign node those of all that it leads to.
    """
    if asset.kind == "feature":
        return {asset.key: FeatureUse(asset.key, "DIRECT")}
    if asset.kind in FOREIGN:
        return _features_below(connection, foreign.reached(connection, asset))
    nodes = [row for row, _ in graph.find(connection, asset.key, asset.kind)]
    if asset.kind == "contract":
        subjects = [subject for _, _, _, subject in graph.links(connection, nodes, "up", columns=False)]
        return {key: use for subject in subjects for key, use in features_of(connection, subject).items()}
    if asset.kind == "view":
        nodes = _step(connection, nodes, "has version")
    if asset.kind in {"view", "version"}:
        keys = [found.key for _, _, kind, found in graph.links(connection, nodes, "down", columns=False)
                if kind == "has feature"]  # fmt: skip
        return {key: FeatureUse(key, "DIRECT") for key in keys}
    source = asset.key if asset.kind == "source" else asset.key.partition(".")[0]
    columns = nodes if asset.kind == "column" else _step(connection, nodes, "has column")
    uses: dict[str, FeatureUse] = {}
    for _, _, kind, found in graph.links(connection, columns, "down", columns=True):
        if found.kind == "feature" and (kind == "DIRECT" or found.key not in uses):
            uses[found.key] = FeatureUse(found.key, kind)
    return _with_inexact(connection, source, uses, everything=asset.kind == "source")


def _with_inexact(
    connection: Connection, source: str, uses: dict[str, FeatureUse], *, everything: bool
) -> dict[str, FeatureUse]:
    """Add the features of the source's versions whose computation cannot be read, or (`everything`) all of them."""
    sources = [row for row, _ in graph.find(connection, source, "source")]
    readers = [(row, found) for _, row, kind, found in graph.links(connection, sources, "down", columns=False)
               if kind == "read by" and found.kind == "version"]  # fmt: skip
    found = dict(uses)
    wanted = [_view_and_number(asset.key) for _, asset in readers]
    for version in versions.some(connection, wanted, containing=json.dumps({"exact": False})[1:-1]):
        for feature in version.definition.features:
            key = f"{version.reference}:{feature.name}"
            if not feature.exact:
                found[key] = FeatureUse(key, found[key].how if key in found else "DIRECT", exact=False)
    if everything:
        for _, _, kind, asset in graph.links(connection, [row for row, _ in readers], "down", columns=False):
            if kind == "has feature":
                found.setdefault(asset.key, FeatureUse(asset.key, "INDIRECT"))
    return found


def _view_and_number(reference: str) -> tuple[str, int]:
    parsed = parse_reference(reference)
    return parsed.view, parsed.version or 0


def _step_assets(connection: Connection, nodes: Iterable[int], kind: str) -> list[Asset]:
    return [asset for _, _, edge, asset in graph.links(connection, nodes, "down", columns=False) if edge == kind]


def _step(connection: Connection, nodes: Iterable[int], kind: str) -> list[int]:
    links = graph.links(connection, nodes, "down", columns=False)
    return list(dict.fromkeys(reached for _, reached, edge, _ in links if edge == kind))


def _of_features(connection: Connection, asset: Asset, uses: Mapping[str, FeatureUse]) -> Consumers:
    models = _models_reading(connection, uses)
    readings = _readings(connection, models, uses)
    live: dict[str, dict[str, None]] = defaultdict(dict)
    for reading in readings:
        live[reading.deployment.reference][reading.deployment.endpoint] = None
    owners = _owners(connection, models)
    used = tuple(
        ModelUse(model, owners.get(model, ""), tuple(uses[feature] for feature in features), tuple(live[model]))
        for model, features in models.items()
    )
    return Consumers(
        asset,
        used,
        tuple(_endpoints(readings)),
        tuple(_sets(connection, uses)),
        tuple(_defaults(connection, uses)),
    )


def _defaults(connection: Connection, uses: Mapping[str, FeatureUse]) -> Iterable[DefaultUse]:
    """Return the pointers of the default scope that lead to any of the features."""
    by_view: dict[str, list[str]] = defaultdict(list)
    for feature in sorted(uses):
        by_view[feature.partition("@")[0]].append(feature)
    for view, features in by_view.items():
        pointers = activations.pointers(connection, view)
        found: dict[tuple[str, int, int], list[str]] = defaultdict(list)
        for feature in features:
            name = feature.rpartition(":")[2]
            move = pointers.read(name)
            if move is not None and feature == f"{view}@v{move.version}:{name}":
                pointer = view if move.feature is None else f"{view}:{name}"
                found[pointer, move.version, move.id].append(feature)
        for (pointer, version, activation), read in found.items():
            yield DefaultUse(pointer, f"{view}@v{version}", activation, tuple(read))


def _sets(connection: Connection, uses: Mapping[str, FeatureUse]) -> Iterable[SetUse]:
    """Return the feature sets that name any of the features: one by one, by version, or by a view's pointer."""
    sets = feature_sets.everything(connection)
    if not sets:
        return
    nodes: dict[Asset, None] = {}
    for feature in uses:
        version, _, _ = feature.rpartition(":")
        for kind, key in (("feature", feature), ("version", version), ("view", version.partition("@")[0])):
            nodes[graph.Asset(kind, key)] = None
    rows = graph.rows_of(connection, nodes)
    named: dict[str, dict[str, None]] = defaultdict(dict)
    for near, _, kind, asset in graph.links(connection, rows, "down", columns=False):
        if kind == "named by":
            named[asset.key][rows[near].key] = None
    for item in sets:
        if names := named.get(item.reference):
            yield SetUse(item.reference, tuple(names))


def _models_reading(connection: Connection, uses: Mapping[str, FeatureUse]) -> dict[str, list[str]]:
    """Return the model versions whose locks read any of the features, each with those it reads."""
    nodes = {row: asset.key for keys in batches(uses) for row, asset in _features(connection, keys)}
    found: dict[str, list[str]] = defaultdict(list)
    for near, _, _, model in graph.links(connection, nodes, "down", columns=True):
        if model.kind == "model":
            found[model.key].append(nodes[near])
    return {model: sorted(features) for model, features in sorted(found.items())}


def _features(connection: Connection, keys: list[str]) -> list[tuple[int, Asset]]:
    table_ = schema.assets
    statement = select(table_.c.id, table_.c.kind, table_.c.key).where(
        table_.c.kind == "feature", table_.c.folded.in_([key.casefold() for key in keys])
    )
    return [(row.id, graph.Asset(row.kind, row.key)) for row in connection.execute(statement)]


def _readings(connection: Connection, models: Iterable[str], uses: Mapping[str, FeatureUse]) -> list[Reading]:
    """Return what live endpoints read now of the features, by the lock or by a pointer."""
    views = {feature.partition("@")[0] for feature in uses}
    endpoints = pointed_endpoints(connection, views)
    readings = live_reads(connection, endpoints=endpoints, models=models, views=views)
    return [reading for reading in readings if reading.reference in uses]


def _owners(connection: Connection, models: Iterable[str]) -> dict[str, str]:
    table_ = schema.model_versions
    reference = table_.c.model + "@" + table_.c.version
    found = {}
    for part in batches(models):
        rows = connection.execute(select(reference, table_.c.owner).where(is_model(part)))
        found.update({row[0]: row[1] for row in rows})
    return found


def _endpoints(readings: Iterable[Reading]) -> list[EndpointUse]:
    """Return one use for each endpoint, model, version and way of reading."""
    grouped: dict[tuple[str, str, str, str, int | None], dict[str, None]] = defaultdict(dict)
    for reading in readings:
        activation = None if reading.activation is None else reading.activation.id
        reads = "lock" if activation is None else "pointer"
        where = (reading.deployment.endpoint, reading.deployment.reference)
        grouped[*where, reads, reading.version_reference, activation][reading.reference] = None
    return [EndpointUse(*key, tuple(sorted(features))) for key, features in sorted(grouped.items(), key=_order)]


def _order(item: tuple[tuple[str, str, str, str, int | None], object]) -> tuple[str, str, str, str, int]:
    endpoint, model, reads, version, activation = item[0]
    return endpoint, model, version, reads, activation or 0


# --- other systems


def _of_foreign(connection: Connection, asset: Asset) -> Consumers:
    """Return the readers of everything that a foreign node leads to."""
    reached = foreign.reached(connection, asset)
    parts = [_of_features(connection, asset, _features_below(connection, reached))]
    parts += [_of_rows(connection, node) for node in reached if node.kind in {"data", "snapshot", "frame"}]
    models = [node.key for node in reached if node.kind == "model"]
    if models:
        live = _endpoints(live_reads(connection, models=models))
        places = {name: tuple(use.endpoint for use in live if use.model == name) for name in models}
        owners = _owners(connection, models)
        linked = tuple(ModelUse(name, owners.get(name, ""), (), tuple(dict.fromkeys(places[name]))) for name in models)
        parts.append(Consumers(asset, linked, tuple(live)))
    named = {use.model: use for part in reversed(parts) for use in part.models}
    served = {(use.endpoint, use.model, use.version): use for part in reversed(parts) for use in part.endpoints}
    return Consumers(asset, tuple(named[name] for name in sorted(named)), tuple(served.values()), parts[0].sets)


def _features_below(connection: Connection, reached: Mapping[Asset, bool]) -> dict[str, FeatureUse]:
    """Return the features that depend on nodes, each with whether it is exact that the node is reached."""
    uses: dict[str, FeatureUse] = {}
    for node, exact in reached.items():
        if node.kind in {"source", "column", "view", "version", "feature"}:
            for key, use in features_of(connection, node).items():
                said = replace(use, exact=use.exact and exact)
                if key not in uses or (said.how, not said.exact) < (uses[key].how, not uses[key].exact):
                    uses[key] = said
    return uses


# --- the instance plane


def _of_rows(connection: Connection, asset: Asset) -> Consumers:
    """Return the models trained on the rows and the endpoints that are served from them."""
    nodes = [row for row, _ in graph.find(connection, asset.key, asset.kind)]
    snapshots = _step(connection, nodes, "read by") if asset.kind == "data" else nodes
    if asset.kind in {"frame", "spine"}:
        frames = nodes if asset.kind == "frame" else _step(connection, nodes, "spine of")
    else:
        frames = _step(connection, snapshots, "joined into")
    trained = [model.key for model in _step_assets(connection, frames, "trained")]
    versions: set[str] | None = None
    served: list[EndpointUse] = []
    online: list[OnlineRows] = []
    if asset.kind in {"data", "snapshot"}:
        rows = {node.key for node in _assets(connection, snapshots)}
        links = graph.links(connection, snapshots, "up", columns=False)
        versions = {node.key for _, _, kind, node in links if kind == "materialized as"}
        served = _served(connection, versions, rows)
        for version in sorted(versions):
            online += online_spans(connection, *_view_and_number(version), rows)
    locks = _locks(connection, trained)
    reads = {
        model: tuple(FeatureUse(key, "DIRECT") for key in keys if versions is None or key.partition(":")[0] in versions)
        for model, (_, keys) in sorted(locks.items())
    }
    endpoints = _trained(connection, [model for model, uses in reads.items() if uses], reads, served)
    live: dict[str, dict[str, None]] = defaultdict(dict)
    for use in endpoints:
        live[use.model][use.endpoint] = None
    models = tuple(ModelUse(model, locks[model][0], uses, tuple(live[model])) for model, uses in reads.items() if uses)
    pinned = () if asset.kind == "frame" else tuple(node.key for node in _assets(connection, frames))
    return Consumers(asset, models, tuple(endpoints), frames=pinned, online=tuple(online))


def _assets(connection: Connection, nodes: Iterable[int]) -> list[Asset]:
    table_ = schema.assets
    return [
        graph.Asset(row.kind, row.key)
        for part in batches(nodes)
        for row in connection.execute(select(table_.c.kind, table_.c.key).where(table_.c.id.in_(part)))
    ]


def _served(connection: Connection, versions: Iterable[str], snapshots: set[str]) -> list[EndpointUse]:
    """Return the live endpoints that read a version whose published rows are one of the snapshots."""
    uses: dict[str, FeatureUse] = {}
    for reference in versions:
        generation = generations.current(connection, *_view_and_number(reference))
        if generation is not None and generation.snapshot in snapshots:
            uses |= features_of(connection, graph.Asset("version", reference))
    return _endpoints(_readings(connection, _models_reading(connection, uses), uses)) if uses else []


def _locks(connection: Connection, models: Iterable[str]) -> dict[str, tuple[str, list[str]]]:
    """Return each model version's owner and the features that its lock reads."""
    table_ = schema.model_versions
    reference = (table_.c.model + "@" + table_.c.version).label("reference")
    return {
        row.reference: (
            row.owner,
            list(dict.fromkeys(f"{item.view}@v{item.version}:{item.feature}" for _, item in lock_columns(row.lock))),
        )
        for part in batches(dict.fromkeys(models))
        for row in connection.execute(select(reference, table_.c.owner, table_.c.lock).where(is_model(part)))
    }


def _trained(
    connection: Connection,
    models: list[str],
    reads: Mapping[str, tuple[FeatureUse, ...]],
    served: list[EndpointUse],
) -> list[EndpointUse]:
    """Return `served`, and the endpoints of models that were trained on the rows but are served from others."""
    known = {(use.endpoint, use.model) for use in served}
    found = {
        (reading.deployment.endpoint, reading.deployment.reference): None
        for reading in (live_reads(connection, models=models) if models else [])
    }
    training = [
        EndpointUse(endpoint, model, "training", "", None, tuple(use.feature for use in reads[model]))
        for endpoint, model in found
        if (endpoint, model) not in known
    ]
    return sorted([*served, *training], key=lambda use: (use.endpoint, use.model, use.version))
