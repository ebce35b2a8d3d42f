"""A check in words, for people at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.lineage.text import count, moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.model.effect import Effect, Ruling
    from featurestore.operations.check import Check

__all__ = ["describe", "headline", "reader_line", "verdict"]

_SHOWN = 12
"""Digits of a fingerprint, enough to name it."""
_FEW = 20
"""Lines of a kind that are shown of one ruling."""

_MARKS = {"block": "x", "warn": "!", "allow": "="}


def describe(check: Check) -> str:
    """Return the whole report."""
    lines = [headline(check)]
    for ruling in check.rulings:
        lines += ["", *_ruling(ruling)]
    planned = str(check.plan)
    if planned:
        lines += ["", "plan:", *(f"    {line}" for line in planned.splitlines() if not line.startswith("!"))]
    for problem in check.problems:
        lines += ["", f"? could not tell: {problem}"]
    if check.blocked:
        lines += [
            "",
            "To let it pass, who answers for the models accepts it: the same command with `ack` instead of `check`,",
            "and --reason TEXT --until 14d.",
        ]
    return "\n".join(lines)


def headline(check: Check) -> str:
    """Return the result in one line."""
    parts = [
        count(len(rulings), "change") + f" {what}"
        for rulings, what in ((check.blocked, "blocked"), (check.accepted, "accepted"), (check.warned, "to know of"))
        if rulings
    ]
    if check.problems:
        parts.append(count(len(check.problems), "question") + " open")
    if not parts:
        parts.append(
            "nothing that is live, pinned or waited for is touched" if not check.rulings else "nothing to fear"
        )
    return f"check: {check.result} ({', '.join(parts)})"


def verdict(ruling: Ruling) -> str:
    """Return severity, action and acknowledgement of a ruling in words."""
    if ruling.acknowledgement is not None:
        given = ruling.acknowledgement
        action = f"accepted by {given.actor} until {moment(given.until)}: {given.reason}"
    else:
        action = {"block": "blocked", "warn": "a warning", "allow": "allowed"}[ruling.action]
    return f"{ruling.severity}, {action}"


def _ruling(ruling: Ruling) -> list[str]:
    mark = "=" if ruling.acknowledgement is not None else _MARKS[ruling.action]
    lines = [f"{mark} {ruling.change}: {verdict(ruling)}  [{ruling.fingerprint[:_SHOWN]}]"]
    if ruling.change.why:
        lines.append(f"    {ruling.change.why}")
    if ruling.lapsed is not None:
        given = ruling.lapsed
        new = sorted(set(ruling.reached) - set(given.reached))
        gone = f"it reaches {', '.join(new)} now" if new else f"it ended {moment(given.until)}"
        lines.append(f"    {given.actor} accepted it at {moment(given.at)}, which does not hold any more: {gone}")
    routes = [str(route) for effect in ruling.effects for route in effect.routes]
    lines += _few(routes)
    lines += _few([reader_line(effect) for effect in ruling.effects])
    return lines


def reader_line(effect: Effect) -> str:
    """Return what one change does to one reader, in one line."""
    kind, _, name = effect.reader.partition("/")
    who = {"pointer": f"default pointer {name}", "set": f"feature set {name}"}.get(kind, name)
    if kind == "version":
        who = f"{name}, which nobody reads"
    if kind == "definition":
        who = f"the proposed definition of {name}"
    owner = f" ({effect.owner})" if effect.owner else ""
    live = f", live on {', '.join(effect.endpoints)}" if effect.endpoints else ""
    breaks = f"breaks {' and '.join(effect.breaks)}" if effect.breaks else "breaks nothing"
    keeps = f"; {effect.keeps}" if effect.keeps else ""
    return f"{who}{owner}{live}: {breaks}{keeps}"


def _few(texts: Sequence[str]) -> list[str]:
    lines = [f"    {text}" for text in texts[:_FEW]]
    return [*lines, f"    ... and {len(texts) - _FEW} more (--json lists all)"] if len(texts) > _FEW else lines
