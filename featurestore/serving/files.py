"""Files that are read again when they change."""

from __future__ import annotations

from pathlib import Path

__all__ = ["stamp"]


def stamp(*paths: str | None) -> tuple[object, ...]:
    """Return what is another value once one of the files is another; a file that is not there has a value too."""
    return tuple(_state(path) for path in paths)


def _state(path: str | None) -> object:
    if path is None:
        return None
    try:
        state = Path(path).stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino
