"""Contracts and their versions."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, select, update

from featurestore.catalog import graph, schema
from featurestore.errors import ConflictError, NotFoundError, nearest
from featurestore.model.contract import Contract
from featurestore.model.contract_change import ContractChange, ContractVersion, compare
from featurestore.model.names import fold
from featurestore.model.version import CodeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from featurestore.catalog.database import Transaction

__all__ = ["current", "everything", "find", "require_current", "save", "versions_of"]

_CONTRACTS, _VERSIONS = schema.contracts, schema.contract_versions
_JOINED = (
    select(_CONTRACTS.c.subject, _CONTRACTS.c.current_version, *_VERSIONS.c)
    .join(_CONTRACTS, _CONTRACTS.c.id == _VERSIONS.c.contract_id)
    .order_by(_CONTRACTS.c.folded, _VERSIONS.c.number)
)
_IS_CURRENT = _VERSIONS.c.number == _CONTRACTS.c.current_version


def _value(row: Row[Any]) -> ContractVersion:
    return ContractVersion(
        row.subject,
        row.number,
        Contract.from_json(row.content),
        tuple(ContractChange(**change) for change in row.changes),
        row.author,
        row.created_at,
        CodeState(row.git_commit, row.git_dirty),
    )


def everything(connection: Connection) -> list[ContractVersion]:
    """Return every contract in its current version, sorted by subject."""
    return [_value(row) for row in connection.execute(_JOINED.where(_IS_CURRENT))]


def current(connection: Connection, subjects: Iterable[str]) -> dict[str, ContractVersion]:
    """Return the current contracts of those of the subjects (`source/weather`) that have one."""
    wanted = [fold(subject) for subject in subjects]
    rows = connection.execute(_JOINED.where(_CONTRACTS.c.folded.in_(wanted), _IS_CURRENT))
    return {row.subject: _value(row) for row in rows}


def versions_of(connection: Connection, subject: str) -> list[ContractVersion]:
    """Return a subject's contract in all its versions, oldest first; none where it has no contract."""
    return [_value(row) for row in connection.execute(_JOINED.where(_CONTRACTS.c.folded == fold(subject)))]


def find(connection: Connection, name: str) -> ContractVersion:
    """Return a version by its reference: `weather@c2`, `view/airport_weather@c1`, or without `@cN` the current one.

    Raises
    ------
    NotFoundError
        If the source or view has no contract, or no such version.
    """
    subject, _, number = name.strip().partition("@c")
    subject = subject if "/" in subject else f"source/{subject}"
    found = versions_of(connection, subject)
    if not found:
        known = [version.subject.removeprefix("source/") for version in everything(connection)]
        raise NotFoundError(
            f"there is no contract of {subject.replace('/', ' ')!r}.{nearest(name, known)} "
            "Declare one: fs.ParquetSource(..., contract=fs.Contract(...)), then apply."
        )
    wanted = number or str(_number(connection, found[0].subject))
    for version in found:
        if str(version.number) == wanted:
            return version
    there = ", ".join(version.reference for version in found)
    raise NotFoundError(f"there is no contract {name!r}: there is {there}.")


def save(tx: Transaction, subject: str, contract: Contract, code: CodeState) -> ContractVersion:
    """Make a contract the current one of a subject; the same content again is the version that it was."""
    connection = tx.connection
    known = versions_of(connection, subject)
    before = None if not known else next(item for item in known if item.number == _number(connection, subject))
    if before is not None and before.contract.fingerprint == contract.fingerprint:
        return before
    changes = () if before is None else compare(before.contract, contract)
    same = next((item for item in known if item.contract.fingerprint == contract.fingerprint), None)
    number = same.number if same is not None else 1 + max((item.number for item in known), default=0)
    if before is None:
        tx.insert(_CONTRACTS, subject=subject, folded=fold(subject), current_version=number)
    else:
        current_ = update(_CONTRACTS).where(_CONTRACTS.c.folded == fold(subject))
        connection.execute(current_.values(current_version=number))
    if same is None:
        row = {"number": number, "changes": [asdict(change) for change in changes]}
        _insert(tx, subject, contract, code, row)
    version = next(item for item in versions_of(connection, subject) if item.number == number)
    kind, _, name = subject.partition("/")
    columns = {change.column for change in changes if change.column} or set(contract.named)
    tx.record(
        "contract",
        kind,
        name,
        contract=version.reference,
        before=None if before is None else before.reference,
        breaking=any(change.breaking for change in changes),
        columns=sorted(columns),
        changes=[str(change) for change in changes],
    )
    return version


def _insert(tx: Transaction, subject: str, contract: Contract, code: CodeState, row: Mapping[str, Any]) -> None:
    holder = select(_CONTRACTS.c.id).where(_CONTRACTS.c.folded == fold(subject))
    tx.insert(
        _VERSIONS,
        contract_id=tx.connection.execute(holder).scalar_one(),
        **row,
        fingerprint=contract.fingerprint,
        content=contract.to_json(),
        author=tx.actor,
        created_at=tx.now,
        git_commit=code.commit,
        git_dirty=code.dirty,
    )
    kind, _, name = subject.partition("/")
    graph.add_contract(tx, (kind, name), f"{subject.removeprefix('source/')}@c{row['number']}", code)


def require_current(connection: Connection, checked: Mapping[str, str]) -> None:
    """Hold that the contracts of these subjects still are the versions that rows were held against.

    Parameters
    ----------
    checked
        Subject to the contract's reference; empty text where there was none.

    Raises
    ------
    ConflictError
        If another process declared one in between.
    """
    now = current(connection, checked)
    for subject, reference in checked.items():
        found = now[subject].reference if subject in now else ""
        if found != reference:
            raise ConflictError(f"the contract of {subject} was changed by another process meanwhile: try again.")


def _number(connection: Connection, subject: str) -> int:
    statement = select(func.max(_CONTRACTS.c.current_version)).where(_CONTRACTS.c.folded == fold(subject))
    return int(connection.execute(statement).scalar_one())
