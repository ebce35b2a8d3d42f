"""Contracts as `plan` and `apply` handle them: what is declared beside the views becomes versions of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.catalog import contracts, sources
from featurestore.errors import DefinitionError, NotFoundError, RequestError, nearest
from featurestore.lineage.consumers import consumers
from featurestore.model.contract import Contract
from featurestore.model.contract_change import ContractChange, ContractVersion, compare
from featurestore.operations.code import code_state

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.version import CodeState
    from featurestore.operations.context import Context
    from featurestore.operations.define import Defined

__all__ = ["ContractDiff", "apply_contracts", "declare_contract", "diff_contract", "plan_contracts", "propose_contract"]


@dataclass(frozen=True, slots=True)
class ContractDiff:
    """How a contract differs from the one before, and whom that reaches.

    Attributes
    ----------
    subject
        Whose rows: `source/weather`.
    before, after
        References of the versions; `before` is None for a first contract, `after` for one that is only proposed.
    changes
        Every rule that differs.
    reached
        Model versions that read a column whose rule breaks, with the endpoints they are live on.
    """

    subject: str
    before: str | None
    after: str | None
    changes: tuple[ContractChange, ...]
    reached: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def breaking(self) -> bool:
        """Whether a change breaks the contract before."""
        return any(change.breaking for change in self.changes)

    def __str__(self) -> str:
        name = self.subject.replace("/", " ")
        if self.before is None:
            return f"+ contract of {name}  (new)"
        verdict = "breaking" if self.breaking else "compatible" if self.changes else "unchanged"
        lines = [f"~ contract of {name}  {self.before} -> {self.after or 'proposed'}  ({verdict})"]
        lines += [f"    {'!' if change.breaking else '='} {change}" for change in self.changes]
        for model, endpoints in self.reached:
            live = f"live on {', '.join(endpoints)}" if endpoints else "not live"
            lines.append(f"! reaches {model}, {live}")
        return "\n".join(lines)


def plan_contracts(connection: Connection, defined: Sequence[Defined]) -> tuple[ContractDiff, ...]:
    """Return what applying these views does to contracts; those that stay as they are are left out.

    Raises
    ------
    DefinitionError
        If one source is given two contracts.
    """
    declared = _declared(defined)
    known = contracts.current(connection, declared)
    found = []
    for subject, contract in declared.items():
        now = known.get(subject)
        if now is None and contract == Contract():
            continue
        if now is None or now.contract.fingerprint != contract.fingerprint:
            found.append(_diff(connection, subject, now, contract))
    return tuple(found)


def apply_contracts(tx: Transaction, defined: Sequence[Defined], code: CodeState) -> None:
    """Record the contracts that are declared beside these views."""
    declared = _declared(defined)
    known = contracts.current(tx.connection, declared)
    for subject, contract in declared.items():
        if subject in known or contract != Contract():
            contracts.save(tx, subject, contract, code)


def declare_contract(context: Context, source: str, contract: Contract) -> ContractVersion:
    """Make a contract the current one of a source that the store knows.

    Raises
    ------
    NotFoundError
        If no view that was applied reads such a source.
    """
    code = code_state()
    with context.catalog.write() as tx:
        return contracts.save(tx, _subject(tx.connection, source), contract, code)


def propose_contract(connection: Connection, source: str, contract: Contract) -> ContractDiff:
    """Say what `declare_contract` of the same would change."""
    subject = _subject(connection, source)
    return _diff(connection, subject, contracts.current(connection, [subject]).get(subject), contract)


def _subject(connection: Connection, source: str) -> str:
    row = sources.find(connection, source)
    if row is None:
        raise NotFoundError(f"there is no source {source!r}.{nearest(source, sources.names(connection))}")
    return f"source/{row['name']}"


def diff_contract(connection: Connection, before: str, after: str | Contract | None = None) -> ContractDiff:
    """Compare two versions of a contract, or its current version with a proposal.

    Parameters
    ----------
    before
        `weather@c1`; `weather` with no `after` compares the current version with the one before it.
    after
        `weather@c2`, or a contract.

    Raises
    ------
    NotFoundError
        If there is no such contract or version.
    RequestError
        If the versions are of two subjects, or there is one version only.
    """
    old = contracts.find(connection, before)
    if isinstance(after, Contract):
        return _diff(connection, old.subject, old, after)
    if after is None:
        older = [item for item in contracts.versions_of(connection, old.subject) if item.number < old.number]
        if not older:
            raise RequestError(f"{old.reference} is the first contract of {old.name!r}: there is none to compare with.")
        old, new = older[-1], old
    else:
        new = contracts.find(connection, after)
    if old.subject != new.subject:
        raise RequestError(f"{old.reference} and {new.reference} are about two subjects: compare versions of one.")
    return _diff(connection, old.subject, old, new.contract, new.reference)


def _declared(defined: Iterable[Defined]) -> dict[str, Contract]:
    found: dict[str, Contract] = {}
    for item in defined:
        for source, _ in item.sources:
            if source.contract is None:
                continue
            known = found.setdefault(f"source/{source.name}", source.contract)
            if known.fingerprint != source.contract.fingerprint:
                raise DefinitionError(
                    f"source {source.name!r} has two different contracts here: give every view the same one."
                )
        found[f"view/{item.definition.view}"] = item.promise
    return found


def _diff(
    connection: Connection, subject: str, old: ContractVersion | None, new: Contract, after: str | None = None
) -> ContractDiff:
    if old is None:
        return ContractDiff(subject, None, after, (), ())
    changes = compare(old.contract, new)
    return ContractDiff(subject, old.reference, after, changes, _reached(connection, subject, changes))


def _reached(
    connection: Connection, subject: str, changes: Iterable[ContractChange]
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the model versions that read what breaks: its column, or anything of the source."""
    found: dict[str, dict[str, None]] = {}
    for node in dict.fromkeys(_node(subject, change.column) for change in changes if change.breaking):
        for model, endpoints in _reading(connection, node).items():
            found.setdefault(model, {}).update(dict.fromkeys(endpoints))
    return tuple((model, tuple(endpoints)) for model, endpoints in sorted(found.items()))


def _node(subject: str, column: str | None) -> str:
    kind, _, name = subject.partition("/")
    if column is None:
        return subject
    return f"column/{name}.{column}" if kind == "source" else f"feature/{name}:{column}"


def _reading(connection: Connection, node: str) -> Mapping[str, tuple[str, ...]]:
    try:
        return {use.model: use.endpoints for use in consumers(connection, node).models}
    except (NotFoundError, DefinitionError):  # no version reads it
        return {}
