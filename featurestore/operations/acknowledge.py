"""Acknowledge: somebody who answers for what a change reaches accepts it, for a reason, until a day."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from featurestore.catalog import acknowledgements
from featurestore.errors import NotFoundError, RequestError, nearest
from featurestore.lineage.text import moment
from featurestore.model.times import parse_duration, parse_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from featurestore.model.effect import Acknowledgement, Ruling
    from featurestore.operations.check import Check
    from featurestore.operations.context import Context

__all__ = ["acknowledge", "withdraw"]


def acknowledge(
    context: Context, found: Check, *, reason: str, until: datetime | date | timedelta | str, only: Sequence[str] = ()
) -> list[Acknowledgement]:
    """Accept what a check blocks.

    Parameters
    ----------
    found
        What `check` returned.
    reason
        Why.
    until
        A time, or how long from now (`"14d"`): at most the policy's `longest_acknowledgement`.
    only
        Beginnings of the fingerprints of those rulings that are accepted; empty: all that block.

    Raises
    ------
    RequestError
        If no reason is given, the time is past or too far, or nothing is blocked.
    NotFoundError
        If a fingerprint is none of the check's.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise RequestError("an impact is accepted for a reason, which those whom it reaches are told: give reason=.")
    end = _until(until, datetime.now(UTC), context.settings.policy.longest_acknowledgement)
    chosen = _chosen(found, only)
    with context.catalog.write() as tx:
        return [acknowledgements.add(tx, ruling, reason.strip(), end) for ruling in chosen]


def _chosen(found: Check, only: Sequence[str]) -> list[Ruling]:
    if not only:
        if not found.blocked:
            raise RequestError(f"there is nothing to accept: the check is {found.result}.")
        return list(found.blocked)
    chosen = []
    for start in only:
        fits = [ruling for ruling in found.rulings if start and ruling.fingerprint.startswith(start.lower())]
        if not fits:
            known = [ruling.fingerprint[:12] for ruling in found.rulings]
            raise NotFoundError(f"{start!r} begins no fingerprint of the check.{nearest(start, known)}")
        chosen += [ruling for ruling in fits if ruling not in chosen]
    return chosen


def _until(until: datetime | date | timedelta | str, now: datetime, longest: timedelta) -> datetime:
    """Return the moment that is meant; a duration counts from now on."""
    try:
        length = parse_duration(until) if isinstance(until, str | timedelta) else None
    except RequestError:
        length = None
    if length is None and not isinstance(until, timedelta):
        length = parse_time(until, now=now, what="until") - now
    if length is None or length <= timedelta(0):
        raise RequestError(f"until={until!r} is over already: give a time to come, or a duration such as '14d'.")
    if length > longest:
        raise RequestError(
            f"until={until!r} is further away than the policy allows, {longest.days} days "
            "(longest_acknowledgement): accept it for a shorter time, and look again then."
        )
    return now + length


def withdraw(context: Context, fingerprint: str, *, reason: str) -> list[Acknowledgement]:
    """Let an acknowledgement hold no longer.

    Parameters
    ----------
    fingerprint
        Its fingerprint, or the beginning of it, which must fit one change only.

    Raises
    ------
    NotFoundError
        If none that holds begins so.
    RequestError
        If no reason is given, or the beginning fits several.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise RequestError("an acknowledgement is withdrawn for a reason: give reason=.")
    with context.catalog.write() as tx:
        found = acknowledgements.find(tx.connection, fingerprint)
        names = {item.fingerprint for item in found}
        if len(names) > 1:
            listed = ", ".join(sorted(f"{item.fingerprint[:12]} (until {moment(item.until)})" for item in found))
            raise RequestError(f"{fingerprint!r} fits several acknowledgements: {listed}. Give more digits.")
        acknowledgements.withdraw(tx, found[-1], reason.strip())
        return found
