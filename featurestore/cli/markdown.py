"""A check as Markdown, for a pull request's comment or a job's summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.lineage.text import some
from featurestore.operations.check_text import headline, reader_line, verdict

if TYPE_CHECKING:
    from featurestore.model.effect import Ruling
    from featurestore.operations.check import Check

__all__ = ["page"]

_MARKS = {"block": "🛑", "warn": "⚠️", "allow": "✅"}
_ACCEPT = (
    "To let it pass, who answers for the models accepts it: the same command with `ack` instead of `check`, "
    "`--reason TEXT` and `--until 14d`."
)
_FEW = 50
"""Lines of one kind of one change; a pull request's comment holds 65,536 characters."""


def page(found: Check) -> str:
    """Return the report."""
    lines = [f"## featurestore {headline(found)}", ""]
    if found.rulings:
        lines += ["| | change | severity | reaches | verdict |", "|---|---|---|---|---|"]
        lines += [_row(ruling) for ruling in found.rulings]
        lines.append("")
    for problem in found.problems:
        lines += [f"- ❓ could not tell: {_cell(problem)}"]
    if found.problems:
        lines.append("")
    for ruling in found.rulings:
        lines += _details(ruling)
    if found.blocked:
        lines += [_ACCEPT, ""]
    planned = [line for line in str(found.plan).splitlines() if not line.startswith("!")]
    if planned:
        lines += [
            "<details><summary>What apply would do</summary>",
            "",
            "```text",
            *planned,
            "```",
            "",
            "</details>",
            "",
        ]
    return "\n".join(lines)


def _row(ruling: Ruling) -> str:
    mark = "✅" if ruling.acknowledgement is not None else _MARKS[ruling.action]
    who = [
        f"{effect.name}" + (f" on {', '.join(effect.endpoints)}" if effect.endpoints else "")
        for effect in ruling.effects
        if effect.severity != "safe"
    ]
    said = verdict(ruling).partition(", ")[2]
    return f"| {mark} | {_code(str(ruling.change))} | {ruling.severity} | {_cell(some(who))} | {_cell(said)} |"


def _details(ruling: Ruling) -> list[str]:
    routes = [_code(str(route)) for effect in ruling.effects for route in effect.routes]
    readers = [_cell(reader_line(effect)) for effect in ruling.effects]
    lines = [f"<details><summary>{_cell(str(ruling.change))}</summary>", ""]
    if ruling.change.why:
        lines += [_cell(ruling.change.why), ""]
    for listed in (readers, routes):
        lines += [f"- {text}" for text in listed[:_FEW]]
        lines += [f"- ... and {len(listed) - _FEW} more"] if len(listed) > _FEW else []
        lines += [""] if listed else []
    return [*lines, f"fingerprint {_code(ruling.fingerprint[:12])}", "", "</details>", ""]


def _cell(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
    return escaped.replace("_", "\\_").replace("*", "\\*").replace("`", "\\`")


def _code(text: str) -> str:
    return "`" + text.replace("`", "'").replace("|", "\\|") + "`"
