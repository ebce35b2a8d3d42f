"""Who reads feature versions, asked for many at once: models, live or not, default pointers, feature sets."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from featurestore.catalog import feature_sets, graph, schema
from featurestore.lineage.reads import batches, is_model, live_reads, pointed_endpoints
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from featurestore.lineage.reads import Reading
    from featurestore.model.version import FeatureVersion

__all__ = ["Reader", "readers_of"]


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader of one version.

    Attributes
    ----------
    kind, name, owner
        `model` `delay@1`, `pointer` `view` or `view:feature`, or `set` `fraud@v2`.
    version
        `view@vN`.
    features
        Names of the features that it reads of this version.
    endpoint, reads
        Where it is live and reads them, and whether by its `lock` or by a moved `pointer`; empty where it is not live.
    """

    kind: str
    name: str
    owner: str
    version: str
    features: tuple[str, ...]
    endpoint: str = ""
    reads: str = ""

    @property
    def reach(self) -> str:
        """`live` or `pinned`."""
        return "live" if self.endpoint or self.kind == "pointer" else "pinned"


def readers_of(connection: Connection, versions: Collection[FeatureVersion]) -> list[Reader]:
    """Return who reads any of the versions now: on endpoints, by locks, by default pointers, by feature sets.

    A model is listed once for each endpoint and version that it reads there; once without an endpoint for each version
    of its lock that no endpoint of its reads.
    """
    known = {version.reference: version for version in versions}
    locked = _locked(connection, known.values())
    models = {model for model, _ in locked}
    endpoints = pointed_endpoints(connection, {version.view for version in known.values()})
    live = _live(live_reads(connection, endpoints=endpoints, models=models) if models or endpoints else [], known)
    served = {(reader.name, reader.version) for reader in live}
    owners = _owners(connection, models)
    pinned = [
        Reader("model", model, owners.get(model, ""), version, tuple(features))
        for (model, version), features in sorted(locked.items())
        if (model, version) not in served
    ]
    return [*live, *_pointers(connection, known), *pinned, *_sets(connection, known)]


def _locked(connection: Connection, versions: Iterable[FeatureVersion]) -> dict[tuple[str, str], list[str]]:
    """Return `(model, view@vN)` to the features that the model's lock reads of it."""
    table = schema.assets
    keys = [f"{version.reference}:{item.name}" for version in versions for item in version.definition.features]
    nodes: dict[int, str] = {}
    for part in batches(keys):
        wanted = select(table.c.id, table.c.key).where(
            table.c.kind == "feature", table.c.folded.in_([fold(key) for key in part])
        )
        nodes |= {row.id: row.key for row in connection.execute(wanted)}
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for near, _, _, asset in graph.links(connection, nodes, "down", columns=True):
        if asset.kind == "model":
            version, _, feature = nodes[near].rpartition(":")
            found[asset.key, version].append(feature)
    return found


def _live(readings: Iterable[Reading], known: Collection[str]) -> list[Reader]:
    grouped: dict[tuple[str, str, str, str, str], dict[str, None]] = defaultdict(dict)
    spelled = {fold(reference): reference for reference in known}
    for reading in readings:
        version = spelled.get(fold(reading.version_reference))
        if version is not None:
            by = "lock" if reading.activation is None else "pointer"
            deployed = reading.deployment
            grouped[deployed.reference, reading.owner, version, deployed.endpoint, by][reading.feature] = None
    return [
        Reader("model", model, owner, version, tuple(features), endpoint, by)
        for (model, owner, version, endpoint, by), features in sorted(grouped.items())
    ]


def _owners(connection: Connection, models: Iterable[str]) -> dict[str, str]:
    table = schema.model_versions
    reference = (table.c.model + "@" + table.c.version).label("reference")
    return {
        row.reference: row.owner
        for part in batches(models)
        for row in connection.execute(select(reference, table.c.owner).where(is_model(part)))
    }


def _pointers(connection: Connection, known: dict[str, FeatureVersion]) -> list[Reader]:
    """Return the default pointers that name any of the versions: views' own, and features' where they are newer."""
    table, views, numbers = schema.activations, schema.views, schema.feature_versions
    moves: dict[str, dict[str | None, tuple[int, str]]] = defaultdict(dict)
    for part in batches({fold(version.view) for version in known.values()}):
        newest = (
            select(func.max(table.c.id))
            .join(views, views.c.id == table.c.view_id)
            .where(table.c.endpoint_id.is_(None), views.c.folded.in_(part))
            .group_by(table.c.view_id, table.c.feature)
        )
        rows = (
            select(table.c.id, table.c.feature, views.c.name, numbers.c.number)
            .join(views, views.c.id == table.c.view_id)
            .join(numbers, numbers.c.id == table.c.version_id)
            .where(table.c.id.in_(newest))
        )
        for row in connection.execute(rows):
            moves[row.name][row.feature] = (row.id, f"{row.name}@v{row.number}")
    readers = []
    for view, pointers in sorted(moves.items()):
        whole = pointers.pop(None, (0, ""))
        own = {str(feature): move for feature, move in pointers.items() if move[0] > whole[0]}
        if whole[1] in known:
            features = [item.name for item in known[whole[1]].definition.features if item.name not in own]
            readers.append(Reader("pointer", view, "", whole[1], tuple(features)))
        readers += [
            Reader("pointer", f"{view}:{feature}", "", version, (feature,))
            for feature, (_, version) in sorted(own.items())
            if version in known
        ]
    return readers


def _sets(connection: Connection, known: dict[str, FeatureVersion]) -> list[Reader]:
    """Return the feature sets, as applied last, that name any of the versions."""
    by_number = {(fold(version.view), version.number): version for version in known.values()}
    found: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for item in feature_sets.everything(connection):
        for reference in item.features:
            version = by_number.get((fold(reference.view), reference.version or 0))
            if version is None and reference.fingerprint is not None:
                digits = reference.fingerprint
                version = next((each for each in known.values() if each.fingerprint.startswith(digits)), None)
            if version is not None:
                names = [feature.name for feature in version.definition.features]
                chosen = names if reference.feature is None else [reference.feature]
                found[item.reference, version.reference] |= dict.fromkeys(chosen)
    return [Reader("set", name, "", version, tuple(features)) for (name, version), features in sorted(found.items())]
