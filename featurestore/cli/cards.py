"""What `featurestore show` says of each kind of thing: its JSON, and its text for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from featurestore.cli.contracts import write_contract, write_quarantine
from featurestore.cli.tables import cell, table, write
from featurestore.model.foreign import FOREIGN
from featurestore.model.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from featurestore.catalog.models import ModelVersion
    from featurestore.model.definition import FeatureDefinition
    from featurestore.model.history import Deployment
    from featurestore.model.version import FeatureVersion
    from featurestore.store import FeatureStore

__all__ = ["CARDS", "LISTS", "Card", "with_rows"]

Card = tuple[object, Callable[["Console"], None] | None]
"""The answer, and what writes it for people (None: as any answer is written)."""


def _fields(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    return {item.name: getattr(value, item.name) for item in fields(value)}


def _heading(console: Console, text: str) -> None:
    console.print(f"\n[bold]{escape(text)}[/]")


# ------------------------------------------------------------------------------------------------------------ lists


def _views(store: FeatureStore) -> Card:
    rows = []
    for name in store.views():
        versions, current = store.versions(name), store.version(name)
        rows.append(
            {
                "view": name,
                "versions": len(versions),
                "current": current.reference,
                "keys": [key for key, _ in current.definition.keys],
                "features": [feature.name for feature in current.definition.features],
            }
        )
    titles = ("view", "versions", "current", "keys", "features")
    return rows, lambda console: console.print(table(titles, [list(row.values()) for row in rows]))


def _sets(store: FeatureStore) -> Card:
    return store.feature_sets(), None


def _models(store: FeatureStore) -> Card:
    live = _endpoints_by_model(store)
    rows = [{**_model_fields(model), "endpoints": live.get(model.reference, [])} for model in store.models()]
    titles = ("model", "features", "frame", "owner", "metrics", "registered", "live on")
    shown = [
        (f"{row['model']}@{row['version']}", len(row["lock"].columns), row["frame"][:12], row["owner"], row["metrics"],
         row["created_at"], row["endpoints"])
        for row in rows
    ]  # fmt: skip
    return rows, lambda console: console.print(table(titles, shown))


def _endpoints(store: FeatureStore) -> Card:
    endpoints = store.endpoints()
    live = [deployment for deployments in endpoints.values() for deployment in deployments]
    idle = [name for name, deployments in endpoints.items() if not deployments]

    def people(console: Console) -> None:
        write(console, live)
        if idle:
            console.print(f"[dim]nothing live on {escape(', '.join(idle))}[/]")

    return endpoints, people


def _frames(store: FeatureStore) -> Card:
    rows = store.frames()
    titles = ("frame", "rows", "versions", "by", "made")
    shown = [(row.id, row.rows, [pin.reference for pin in row.pins.pins], row.actor, row.created_at) for row in rows]
    return rows, lambda console: console.print(table(titles, shown))


LISTS: Mapping[str, Callable[[FeatureStore], Card]] = {
    "views": _views,
    "sets": _sets,
    "models": _models,
    "endpoints": _endpoints,
    "frames": _frames,
}
"""What can be listed, by the word for it."""


# -------------------------------------------------------------------------------------- views, versions, features


def _view(store: FeatureStore, name: str) -> Card:
    versions, current, moves = store.versions(name), store.version(name), store.activations(name)

    def people(console: Console) -> None:
        write(console, {"view": name, "current": current.reference, **_about(current)})
        _heading(console, "versions")
        write(console, versions)
        _heading(console, f"features of {current.reference}")
        console.print(_features(current.definition.features))
        if moves:
            _heading(console, "activations")
            write(console, moves)

    return {"view": name, "current": current.reference, "versions": versions, "activations": moves}, people


def _version(store: FeatureStore, reference: str) -> Card:
    version, snapshots = store.version(reference), store.snapshots(reference)
    computation = version.definition.computation

    def people(console: Console) -> None:
        made = {"author": version.author, "applied": version.created_at, "commit": version.code.commit}
        identity = {"version": version.reference, "fingerprint": version.fingerprint}
        gone = {"retired": version.retired, "use instead": version.replacement}
        write(console, {**identity, **_about(version), **made, **gone})
        _heading(console, "features")
        console.print(_features(version.definition.features))
        if computation.text:
            _heading(console, computation.kind)
            _code(console, dedent(computation.text).strip("\n"), "sql" if computation.kind == "sql" else "python")
        _heading(console, "snapshots")
        write(console, snapshots)

    names = {"reference": version.reference, "fingerprint": version.fingerprint}
    return {**_fields(version), **names, "snapshots": snapshots}, people


def _feature(store: FeatureStore, reference: str) -> Card:
    parsed = parse_reference(reference)
    version = store.version(f"{parsed.view}@v{parsed.version}")
    feature = next(item for item in version.definition.features if item.name == parsed.feature)
    fingerprint = version.definition.feature_fingerprint(feature)
    answer = {"feature": reference, **feature.to_json(), "fingerprint": fingerprint}
    people = {
        "feature": reference,
        "type": str(feature.type),
        "default": feature.default,
        "description": feature.description or None,
        "reads": _reads(feature),
        "fingerprint": fingerprint,
    }
    return answer, lambda console: write(console, people)


def _about(version: FeatureVersion) -> dict[str, object]:
    definition = version.definition
    return {
        "entity": f"{definition.entity} ({', '.join(f'{key}: {type_}' for key, type_ in definition.keys)})",
        "sources": [f"{source.name} ({source.kind})" for source in definition.sources],
        "event time": definition.event_time,
        "created time": definition.created_time,
        "ttl": definition.ttl,
        "lookback": definition.lookback,
    }


def _features(features: Sequence[FeatureDefinition]) -> Any:  # noqa: ANN401 - rich's
    rows = [
        (feature.name, str(feature.type), feature.default, _reads(feature), feature.description) for feature in features
    ]
    return table(("feature", "type", "default", "reads", "description"), rows)


def _reads(feature: FeatureDefinition) -> str:
    if not feature.exact:
        why = "its computation cannot be read" if feature.basis == "derived" else feature.basis
        return f"every column ({why})"
    columns = cell([f"{source}.{column}" for source, column, kind in feature.reads if kind == "DIRECT"])
    return f"{columns} (declared)" if feature.basis == "declared" else columns


def _code(console: Console, text: str, language: str) -> None:
    from rich.syntax import Syntax

    if console.is_terminal:
        console.print(Syntax(text, language, theme="ansi_dark", background_color="default"))
    else:
        console.print(text, markup=False, soft_wrap=True)


def _set(store: FeatureStore, reference: str) -> Card:
    found = store.feature_set(reference)
    versions = store.feature_sets(found.name)

    def people(console: Console) -> None:
        made = {"author": found.author, "applied": found.created_at, "commit": found.code.commit}
        write(console, {"feature set": found.reference, "fingerprint": found.fingerprint, **made})
        _heading(console, "features")
        write(console, list(found.features))
        _heading(console, "versions")
        write(console, versions)

    return {**_fields(found), "reference": found.reference, "versions": versions}, people


# ------------------------------------------------------------------------------------------------- data and frames


def _source(store: FeatureStore, name: str) -> Card:
    readers = [
        (version, source)
        for view in store.views()
        for version in store.versions(view)
        for source in version.definition.sources
        if source.name.casefold() == name.casefold()
    ]
    newest = readers[-1][1]
    answer = {**newest.to_json(), "read_by": [version.reference for version, _ in readers]}
    people = {**answer, "columns": [f"{column}: {type_}" for column, type_ in newest.columns]}
    return answer, lambda console: write(console, people)


def _snapshot(store: FeatureStore, snapshot: str) -> Card:
    found = store.snapshot(snapshot)

    def people(console: Console) -> None:
        write(console, found)
        if found.quarantine is not None:
            _heading(console, f"quarantine: {found.quarantine.state}")
            write_quarantine(console, found.quarantine)
        _heading(console, "runs")
        write(console, found.runs)

    return found, people


def with_rows(
    store: FeatureStore, snapshot: str, rows: int, answer: object, people: Callable[[Console], None] | None
) -> Card:
    """Return a snapshot's card with its first rows."""
    found = store.read_snapshot(snapshot, limit=rows)

    def more(console: Console) -> None:
        if people is not None:
            people(console)
        _heading(console, "rows")
        console.print(table(found.column_names, [list(row.values()) for row in found.to_pylist()]))

    return {"snapshot": answer, "rows": found.to_pylist()}, more


def _frame(store: FeatureStore, frame: str) -> Card:
    record = next(item for item in store.frames() if item.id == frame)

    def people(console: Console) -> None:
        made = {"by": record.actor, "made": record.created_at, "commit": record.code.commit}
        write(console, {"frame": record.id, "rows": record.rows, **made})
        _heading(console, "pins")
        console.print(record.pins.dumps().rstrip(), markup=False, soft_wrap=True)

    return record, people


def _contract(store: FeatureStore, reference: str) -> Card:
    found = store.contract(reference)
    versions = store.contract_versions(found.subject)
    answer = {"contract": found.reference, "subject": found.subject, "rules": found.contract.to_json()}
    return answer, lambda console: write_contract(console, found, versions)


def _neighbours(kind: str) -> Callable[[FeatureStore, str], Card]:
    """Return the card of a node of the graph that is nothing but its edges."""
    return lambda store, key: (store.lineage(f"{kind}/{key}", "down", depth=1), None)


def _foreign(kind: str) -> Callable[[FeatureStore, str], Card]:
    """Return the card of what another system holds: what it last said of it, and where it leads."""

    def card(store: FeatureStore, key: str) -> Card:
        node = f"{kind}/{key}"
        facts, below = store.facts(node), store.lineage(node, "down", depth=1)

        def people(console: Console) -> None:
            write(console, {"node": node, **facts})
            _heading(console, "leads to")
            write(console, below)

        return {"node": node, **facts, "leads_to": [edge.downstream for edge in below.edges]}, people

    return card


# --------------------------------------------------------------------------------------------- models and endpoints


def _endpoints_by_model(store: FeatureStore) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, deployments in store.endpoints().items():
        for deployment in deployments:
            found.setdefault(deployment.reference, []).append(name)
    return found


def _model_fields(model: ModelVersion) -> dict[str, Any]:
    return {**_fields(model), "reference": model.reference}


def _model(store: FeatureStore, reference: str) -> Card:
    model = next(item for item in store.models() if item.reference.casefold() == reference.casefold())
    live = _endpoints_by_model(store).get(model.reference, [])
    lock = model.lock

    def people(console: Console) -> None:
        write(console, model)
        console.print(f"[dim]live on[/] {escape(cell(live) or 'no endpoint')}")
        _heading(console, f"reads, by the lock {lock.digest[:12]}")
        columns = dict(lock.columns)
        rows = [(name, str(columns.get(name, "brought by the caller"))) for name in lock.inputs or columns]
        console.print(table(("input", "feature"), rows))

    return {**_model_fields(model), "endpoints": live}, people


def _endpoint(store: FeatureStore, name: str) -> Card:
    deployments: Sequence[Deployment] = store.endpoints()[name]
    reads = {
        deployment.reference: [
            {"column": column, "reference": reference, "type": type_}
            for column, reference, type_ in store.describe(model=deployment.reference, endpoint=name).columns
        ]
        for deployment in deployments
    }

    def people(console: Console) -> None:
        write(console, list(deployments))
        for model, columns in reads.items():
            _heading(console, f"{model} reads")
            console.print(table(("column", "feature", "type"), [list(column.values()) for column in columns]))

    return {"endpoint": name, "deployments": deployments, "reads": reads}, people


CARDS: Mapping[str, Callable[[FeatureStore, str], Card]] = {
    **{kind: _foreign(kind) for kind in FOREIGN},
    "source": _source,
    "column": _neighbours("column"),
    "contract": _contract,
    "data": _neighbours("data"),
    "spine": _neighbours("spine"),
    "view": _view,
    "version": _version,
    "feature": _feature,
    "set": _set,
    "snapshot": _snapshot,
    "frame": _frame,
    "model": _model,
    "endpoint": _endpoint,
}
"""What is shown of a node, by its kind in the graph."""
