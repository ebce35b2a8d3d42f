"""Digests of files, remembered from one process to the next, so that what did not change is not read again.

A file counts as unchanged while its size, its times and its inode stay. Its times can only tell so once their clock has
moved on: a file that changed a moment ago may change again without another time. So, as in Git's index, a digest is
remembered only if the file had been at rest for two seconds, the coarsest clock of a file system, when its reading
began, and was the same file when it ended. The time of the inode's last change counts as well as that of the content's,
which programs set at will.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

__all__ = ["FileDigests"]

_REST = 2_000_000_000  # nanoseconds


class State(NamedTuple):
    """What tells whether a file changed: its size, when its content and its inode did (nanoseconds), and the inode."""

    size: int
    content: int
    changed: int
    inode: int


class FileDigests:
    """SHA-256 of files.

    Parameters
    ----------
    memory
        The file that keeps them. It may vanish or be broken: then files are read again. Where it cannot be written,
        digests are remembered by this object alone.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._known: dict[str, tuple[State, str]] | None = None

    def of_all(self, files: Sequence[tuple[str, Path]]) -> str:
        """Return one digest, 32 hex digits, over names and contents."""
        known = self._load() if self._known is None else self._known
        news: dict[str, tuple[State, str]] = {}
        total = hashlib.sha256()
        for name, path in files:
            state = _state(path)
            kept = known.get(str(path))
            if kept is None or kept[0] != state:
                began = time.time_ns()
                with path.open("rb") as file:
                    kept = (state, hashlib.file_digest(file, "sha256").hexdigest())
                if max(state.content, state.changed) + _REST < began and _state(path) == state:
                    news[str(path)] = kept
            total.update(f"{name}\0{kept[1]}\n".encode())
        self._known = {**known, **news}
        if news:
            self._save(news)
        return total.hexdigest()[:32]

    def _load(self) -> dict[str, tuple[State, str]]:
        try:
            kept = json.loads(self._memory.read_text())
            return {path: (State(*state), str(digest)) for path, (state, digest) in kept.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _save(self, news: Mapping[str, tuple[State, str]]) -> None:
        """Add to what is kept by now, without files that are gone. Of two processes at once one may win: no harm."""
        kept = {path: value for path, value in self._load().items() if Path(path).exists()}
        temporary = self._memory.with_name(f".{uuid4().hex}.tmp")
        with suppress(OSError):
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({**kept, **news}))
            temporary.replace(self._memory)


def _state(path: Path) -> State:
    stat = os.stat(path)  # noqa: PTH116 - one call, no Path made
    return State(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
