"""The files behind a source: which they are."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from pathlib import Path

from featurestore.errors import SourceError

__all__ = ["find_files"]

_SUFFIXES = {"parquet": (".parquet", ".parq", ".pq"), "csv": (".csv", ".csv.gz", ".tsv")}


def find_files(source: str, path: str, kind: str) -> list[tuple[str, Path]]:
    """Return `(name within the source, path)` of the files that `path` (a file, a glob or a folder) means, by name.

    A relative path starts at the working folder. Hidden files of a folder do not count.

    Raises
    ------
    SourceError
        If there is none.
    """
    if "://" in path:
        message = f"source {source!r}: {path!r} is not a local path. Mount it, or read it through an IcebergSource."
        raise SourceError(message)
    place = Path(path)
    if place.is_file():
        return [(place.name, place.resolve())]
    if place.is_dir():
        names = [item.relative_to(place) for item in place.rglob("*") if item.name.endswith(_SUFFIXES[kind])]
        base = place
    else:
        base = Path(*_fixed_parts(place))
        found = (Path(item) for item in glob.glob(path, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute one
        names = [item.relative_to(base) for item in found if item.is_file()]
    files = {
        name.as_posix(): (base / name).resolve()
        for name in names
        if not any(part.startswith(".") for part in name.parts)
    }
    if not files:
        sought = "a folder without such files" if place.is_dir() else "no such file, folder or match of a glob"
        message = (
            f"source {source!r}: {path!r} holds no {kind} file ({sought}; looked from the working folder "
            f"{Path.cwd()}). Correct path=, or run where the path starts."
        )
        raise SourceError(message)
    return sorted(files.items())


def _fixed_parts(place: Path) -> Sequence[str]:
    parts: list[str] = []
    for part in place.parts[:-1]:
        if glob.has_magic(part):
            break
        parts.append(part)
    return parts
