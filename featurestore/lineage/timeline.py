"""A history of changes as text: a line a change, with its class, who and why; what is routine is folded."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from featurestore.lineage.text import count, moment, outline, short, some, table
from featurestore.model.history import CLASSES
from featurestore.model.times import from_micros

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from featurestore.model.history import Change

__all__ = ["sentence", "timeline"]

_ROUTINE = frozenset({"materialized", "published", "compacted", "pushed", "data changed", "ran"})
"""Kinds that come again and again when nothing is wrong."""


def timeline(changes: Sequence[Change], *, each: bool = False) -> str:
    """Return changes as a text that can be read at once.

    Parameters
    ----------
    changes
        In the order of commits.
    each
        Give every change a line of its own. Otherwise what is routine (new rows, published rows) is told once for each
        subject between two changes that are not.
    """
    if not changes:
        return "nothing has changed"
    classes = Counter(change.category for change in changes)
    parts = [f"{classes[name]:,} {name}" for name in CLASSES if name in classes]
    rows = [_row(group) for group in ([[change] for change in changes] if each else _folded(changes))]
    unread = any(change.read is False for change in changes)
    note = "  not read: a newer version, or columns, that what was asked about does not read"
    return outline(
        f"{count(len(changes), 'change')}: {', '.join(parts)}",
        table(("when", "class", "what", "who", "why"), rows),
        [note] if unread else [],
    )


def _folded(changes: Iterable[Change]) -> Iterable[list[Change]]:
    """Yield changes that are told together, by the time of the last of each."""
    waiting: dict[tuple[str, str, bool | None, str], list[Change]] = {}
    for change in changes:
        if change.kind in _ROUTINE:
            waiting.setdefault((change.kind, change.subject, change.read, change.actor), []).append(change)
            continue
        yield from _in_order(waiting)
        waiting.clear()
        yield [change]
    yield from _in_order(waiting)


def _in_order(groups: Mapping[Any, list[Change]]) -> list[list[Change]]:
    return sorted(groups.values(), key=lambda group: group[-1].id)


def _row(group: Sequence[Change]) -> tuple[str, ...]:
    last = group[-1]
    text = sentence(last)
    if len(group) > 1:
        text = f"{len(group):,} times since {moment(group[0].at)}, the last: {text}"
    mark = "  (not read)" if last.read is False else ""
    return moment(last.at), last.category, text + mark, last.actor, last.reason or "-"


def sentence(change: Change) -> str:
    """Return what happened, without when, who and why."""
    key = change.subject.partition("/")[2]
    tell = _SENTENCES.get(change.kind)
    return tell(key, change.detail) if tell is not None else _plainly(change.kind, key, change.detail)


def _plainly(kind: str, key: str, detail: Mapping[str, Any]) -> str:
    said = [f"{name} {_value(value)}" for name, value in detail.items() if value not in (None, "", False, {}, [])]
    return f"{key} {kind}" + (f": {', '.join(said)}" if said else "")


def _value(value: object) -> str:
    if isinstance(value, dict):
        return some([f"{name} {item}" for name, item in value.items()])
    return some([str(item) for item in value]) if isinstance(value, list) else short(str(value))


def _applied(key: str, detail: Mapping[str, Any]) -> str:
    features = detail.get("features") or {}
    parts = [f"{some(sorted(detail[name]))} {name}" for name in ("added", "removed") if detail.get(name)]
    parts += [
        f"{some(sorted(name for name, done in features.items() if done == action))} {action}"
        for action in dict.fromkeys(features.values())
    ]
    said = {"new": "is new", "reverted": "applied again"}.get(str(detail.get("action")), "applied")
    listed = "" if detail.get("action") == "new" or not parts else f": {', '.join(parts)}"
    commit = f" (commit {short(detail['commit'])})" if detail.get("commit") else ""
    return f"{key} {said}{listed}{commit}"


def _retired(key: str, detail: Mapping[str, Any]) -> str:
    return f"{key} retired" + (f": use {detail['replacement']}" if detail.get("replacement") else "")


def _materialized(key: str, detail: Mapping[str, Any]) -> str:
    window = "" if detail.get("start") is None and detail.get("end") is None else f" of {_window(detail)}"
    sources = ", ".join(f"{name} {short(data)}" for name, data in (detail.get("sources") or {}).items())
    return f"{key} materialized: {count(detail.get('rows', 0), 'row')}{window}" + (
        f", from {sources}" if sources else ""
    )


def _window(detail: Mapping[str, Any]) -> str:
    start, end = (None if detail.get(name) is None else from_micros(detail[name]) for name in ("start", "end"))
    return f"[{'...' if start is None else moment(start)}, {'...' if end is None else moment(end)})"


def _compacted(key: str, _: Mapping[str, Any]) -> str:
    return f"{key} compacted: the same rows in one run"


def _published(key: str, detail: Mapping[str, Any]) -> str:
    as_of = detail.get("as_of")
    until = "" if as_of is None else f", rows up to {moment(from_micros(as_of))}"
    held = ", held until the next publish" if detail.get("held") else ""
    return (
        f"{key} published: {count(detail.get('rows', 0), 'key')}{until}, snapshot {short(detail.get('snapshot'))}{held}"
    )


def _pushed(key: str, detail: Mapping[str, Any]) -> str:
    return f"{key}: {count(detail.get('rows', 0), 'row')} pushed"


def _data_changed(key: str, detail: Mapping[str, Any]) -> str:
    return f"{key} holds other data: {short(detail.get('after'))}, before {short(detail.get('before'))}"


def _values_changed(key: str, detail: Mapping[str, Any]) -> str:
    finding = detail.get("finding", {})
    return f"{key}: {finding.get('text')} ({finding.get('severity')}, against {finding.get('against')})"


def _schema_changed(key: str, detail: Mapping[str, Any]) -> str:
    parts = [f"{some(detail[name])} {name}" for name in ("removed", "added") if detail.get(name)]
    parts += [f"{column} is {new}, was {old}" for column, (old, new) in (detail.get("retyped") or {}).items()]
    return f"{key}: {'; '.join(parts)}"


def _moved(verb: str) -> Callable[[str, Mapping[str, Any]], str]:
    def tell(key: str, detail: Mapping[str, Any]) -> str:
        scope = f"for endpoint {detail['endpoint']}" if detail.get("endpoint") else "in the default scope"
        return f"{detail.get('pointer', key)} {verb} v{detail.get('version')}, {scope}"

    return tell


def _trained(key: str, detail: Mapping[str, Any]) -> str:
    return f"frame {short(key)} joined: {count(detail.get('rows', 0), 'row')} from {some(detail.get('versions', []))}"


def _registered(key: str, detail: Mapping[str, Any]) -> str:
    return f"{key} registered, trained on frame {short(detail.get('frame'))}"


def _deployed(key: str, detail: Mapping[str, Any]) -> str:
    share = "" if detail.get("share") is None else f", {detail['share']:.0%} of the traffic"
    return f"{key} deployed on {detail.get('endpoint')}{share}"


def _undeployed(key: str, detail: Mapping[str, Any]) -> str:
    return f"{key} undeployed from {detail.get('endpoint')}"


def _acknowledged(_: str, detail: Mapping[str, Any]) -> str:
    until = moment(datetime.fromisoformat(detail["until"]))
    reached = [str(reader).partition("/")[2] or str(reader) for reader in detail.get("reached", ())]
    return f"accepted until {until}: {detail.get('change')}; it reaches {some(reached)}"


def _withdrawn(_: str, detail: Mapping[str, Any]) -> str:
    return f"not accepted any more: {detail.get('change')}"


def _contract(key: str, detail: Mapping[str, Any]) -> str:
    before = f", before {detail['before']}" if detail.get("before") else ""
    breaking = ", breaking" if detail.get("breaking") else ""
    changes = f": {some(detail['changes'])}" if detail.get("changes") else ""
    return f"{key} is under contract {detail.get('contract')}{before}{breaking}{changes}"


_SENTENCES: Mapping[str, Callable[[str, Mapping[str, Any]], str]] = {
    "applied": _applied,
    "retired": _retired,
    "acknowledged": _acknowledged,
    "acknowledgement withdrawn": _withdrawn,
    "contract": _contract,
    "materialized": _materialized,
    "compacted": _compacted,
    "published": _published,
    "pushed": _pushed,
    "data changed": _data_changed,
    "values changed": _values_changed,
    "schema changed": _schema_changed,
    "activated": _moved("activated at"),
    "rolled back": _moved("rolled back to"),
    "trained": _trained,
    "registered": _registered,
    "deployed": _deployed,
    "undeployed": _undeployed,
}
"""Kind of change to its sentence; other kinds are told plainly."""
