"""The weekly report: live models by owner, what has changed since each was trained, as text and as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from featurestore.lineage.text import count, moment, some

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.lineage.stale import StaleModel, StaleReason

__all__ = ["StaleReport"]

_NOBODY = "no owner"


@dataclass(frozen=True, slots=True)
class StaleReport:
    """Live models and endpoints, those for which nothing has changed among them (`stale_models(fresh=True)`)."""

    models: tuple[StaleModel, ...]

    @property
    def stale(self) -> tuple[StaleModel, ...]:
        """Those for which something has changed."""
        return tuple(item for item in self.models if item.reasons)

    @property
    def classes(self) -> frozenset[str]:
        """Classes of what has changed: code, data, schema, activation."""
        return frozenset(reason.kind for item in self.models for reason in item.reasons)

    def by_owner(self) -> list[tuple[str, list[StaleModel]]]:
        """Return the stale models of each owner, in order of name; those without one last."""
        owners = sorted({item.owner for item in self.stale}, key=lambda owner: (not owner, owner.casefold()))
        return [(owner or _NOBODY, [item for item in self.stale if item.owner == owner]) for owner in owners]

    def __str__(self) -> str:
        lines = [self._headline()]
        for owner, items in self.by_owner():
            lines += ["", f"{owner} ({_classes(items)})"]
            for item in items:
                lines.append(f"  {item.model} on {item.endpoint}, trained {moment(item.trained_at)}")
                for reason in item.reasons:
                    lines.append(f"    {reason.kind:<10}  {reason.text}")
                    lines.append(f"    {'':<10}  {_when(reason)}; {' -> '.join(reason.path)}")
        return "\n".join([*lines, *self._fresh()])

    def to_markdown(self) -> str:
        """Return the report for a ticket, a pull request or a channel."""
        lines = ["# Stale models", "", self._headline()]
        for owner, items in self.by_owner():
            lines += ["", f"## {_escaped(owner)}"]
            for item in items:
                title = f"### {_code(item.model)} on {_code(item.endpoint)}"
                lines += ["", title, "", f"Trained {moment(item.trained_at)}.", ""]
                lines += ["| class | what has changed | when, who, why | path |", "|---|---|---|---|"]
                lines += [
                    f"| {reason.kind} | {_escaped(reason.text)} | {_escaped(_when(reason))} | "
                    f"{' → '.join(map(_code, reason.path))} |"
                    for reason in item.reasons
                ]
        return "\n".join([*lines, *map(_escaped, self._fresh())]) + "\n"

    def _headline(self) -> str:
        if not self.models:
            return "No model is live."
        live = count(len({item.model for item in self.models}), "live model version")
        places = count(len({item.endpoint for item in self.models}), "endpoint")
        stale = len({item.model for item in self.stale})
        changed = f"something has changed for {stale:,} of them since training" if stale else "nothing has changed"
        return f"{live} on {places}: {changed}."

    def _fresh(self) -> list[str]:
        fresh = [f"{item.model} on {item.endpoint}" for item in self.models if not item.reasons]
        return ["", f"Nothing has changed for {some(fresh, 8)}."] if fresh and self.stale else []


def _classes(items: Iterable[StaleModel]) -> str:
    return ", ".join(sorted({reason.kind for item in items for reason in item.reasons}))


def _when(reason: StaleReason) -> str:
    who = f" by {reason.actor}" if reason.actor else ""
    told = not reason.reason or reason.text.endswith(reason.reason)
    return f"{moment(reason.at)}{who}" + ("" if told else f": {reason.reason}")


def _code(text: str) -> str:
    return f"`{text}`"


def _escaped(text: str) -> str:
    """Return a text without what would end a cell of a table or be taken for markup."""
    for character in ("\\", "|", "<", ">", "*", "_", "`", "["):
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ").strip()
