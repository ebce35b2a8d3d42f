"""Contracts as Open Data Contract Standard YAML, version 3, read and written (bitol.io).

What the standard's file says beside our rules (servers, team, price, roles, SQL checks ...) is kept with the contract
and given back; what of it is a rule that is not checked here is named in `Imported.notes`. The forms of rules that the
standard leaves to customProperties are ours: `unit` of a column, `closed` of a schema, `window` and `windowColumn` of a
`rowCount`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import NotFoundError, nearest
from featurestore.integrations.odcs_reader import read_document
from featurestore.integrations.odcs_writer import written
from featurestore.integrations.yaml_lines import read_yaml
from featurestore.model.contract_change import ContractVersion

if TYPE_CHECKING:
    from featurestore.model.contract import Contract

__all__ = ["Imported", "dumps", "load", "loads"]


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file says.

    Attributes
    ----------
    contracts
        One for each object of its schema, by name.
    notes
        Rules that are kept and not checked, each with file, line and why.
    """

    contracts: Mapping[str, Contract]
    notes: tuple[str, ...]


def load(path: str | os.PathLike[str]) -> Imported:
    """Read a file.

    Raises
    ------
    NotFoundError
        If there is no such file.
    DefinitionError
        If it breaks a rule of the standard; the message names the line and the rule.
    ConfigError
        If PyYAML is not installed.
    """
    file = Path(path)
    if not file.is_file():
        there = [item.name for item in file.parent.glob("*.y*ml")] if file.parent.is_dir() else []
        raise NotFoundError(f"there is no file {str(file)!r}.{nearest(file.name, there)}")
    return loads(file.read_text(encoding="utf-8"), file=str(file))


def loads(text: str, *, file: str = "<text>") -> Imported:
    """Read a document; as `load`."""
    contracts, notes = read_document(read_yaml(text, file))
    return Imported(contracts, tuple(notes))


def dumps(contracts: Mapping[str, Contract | ContractVersion]) -> str:
    """Write contracts, by the names of their sources, as one document.

    The document's version is the number of the contract's version, where it has one; id, status and all that a file
    said when it was read stay as they were there.

    Raises
    ------
    ConfigError
        If PyYAML is not installed.
    """
    plain = {
        name: (item.contract, item.number) if isinstance(item, ContractVersion) else (item, None)
        for name, item in contracts.items()
    }
    return written(plain)
