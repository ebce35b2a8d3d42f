"""Rows in files: read by the ending of their name, for spines and pushed rows; written for training frames."""

from __future__ import annotations

import glob
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from featurestore.errors import NotFoundError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.offline.frame import TrainingFrame

__all__ = ["check_ending", "open_rows", "read_objects", "read_rows", "write_frame", "write_rows"]

_WRITTEN = (".parquet", ".csv", ".arrow")


def read_rows(path: str) -> pa.Table:
    """Return the rows of a file.

    Parameters
    ----------
    path
        A `.parquet`, `.csv` (with a header line), `.json` (a list of objects) or `.jsonl` (an object a line) file, or
        `-` for JSON on standard input. Texts that are ISO times become times in CSV and JSON; an empty CSV field is
        null.

    Raises
    ------
    NotFoundError
        If there is no such file.
    RequestError
        If its ending is none of these, or its content is not what the ending says.
    """
    if path == "-":
        return _from_json(sys.stdin.read(), "standard input")
    file = Path(path)
    if not file.is_file():
        message = f"there is no file {path!r} (from {str(Path.cwd())!r})."
        raise NotFoundError(message)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        message = f"{path!r} is none of {', '.join(_READERS)}: the ending says how it is read."
        raise RequestError(message)
    try:
        return reader(file)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        message = f"{path!r} cannot be read as {file.suffix.lower()}: {error}"
        raise RequestError(message) from error


def read_objects(path: str) -> list[dict[str, Any]] | pa.Table:
    """Return the rows of a file, one by one where it is JSON: there a row may hold what its column's others do not.

    The errors are those of `read_rows`.
    """
    file = Path(path)
    if path == "-":
        return _objects(sys.stdin.read(), "standard input")
    if file.suffix.lower() not in _JSON or not file.is_file():
        return read_rows(path)
    return _objects(_JSON[file.suffix.lower()](file), repr(path))


def open_rows(path: str) -> pa.Table | str:
    """Return the rows of a file, or the path where they are Parquet, which may be larger than memory.

    A folder or a glob is one of Parquet files. The errors are those of `read_rows`.
    """
    file = Path(path)
    parquet = file.suffix.lower() == ".parquet" and file.is_file()
    return path if parquet or file.is_dir() or (glob.has_magic(path) and not file.exists()) else read_rows(path)


def check_ending(path: str) -> None:
    """Raise, before long work, if the ending of a file to be written is none that is known.

    Raises
    ------
    RequestError
        If it is none.
    """
    if Path(path).suffix.lower() not in _WRITTEN:
        message = f"{path!r} is none of {', '.join(_WRITTEN)}: the ending says how it is written."
        raise RequestError(message)


def write_frame(frame: TrainingFrame, path: str) -> Path:
    """Write a training frame to a file and return its path; Parquet without holding all of its rows.

    Raises
    ------
    RequestError
        If the ending is none that is known, or the file cannot be written.
    """
    check_ending(path)
    if Path(path).suffix.lower() == ".parquet":
        return frame.write_parquet(path)
    return write_rows(frame.to_arrow(), path)


def write_rows(table: pa.Table, path: str) -> Path:
    """Write a table to a `.parquet`, `.csv` or `.arrow` (IPC) file and return its path.

    Raises
    ------
    RequestError
        If the ending is none of these, or the file cannot be written.
    """
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    check_ending(path)
    writers: dict[str, Callable[[], object]] = {
        ".parquet": lambda: pyarrow.parquet.write_table(table, path),
        ".csv": lambda: pyarrow.csv.write_csv(table, path),
        ".arrow": lambda: pyarrow.feather.write_feather(table, path, compression="uncompressed"),
    }
    try:
        writers[Path(path).suffix.lower()]()
    except OSError as error:
        message = f"{path!r} cannot be written: {error}."
        raise RequestError(message) from error
    return Path(path)


def _read_parquet(file: Path) -> pa.Table:
    from pyarrow.parquet import ParquetFile  # `read_table` would bring in pandas and the dataset API

    with ParquetFile(file) as opened:
        return opened.read()


def _read_csv(file: Path) -> pa.Table:
    from pyarrow import csv

    convert = csv.ConvertOptions(strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""])
    return csv.read_csv(file, convert_options=convert)


def _json(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _json_lines(file: Path) -> str:
    return f"[{','.join(line for line in _json(file).splitlines() if line.strip())}]"


_JSON: dict[str, Callable[[Path], str]] = {".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}
"""Ending to the reader of a JSON document's text."""


def _read_json(file: Path) -> pa.Table:
    return _from_json(_JSON[file.suffix.lower()](file), repr(str(file)))


_READERS: dict[str, Callable[[Path], pa.Table]] = {
    ".parquet": _read_parquet,
    ".csv": _read_csv,
    **dict.fromkeys(_JSON, _read_json),
}


def _from_json(text: str, where: str) -> pa.Table:
    rows = _objects(text, where)
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: pa.array(_times([row.get(name) for row in rows])) for name in names})


def _objects(text: str, where: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        message = f"{where} is not valid JSON: {error}."
        raise RequestError(message) from error
    rows = [rows] if isinstance(rows, dict) else rows
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = f'{where} holds no rows: write a list of objects, for example [{{"origin": "JFK", "temp": 20.5}}].'
        raise RequestError(message)
    return rows


_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}")


def _times(values: list[Any]) -> list[Any]:
    """Return the values as times if every one that is not null is the ISO text of a time, otherwise as they are."""
    texts = [value for value in values if value is not None]
    if not texts or not all(isinstance(value, str) and _DATE_AND_TIME.match(value) for value in texts):
        return values
    try:
        return [None if value is None else datetime.fromisoformat(value) for value in values]
    except (TypeError, ValueError):
        return values
