"""What a version's rows look like: their columns and types. Loads no engine, since a stored row is read without one."""

from __future__ import annotations

import pyarrow as pa

from featurestore.model.definition import Definition
from featurestore.model.types import FeatureType, Timestamp
from featurestore.offline.arrow_types import to_arrow

__all__ = ["output_columns", "output_schema"]


def output_columns(definition: Definition) -> list[tuple[str, FeatureType]]:
    """Return the columns of a version's rows, in order: keys, event time, created time, features."""
    times = [(name, Timestamp) for name in (definition.event_time, definition.created_time) if name is not None]
    return [*definition.keys, *times, *((feature.name, feature.type) for feature in definition.features)]


def output_schema(definition: Definition) -> pa.Schema:
    """Return the Arrow schema of a version's rows."""
    return pa.schema([(name, to_arrow(type_)) for name, type_ in output_columns(definition)])
