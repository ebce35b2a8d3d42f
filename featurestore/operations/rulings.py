"""Rulings: what the policy says about a plan, and what was acknowledged; the same for check and apply."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from featurestore.catalog import acknowledgements
from featurestore.errors import BlockedError
from featurestore.lineage.gate_definitions import ProposedVersion, definition_rulings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from featurestore.model.effect import Ruling
    from featurestore.model.policy import Policy
    from featurestore.operations.define import Defined
    from featurestore.operations.plan import ViewChange

__all__ = ["acknowledged", "plan_rulings", "refuse_blocked"]


def plan_rulings(
    connection: Connection, changes: Sequence[ViewChange], defined: Sequence[Defined], policy: Policy
) -> list[Ruling]:
    """Return what the policy says about each feature that a plan changes under a reader."""
    proposed = []
    for change, item in zip(changes, defined, strict=True):
        # An added feature may have the name of one that an older version has, and that is read there.
        touched = tuple(feature.name for feature in change.features if feature.action != "unchanged")
        if change.before is not None and touched:
            proposed.append(ProposedVersion(f"{change.view}@v{change.version}", item.definition, touched))
    return definition_rulings(connection, proposed, policy)


def acknowledged(connection: Connection, rulings: Iterable[Ruling], now: datetime) -> list[Ruling]:
    """Return the rulings, each with the acknowledgement that covers it, or with the newest that does not any more."""
    listed = list(rulings)
    given = acknowledgements.of_changes(connection, [ruling.change.digest for ruling in listed])
    found = []
    for ruling in listed:
        same = given.get(ruling.change.digest, [])
        holds = [item for item in same if item.covers(ruling, now)]
        lapsed = [item for item in same if item.withdrawn is None]
        if holds:
            found.append(replace(ruling, acknowledgement=holds[-1]))
        else:
            found.append(replace(ruling, lapsed=lapsed[-1] if lapsed else None))
    return found


def refuse_blocked(rulings: Iterable[Ruling]) -> None:
    """Hold that nothing is blocked.

    Raises
    ------
    BlockedError
        If something is; the message names each change, whom it reaches, and what to do.
    """
    blocked = [ruling for ruling in rulings if ruling.blocks]
    if not blocked:
        return
    lines = []
    for ruling in blocked:
        why = f" ({ruling.change.why})" if ruling.change.why else ""
        readers = [
            f"{effect.name}" + (f" on {', '.join(effect.endpoints)}" if effect.endpoints else "")
            for effect in ruling.effects
            if effect.action == "block"
        ]
        lines.append(f"\n    {ruling.change}{why}, which {', '.join(readers)} reads")
    raise BlockedError(
        f"the policy refuses this:{''.join(lines)}\nKeep the feature as it is and add the new one under another name, "
        "or let who answers for the models accept it: `featurestore ack` (store.acknowledge) with the same definitions."
    )
