"""Contracts as people read them: every rule in a line, and what each version changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from featurestore.cli.tables import table, write
from featurestore.model.contract import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from featurestore.model.contract import Expect, Volume
    from featurestore.model.contract_change import ContractVersion
    from featurestore.model.quarantine import Quarantine

__all__ = ["write_contract", "write_list", "write_quarantine"]


def write_list(console: Console, versions: Sequence[ContractVersion]) -> None:
    """Write one line for each contract."""
    if not versions:
        console.print("[dim]no contract is declared[/]")
        return
    rows = [
        (item.reference, item.subject.partition("/")[0], list(item.contract.columns), item.author, item.created_at)
        for item in versions
    ]
    console.print(table(("contract", "of a", "columns", "author", "declared"), rows))


def write_contract(console: Console, version: ContractVersion, versions: Sequence[ContractVersion]) -> None:
    """Write a contract's rules, and its versions."""
    contract = version.contract
    write(
        console,
        {
            "contract": version.reference,
            "owner": contract.owner,
            "description": contract.description,
            "key": contract.key,
            "freshness": contract.freshness and f"{contract.freshness.column} within {contract.freshness.within}",
            "volume": contract.volume and _rows(contract.volume),
            "other columns": "none may come" if contract.closed else None,
        },
    )
    if contract.columns:
        console.print()
        rows = [(name, expected.type and str(expected.type), _rules(expected), expected.description)
                for name, expected in contract.columns.items()]  # fmt: skip
        console.print(table(("column", "type", "rules", "description"), rows))
    console.print("\n[bold]versions[/]")
    for item in versions:
        mark = "breaking" if item.breaking else "first" if item.number == 1 else "compatible"
        console.print(escape(f"{item.reference}  {item.created_at:%Y-%m-%d %H:%M}Z  {item.author}  {mark}"))
        for change in item.changes:
            console.print(escape(f"    {'!' if change.breaking else '='} {change}"), soft_wrap=True)


def write_quarantine(console: Console, stay: Quarantine) -> None:
    """Write why a snapshot is, or was, in quarantine, and what ended it."""
    for reason in stay.reasons:
        console.print(escape(f"! {reason.text}"), soft_wrap=True)
        if reason.cure:
            console.print(escape(f"    {reason.cure}"), soft_wrap=True)
    ended = {"by": stay.released_by, "at": stay.released_at, "reason": stay.reason, "rows now in": stay.became}
    write(console, {"since": stay.at, "materialized by": stay.actor, **ended})


def _rules(expected: Expect) -> str:
    said = {"nullable": "never null", "unique": "unique"}
    words = [
        said.get(name) or f"{name.replace('_', ' ')} {shown(value)}"
        for name, value in expected.rules.items()
        if name != "type"
    ]
    return "; ".join(words + (["sensitive"] if expected.sensitive else []))


def _rows(volume: Volume) -> str:
    most = "any" if volume.at_most is None else f"{volume.at_most:,}"
    window = "" if volume.every is None else f" in each {volume.every} of {volume.column}"
    return f"{volume.at_least or 0:,} to {most} rows{window}"
