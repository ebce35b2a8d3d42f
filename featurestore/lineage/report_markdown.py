"""The report as Markdown, for a ticket, a channel or a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from featurestore.lineage.text import moment, short
from featurestore.lineage.timeline import sentence

if TYPE_CHECKING:
    from featurestore.lineage.report import OwnerReport, Report

__all__ = ["to_markdown"]

_MARKUP = ("\\", "|", "<", ">", "*", "_", "`", "[", "#")


def to_markdown(report: Report) -> str:
    """Return the report: a section an owner, a table for each kind of news."""
    lines = ["# Features: what changed, and whom it reaches", "", report.headline]
    for owner in report.owners:
        lines += ["", f"## {_plain(owner.name)}"]
        for title, head, rows in _tables(owner):
            lines += ["", f"### {title}", "", *_table(head, rows)]
    return "\n".join(lines) + "\n"


def _tables(owner: OwnerReport) -> Iterator[tuple[str, Sequence[str], list[Sequence[str]]]]:
    if owner.found:
        head = ("when", "severity", "what", "how", "reaches")
        yield (
            "Found in the data",
            head,
            [
                (
                    moment(item.at),
                    item.finding.severity,
                    item.finding.subject,
                    item.finding.text,
                    ", ".join([*item.finding.models, *item.finding.endpoints]),
                )
                for item in owner.found
            ],
        )
    if owner.held:
        yield (
            "In quarantine",
            ("version", "snapshot", "why"),
            [
                (item.version, short(item.snapshot), " ".join(reason.text for reason in item.quarantine.reasons))
                for item in owner.held
            ],
        )
    if owner.changes:
        yield (
            "Changed",
            ("when", "what", "who", "why"),
            [(moment(item.at), sentence(item), item.actor, item.reason) for item in owner.changes],
        )
    if owner.stale:
        yield (
            "Stale models",
            ("model", "endpoint", "class", "what"),
            [(item.model, item.endpoint, reason.kind, reason.text) for item in owner.stale for reason in item.reasons],
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [f"| {' | '.join(_plain(cell) for cell in row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *body]


def _plain(text: str) -> str:
    """Return a text without what would end a cell of a table or be taken for markup."""
    for character in _MARKUP:
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split()) or "-"
