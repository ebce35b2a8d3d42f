"""The entities of a request: columns of join keys, read from what callers have at hand, with types checked exactly."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from featurestore.errors import RequestError, nearest
from featurestore.model.types import FeatureType
from featurestore.online.keys import KeyValues

__all__ = ["read_entities"]

_ARROW: dict[str, pa.DataType] = {
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "String": pa.string(),
    "Bytes": pa.binary(),
    "Bool": pa.bool_(),
    "Date": pa.date32(),
}
_PYTHON: dict[str, tuple[type, ...]] = {
    "Int32": (int, np.integer),
    "Int64": (int, np.integer),
    "String": (str,),
    "Bytes": (bytes,),
    "Bool": (bool, np.bool_),
    "Date": (date,),
}
_NOT: dict[str, tuple[type, ...]] = {"Int32": (bool,), "Int64": (bool,), "Date": (datetime,)}


def _is_int64(column: Any) -> bool:  # noqa: ANN401 - a column of any library
    return type(column) is np.ndarray and column.dtype == np.int64 and column.ndim == 1


def _is_text(column: Any) -> bool:  # noqa: ANN401 - as above
    if type(column) is not list or set(map(type, column)) != {str}:
        return False
    try:
        "".join(column).encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _as_needed(entities: dict[str, Any], needed: Mapping[str, FeatureType]) -> bool:
    """Tell whether these are just the columns needed, each as `encode_keys` takes it."""
    if entities.keys() != needed.keys():
        return False
    for name, type_ in needed.items():
        plain = _PLAIN.get(type_.kind)
        if plain is None or not plain(entities[name]):
            return False
    return len(needed) == 1 or len(set(map(len, entities.values()))) == 1


_PLAIN: dict[str, Callable[[Any], bool]] = {"Int64": _is_int64, "String": _is_text}
"""Whether `encode_keys` takes a column as it is: the forms in which a server gets most of them."""

_INDEX = "__index_level_"  # what pandas calls an index without a name

Column = Any
"""A list, a NumPy array, or anything that Arrow reads."""


def read_entities(entities: object, needed: Mapping[str, FeatureType], known: Collection[str]) -> dict[str, KeyValues]:
    """Return the request columns that are needed, with exactly their keys' types, rows in order.

    Parameters
    ----------
    entities
        A mapping of equal-length columns (lists, NumPy arrays, Arrow arrays, series), a list of mappings, an Arrow
        table, or a frame of Polars or pandas.
    needed
        Request column to the type of the key it is for.
    known
        Columns that may be there though nothing needs them: ignored.

    Raises
    ------
    RequestError
        If a column is unknown, missing, of another length or of another type; the first offending row is named.
    """
    if type(entities) is dict and _as_needed(entities, needed):
        return entities
    columns = _columns(entities, needed)
    for name in columns:
        if name not in needed and name not in known and not str(name).startswith(_INDEX):
            message = f"the entity column {name!r} is no key of any view.{nearest(str(name), {*needed, *known})}"
            raise RequestError(message)
    for name, type_ in needed.items():
        if name not in columns:
            given = f"given: {', '.join(map(str, columns))}" if columns else "none is given"
            message = f"the entity column {name!r} ({type_}) is missing ({given}): add it, a null where it is unknown."
            raise RequestError(message)
    lengths = {name: _length(name, column) for name, column in columns.items()}
    if len(lengths) > 1 and len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        message = f"the entity columns have different lengths ({listed}): give one value a row in each."
        raise RequestError(message)
    return {name: _read(name, columns[name], type_) for name, type_ in needed.items()}


def _columns(entities: object, needed: Iterable[str]) -> dict[str, Column]:
    if isinstance(entities, Mapping):
        return dict(entities)
    if hasattr(entities, "__arrow_c_stream__"):
        table = pa.table(entities)
        return dict(zip(table.column_names, table.columns, strict=True))
    if isinstance(entities, Sequence) and all(isinstance(row, Mapping) for row in entities):
        names = list(dict.fromkeys(name for row in entities for name in row)) or list(needed)
        for position, row in enumerate(entities):
            for name in names:
                if name not in row:
                    message = f"row {position} of the entities has no {name!r}: give every row the same names."
                    raise RequestError(message)
        return {name: [row[name] for row in entities] for name in names}
    message = (
        f"entities of type {type(entities).__name__} cannot be read: give columns such as {{'origin': ['JFK']}}, "
        "a list of dicts, or an Arrow, Polars or pandas table."
    )
    raise RequestError(message)


def _length(name: str, column: Column) -> int:
    if not isinstance(column, (str, bytes, Mapping)):
        try:
            return len(column)
        except TypeError:
            pass
    message = f"the entity column {name!r} is {column!r}: give a list, one value a row, such as [{column!r}]."
    raise RequestError(message)


def _read(name: str, column: Column, type_: FeatureType) -> KeyValues:
    plain = _PLAIN.get(type_.kind)
    if plain is not None and plain(column):
        return column  # type: ignore[no-any-return]  # what `encode_keys` takes as it is
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return _from_arrow(name, column, type_)
    if hasattr(column, "__arrow_c_stream__"):
        return _from_arrow(name, pa.chunked_array(column), type_)
    if isinstance(column, np.ndarray) and column.dtype != object:
        return _from_arrow(name, pa.array(column), type_)
    return _from_python(name, list(column), type_)


def _from_python(name: str, values: list[Any], type_: FeatureType) -> pa.Array[Any]:
    wanted, refused = _PYTHON[type_.kind], _NOT.get(type_.kind, ())
    for kind in set(map(type, values)) - {type(None)}:
        if not issubclass(kind, wanted) or issubclass(kind, refused):
            row = next(position for position, value in enumerate(values) if type(value) is kind)
            raise _mismatch(name, type_, kind.__name__, row=row, value=values[row])
    try:
        return pa.array(values, _ARROW[type_.kind])
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        for row, value in enumerate(values):
            if not _fits(value, type_):
                raise _mismatch(name, type_, "a value it cannot hold", row=row, value=value) from None
        raise


def _fits(value: object, type_: FeatureType) -> bool:
    try:
        pa.array([value], _ARROW[type_.kind])
    except (OverflowError, UnicodeEncodeError, pa.ArrowInvalid):
        return False
    return True


def _from_arrow(name: str, column: pa.Array[Any] | pa.ChunkedArray[Any], type_: FeatureType) -> pa.Array[Any]:
    array: Any = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(array.type):
        values = array.dictionary
        if pa.types.is_string_view(values.type):  # which Arrow cannot take from
            values = values.cast(pa.string())
        array = values.take(array.indices)
    target = _ARROW[type_.kind]
    if array.type == target:
        return array  # type: ignore[no-any-return]  # an array, whatever the stubs make of one chunk
    if not _same_kind(array.type, type_.kind):
        row = next((row for row in range(len(array)) if array[row].is_valid), None)
        if row is None:  # nulls only, or nothing
            return pa.array([None] * len(array), target)
        raise _mismatch(name, type_, str(array.type), row=row, value=array[row].as_py())
    try:
        return array.cast(target)  # type: ignore[no-any-return]  # as above
    except pa.ArrowInvalid:
        for row, value in enumerate(array.to_pylist()):
            if not _fits(value, type_):
                raise _mismatch(name, type_, str(array.type), row=row, value=value) from None
        raise


def _same_kind(arrow_type: pa.DataType, kind: str) -> bool:
    types = pa.types
    match kind:
        case "Int32" | "Int64":
            return types.is_integer(arrow_type)
        case "String":
            return types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type)
        case "Bytes":
            return (
                types.is_binary(arrow_type)
                or types.is_large_binary(arrow_type)
                or types.is_fixed_size_binary(arrow_type)
                or types.is_binary_view(arrow_type)
            )
        case _:
            return arrow_type == _ARROW[kind]


def _mismatch(name: str, type_: FeatureType, found: str, *, row: int, value: object) -> RequestError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."  # noqa: PLR2004 - a line of a terminal
    return RequestError(f"the entity column {name!r} is {type_}, but row {row} holds {shown} ({found}).")
