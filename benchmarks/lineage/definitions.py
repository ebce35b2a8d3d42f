"""Definitions of the views: the first version of each as `apply` makes it, the others by the number that differs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from benchmarks.lineage.world import Shape, columns_of, view
from featurestore.model.definition import Definition
from featurestore.operations.define import define
from featurestore.store import FeatureStore, open_store

__all__ = ["defined", "definitions_of"]


def defined(store: FeatureStore, number: int, version: int, shape: Shape) -> Definition:
    """Return what `apply` makes of a view."""
    written = view(number, version, shape)
    schemas = {item.name: columns_of() for item in written.sources}
    return define(store._context, written, schemas).definition  # noqa: SLF001


def definitions_of(shape: Shape, folder: Path) -> Mapping[tuple[int, int], Definition]:
    """Return every version of every view; what was parsed is kept in a folder between runs."""
    kept = folder / f"definitions-{shape.views}.json"
    if not kept.exists():
        with open_store(folder / "definitions") as store:
            found = [defined(store, number, 1, shape).to_json() for number in range(shape.views)]
        kept.write_text(json.dumps(found))
    first = [Definition.from_json(value) for value in json.loads(kept.read_text())]
    return {
        (number, version): _other(definition, version)
        for number, definition in enumerate(first)
        for version in range(1, shape.versions + 1)
    }


def _other(first: Definition, version: int) -> Definition:
    """Return a definition with windows as wide as a version's number; `check.py` compares it with a parsed one."""
    computation = replace(
        first.computation,
        text=first.computation.text.replace("between 1 preceding", f"between {version} preceding"),
        canonical=first.computation.canonical.replace("start=1 ", f"start={version} "),
    )
    features = tuple(
        replace(item, identity=item.identity.replace("start=1 ", f"start={version} ")) for item in first.features
    )
    return replace(first, computation=computation, features=features)
