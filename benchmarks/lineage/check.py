"""Hold that rows written in bulk are those that verbs leave, before anything is timed over them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select

from benchmarks.lineage.databases import build_sqlite
from benchmarks.lineage.verbs import Verbs
from benchmarks.lineage.world import Shape, tell
from featurestore.catalog import schema
from featurestore.catalog.database import Catalog
from featurestore.catalog.place import CATALOG_FILE
from featurestore.model.definition import Definition

__all__ = ["SMALL", "check_rows"]

SMALL = Shape(views=6, versions=3, snapshots=2, frames=9, models=6, live=2)


def check_rows(folder: Path, definitions: Mapping[tuple[int, int], Definition]) -> int:
    """Build a small catalog both ways and compare every row of every table; return how many there are."""
    bulk, told = folder / "bulk", folder / "told"
    for each in (bulk, told):
        each.mkdir(parents=True)
    build_sqlite(bulk, SMALL, definitions)
    catalog = Catalog(f"sqlite:///{told / CATALOG_FILE}")
    tell(SMALL, definitions, Verbs(catalog))
    catalog.close()
    count = 0
    for table in schema.metadata.sorted_tables:
        ours, theirs = (_rows(each / CATALOG_FILE, table.name) for each in (bulk, told))
        assert ours == theirs, f"{table.name}: {_first(ours, theirs)}"
        count += len(ours)
    return count


def _rows(path: Path, table: str) -> list[tuple[Any, ...]]:
    catalog = Catalog(f"sqlite:///{path}", read_only=True)
    with catalog.read() as connection:
        rows = [tuple(row) for row in connection.execute(select(schema.metadata.tables[table]))]
    catalog.close()
    return sorted(rows, key=repr)


def _first(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> str:
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            return f"{os.linesep}{one}{os.linesep}{other}"
    return f"{len(ours)} rows, {len(theirs)} by verbs"
