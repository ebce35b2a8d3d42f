"""`featurestore init`: make a store."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.errors import ConfigError
from featurestore.model.policy import SEVERITIES, Policy
from featurestore.model.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.cli.command import Session

__all__ = ["init"]

_POLICY = Policy()
_COMMENTS = {
    "memory_limit": "that a query may use before it spills to disk",
    "threads": "of the offline store's engines; 0 takes one per core",
    "require_pins": "true refuses references without a version",
    "require_comparison": "true moves a pointer only between versions that were compared",
    "row_group_rows": "rows of one Parquet row group; fewer where rows are wide",
    "compression": "of numbers and times at rest: none, lz4 or zstd",
    "max_runs": "sorted runs of a table, from which on they are merged",
    "profiles": "false does not profile rows as they are materialized",
    "keep_generations": "online generations kept for each feature version",
    "on_violation": "rows that break a contract: block (quarantine), warn or off",
    "online": "lmdb, or redis://HOST:PORT/DB and its kin: rediss, redis+cluster, valkey, unix",
    "key_prefix": "begins the name of each of our keys in Redis",
    "catalog": "sqlite, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
}


@verb(
    "init",
    "featurestore init",
)
@click.argument("folder", default=".")
def init(session: Session, folder: str) -> None:
    """Make a store and its featurestore.toml in FOLDER, by default the working folder.

    What is there already stays as it is. With --store FOLDER only that store is made, without a featurestore.toml.
    """
    from featurestore.config import DEFAULT_FOLDER, DEFAULT_TOML

    if session.path is None:
        toml = Path(folder) / DEFAULT_TOML
    elif session.path.lower().endswith(".toml"):
        toml = Path(session.path)
    else:
        toml = None
    if toml is not None and not toml.exists():
        try:
            toml.parent.mkdir(parents=True, exist_ok=True)
            toml.write_text(_text(DEFAULT_FOLDER), encoding="utf-8")
        except OSError as error:
            message = f"{str(toml)!r} cannot be written: {error}."
            raise ConfigError(message) from error
    path = str(toml) if toml is not None else session.path
    with replace(session, path=path).store() as store:
        root = store.root
    session.output.answer(
        {"store": root, "configuration": toml},
        people=f"store {root}" + (f"\nsettings {toml}" if toml is not None else ""),
    )


def _text(folder: str) -> str:
    lines = [
        f'store = "{folder}"   # relative to this file',
        "",
        "# The defaults; FEATURESTORE_THREADS=2 and so on win.",
    ]
    for item in (item for item in fields(Settings) if item.name in _COMMENTS):
        value = item.default
        text = f'"{value}"' if isinstance(value, str) else str(value).lower()
        lines.append(f"# {item.name} = {text}   # {_COMMENTS[item.name]}")
    lines += [
        "",
        "# What a proposed change may do to those it reaches (docs/ci-gate.md): block, warn or allow.",
        "# [policy]",
        *(f"# {severity} = {_inline(getattr(_POLICY, severity))}" for severity in SEVERITIES),
    ]
    return "\n".join(lines) + "\n"


def _inline(table: Mapping[str, str]) -> str:
    return "{ " + ", ".join(f'{key} = "{value}"' for key, value in table.items()) + " }"
