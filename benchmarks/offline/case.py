"""A workload as it lies on disk: what a peer, in a process of its own, is told. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["TIME", "Case", "StoredView"]

TIME = "event_timestamp"
"""The spine's time column."""


@dataclass(frozen=True, slots=True)
class StoredView:
    """One view: its columns and the files of its newest snapshot, in the order of their runs.

    Attributes
    ----------
    ttl
        Seconds; None keeps values for ever.
    created
        Whether rows tie in `time`, and the latest `created` wins.
    runs
        How many sorted runs the files are; one is sorted by key and time.
    built
        Seconds that each step took when the view was made: `materialize`, `compact`, and `pin`, its first frame.
    """

    name: str
    keys: tuple[str, ...]
    features: tuple[str, ...]
    ttl: int | None
    created: bool
    files: tuple[str, ...]
    runs: int
    rows: int
    bytes: int
    built: dict[str, float]

    def output(self, feature: str) -> str:
        """Return the name of a feature's column in the frame."""
        return f"{self.name}__{feature}"


@dataclass(frozen=True, slots=True)
class Case:
    """Where everything is.

    Attributes
    ----------
    store
        Folder or .toml, as `fs.open_store` takes it.
    spine, spine_columns, spine_rows
        The spine's file, and what it holds.
    scratch
        A folder that a process may write in.
    cap
        Bytes of memory of its own that a process may have; None is unlimited.
    """

    workload: str
    store: str
    spine: str
    spine_columns: tuple[str, ...]
    spine_rows: int
    views: tuple[StoredView, ...]
    scratch: str
    cap: int | None = None

    @property
    def references(self) -> list[str]:
        """What `get_training_frame` is asked for."""
        return [f"{view.name}@v1" for view in self.views]

    @property
    def columns(self) -> list[str]:
        """The frame's columns, in order."""
        return [*self.spine_columns, *(view.output(name) for view in self.views for name in view.features)]

    @property
    def files(self) -> list[str]:
        """Everything that is read."""
        return [self.spine, *(file for view in self.views for file in view.files)]

    @property
    def bytes(self) -> int:
        """The views' bytes on disk."""
        return sum(view.bytes for view in self.views)

    def save(self) -> Path:
        """Write the case into its scratch folder and return the file."""
        path = Path(self.scratch) / f"{self.workload}.json"
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: str) -> Case:
        """Read what `save` wrote."""
        value: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
        value["views"] = tuple(StoredView(**view) for view in value["views"])
        return cls(**value)
