"""What a caller gives as rows, as typed key columns: a dict of columns, a list of dicts, or a table.

The types are what Python gives: int is Int64, str String, bytes Bytes, bool Bool, date Date. The server knows the keys'
own types and refuses what does not fit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from featurestore.errors import RequestError

__all__ = ["Entities", "key_columns"]

Entities = Any
"""A mapping of columns, a sequence of mappings, or what gives an Arrow stream: a pyarrow, Polars or pandas table."""

_AS: tuple[tuple[pa.DataType, tuple[str, ...]], ...] = (
    (pa.int64(), ("is_integer",)),
    (pa.string(), ("is_string", "is_large_string", "is_string_view")),
    (pa.binary(), ("is_binary", "is_large_binary", "is_binary_view", "is_fixed_size_binary")),
    (pa.bool_(), ("is_boolean",)),
    (pa.date32(), ("is_date",)),
    (pa.null(), ("is_null",)),
)
_HELP = "a join key holds whole numbers, text, bytes, booleans or dates, and null where there is none"


def key_columns(entities: Entities) -> dict[str, pa.Array[Any]]:
    """Return one array for each column of `entities`: int64, string, binary, bool, date32, or null where all are null.

    Raises
    ------
    RequestError
        If it is none of the forms, the columns differ in length, or a column's values are no keys.
    """
    if isinstance(entities, Mapping):
        columns = dict(entities)
    elif hasattr(entities, "__arrow_c_stream__"):
        table = _table(entities)
        columns = dict(zip(table.column_names, table.columns, strict=True))
        if len(columns) < table.num_columns:
            message = f"entities has two columns of one name ({', '.join(table.column_names)}): give each key once."
            raise RequestError(message)
    elif isinstance(entities, Sequence) and all(isinstance(row, Mapping) for row in entities):
        columns = _of_rows(entities)
    else:
        message = (
            f"entities is a {type(entities).__name__}: give columns, {{'origin': ['JFK']}}, "
            "a list of dicts, or an Arrow table."
        )
        raise RequestError(message)
    arrays = {_name(name): _array(name, values) for name, values in columns.items()}
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        message = (
            f"the entity columns differ in length ({told}): give one value for each row, None where there is none."
        )
        raise RequestError(message)
    return arrays


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for row in rows for name in row)
    for position, row in enumerate(rows):
        for name in names:
            if name not in row:
                message = f"row {position} of the entities has no {name!r}: give every row the same names."
                raise RequestError(message)
    return {name: [row[name] for row in rows] for name in names}


def _table(entities: Any) -> pa.Table:  # noqa: ANN401 - whatever gives an Arrow stream
    if type(entities).__module__.partition(".")[0] == "pandas":  # its stream would carry the index as a column
        return pa.Table.from_pandas(entities, preserve_index=False)
    return pa.table(entities)


def _name(name: object) -> str:
    if not isinstance(name, str):
        message = f"{name!r} is not the name of an entity column: give names as text."
        raise RequestError(message)
    return name


def _decoded(array: Any) -> pa.Array[Any]:  # noqa: ANN401 - a pa.DictionaryArray
    words = array.dictionary
    plain = words.cast(pa.string()) if pa.types.is_string_view(words.type) else words  # views cannot be taken
    return pa.DictionaryArray.from_arrays(array.indices, plain).dictionary_decode()


def _array(name: str, values: Any) -> pa.Array[Any]:  # noqa: ANN401 - whatever a caller has
    if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
        message = f"entities[{name!r}] is {values!r}: give a list, one value for each row, for example [{values!r}]."
        raise RequestError(message)
    try:
        given: Any = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
        array: pa.Array[Any] = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
        if isinstance(array, pa.DictionaryArray):
            array = _decoded(array)
        for type_, tests in _AS:
            if any(getattr(pa.types, test)(array.type) for test in tests):
                return array if array.type == type_ else array.cast(type_)
    except (pa.ArrowException, OverflowError, TypeError, ValueError) as error:
        message = f"entities[{name!r}] cannot be read as one type ({error}): {_HELP}."
        raise RequestError(message) from error
    message = f"entities[{name!r}] holds {array.type} values: {_HELP}."
    raise RequestError(message)
