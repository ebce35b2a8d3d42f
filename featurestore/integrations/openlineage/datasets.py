"""Datasets: what an event says of the tables, frames, models and endpoints that a run reads or writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from featurestore.catalog import sources, versions
from featurestore.integrations.openlineage import facets
from featurestore.integrations.openlineage.names import DatasetName, dataset_of, training

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

    from featurestore.catalog.frames import FrameRecord
    from featurestore.catalog.models import ModelVersion
    from featurestore.model.definition import FeatureDefinition, SourceDefinition
    from featurestore.model.settings import OpenLineageSettings
    from featurestore.model.version import FeatureVersion

__all__ = ["Datasets"]

JSON = dict[str, Any]


class Datasets:
    """Describes the datasets of one store."""

    def __init__(self, root: Path, settings: OpenLineageSettings) -> None:
        self._root = root
        self._named = settings.datasets
        self.namespace = settings.namespace

    def sources(self, connection: Connection, version: FeatureVersion, read: Mapping[str, str]) -> Iterator[JSON]:
        """Yield the sources of a version, with the data version that was `read` of each."""
        for source in version.definition.sources:
            known = sources.find(connection, source.name) or {}
            said = {
                **facets.schema([(name, type_, "") for name, type_ in source.columns]),
                **facets.documentation(known.get("description", ""), of="dataset"),
                **facets.ownership(known.get("owner", ""), of="dataset"),
                **(facets.version(read[source.name]) if source.name in read else {}),
            }
            yield _dataset(self._source(source), said)

    def table(
        self, connection: Connection, version: FeatureVersion, snapshot: str | None = None, *, written: bool = False
    ) -> JSON:
        """Return the table of a version, in the state of a snapshot; of one `written`, what its columns come from."""
        about = versions.metadata(connection, version.view)
        definition = version.definition
        names = {source.name: self._source(source) for source in definition.sources}
        reads = {feature.name: _inputs(feature, definition.sources, names) for feature in definition.features}
        said = {
            **facets.schema(_fields(version)),
            **(facets.columns({name: inputs for name, inputs in reads.items() if inputs}) if written else {}),
            **facets.documentation(about.description, of="dataset"),
            **facets.ownership(about.owner, of="dataset"),
            **facets.dataset_type("TABLE"),
            **({} if snapshot is None else facets.version(snapshot)),
        }
        return _dataset(self._name(version.reference), said)

    def online(self, connection: Connection, version: FeatureVersion, snapshot: str | None) -> JSON:
        """Return the online rows of a version, each column from its own in the table."""
        about = versions.metadata(connection, version.view)
        table = self._name(version.reference)
        same = {feature.name: [(table, feature.name, "DIRECT", True)] for feature in version.definition.features}
        said = {
            **facets.schema(_fields(version)),
            **facets.columns(same),
            **facets.ownership(about.owner, of="dataset"),
            **({} if snapshot is None else facets.version(snapshot)),
        }
        return _dataset(self._name(f"online/{version.reference}"), said)

    def frame(self, connection: Connection, record: FrameRecord, *, written: bool = False) -> JSON:
        """Return a training frame: the dataset of its versions, in the state of this frame; `written` as for tables."""
        types: dict[str, str] = {}
        reads = {}
        for column, reference in record.pins.columns:
            version = versions.find(connection, reference.view, reference.version or 0)
            feature = version.definition.feature(reference.feature or "")
            types[column] = "" if feature is None else str(feature.type)
            reads[column] = [(self._name(version.reference), reference.feature or "", "DIRECT", True)]
        spine = () if record.pins.spine is None else record.pins.spine.columns
        said = {
            **facets.schema([*((name, type_, "") for name, type_ in spine), *((n, t, "") for n, t in types.items())]),
            **(facets.columns(reads) if written else {}),
            **facets.dataset_type("TABLE"),
            **facets.version(record.id),
        }
        return _dataset(self._frame(record), said)

    def model(self, model: ModelVersion, record: FrameRecord, *, written: bool = False) -> JSON:
        """Return a model version; its columns are its inputs, from the frame it was trained on."""
        frame = self._frame(record)
        inputs = model.lock.inputs or tuple(name for name, _ in model.lock.columns)
        said = {
            **facets.schema([(name, "", "") for name in inputs]),
            **(facets.columns({name: [(frame, name, "DIRECT", True)] for name in inputs}) if written else {}),
            **facets.ownership(model.owner, of="dataset"),
            **facets.dataset_type("MODEL"),
            **facets.version(model.reference),
        }
        return _dataset(self._name(f"model/{model.model}"), said)

    def endpoint(self, name: str, model: ModelVersion) -> JSON:
        """Return an endpoint, in the state of the model that is live on it."""
        return _dataset(self._name(f"endpoint/{name}"), facets.version(model.reference))

    def _source(self, source: SourceDefinition) -> DatasetName:
        return dataset_of(source, self.namespace, self._named)

    def _name(self, name: str) -> DatasetName:
        return DatasetName(self.namespace, name)

    def _frame(self, record: FrameRecord) -> DatasetName:
        return training([pin.reference for pin in record.pins.pins], self.namespace)


def _dataset(name: DatasetName, said: JSON) -> JSON:
    return {"namespace": name.namespace, "name": name.name, "facets": said}


def _fields(version: FeatureVersion) -> list[tuple[str, str, str]]:
    """Return a table's columns: keys, times, features."""
    definition = version.definition
    times = [name for name in (definition.event_time, definition.created_time) if name is not None]
    return [
        *((key, str(type_), "join key") for key, type_ in definition.keys),
        *((name, "Timestamp", "") for name in times),
        *((feature.name, str(feature.type), feature.description) for feature in definition.features),
    ]


def _inputs(
    feature: FeatureDefinition, read: tuple[SourceDefinition, ...], names: Mapping[str, DatasetName]
) -> list[tuple[DatasetName, str, str, bool]]:
    """Return the source columns that a feature depends on; every one where that cannot be told."""
    if feature.exact:
        return [(names[source], column, kind, True) for source, column, kind in feature.reads]
    return [(names[source.name], column, "DIRECT", False) for source in read for column, _ in source.columns]
