"""`featurestore ack`: accept what the gate blocks; list and withdraw what was accepted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.command import verb
from featurestore.cli.proposal import checked, proposal
from featurestore.errors import RequestError

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.model.effect import Acknowledgement

__all__ = ["ack"]


@verb(
    "ack",
    'featurestore ack --drop-column weather.wind_speed --reason "agreed with the delay team" --until 30d',
    'featurestore ack features/ --source weather.schema.json --reason "delay@1 is retired on Friday" --until 14d',
    "featurestore ack --list",
    'featurestore ack --withdraw 3fa9c2e81b70 --reason "delay@1 stays"',
)
@proposal
@click.option("--reason", help="Why it is accepted, or withdrawn.")
@click.option("--until", metavar="TIME", help="Until when it is accepted: a time, or how long from now, as 14d.")
@click.option("--only", multiple=True, metavar="FINGERPRINT", help="Accept only this one; the first digits will do.")
@click.option("--list", "show", is_flag=True, help="List what was accepted, also what has ended.")
@click.option("--withdraw", metavar="FINGERPRINT", help="Let one hold no longer; the first digits will do.")
def ack(session: Session, **asked: Any) -> None:  # noqa: ANN401 - the options above and those of `proposal`
    """Accept what `check` blocks, with the same arguments: for a reason, until a time.

    It holds for exactly this change and those whom it reaches now: another column, type or computation is another
    change, and where it comes to reach one more live model it does not hold any more. Acknowledgements are part of the
    history (`featurestore changes`).
    """
    if asked["show"]:
        with session.store(read_only=True) as store:
            _answer(session, store.acknowledgements())
        return
    if asked["reason"] is None:
        message = "say why: --reason TEXT."
        raise RequestError(message)
    if asked["withdraw"] is not None:
        with session.store() as store:
            _answer(session, store.withdraw_acknowledgement(asked["withdraw"], reason=asked["reason"]))
        return
    if asked["until"] is None:
        message = "say until when: --until 14d, or a time."
        raise RequestError(message)
    found = checked(session, asked, read_only=True)
    with session.store() as store:
        _answer(session, store.acknowledge(found, reason=asked["reason"], until=asked["until"], only=asked["only"]))


def _answer(session: Session, listed: list[Acknowledgement]) -> None:
    from rich.console import Console

    from featurestore.cli.tables import table

    now = datetime.now(UTC)
    answer = [
        {
            "fingerprint": item.fingerprint,
            "text": str(item.change),
            "change": item.change,
            "reached": item.reached,
            "reason": item.reason,
            "actor": item.actor,
            "at": item.at,
            "until": item.until,
            "withdrawn": item.withdrawn,
            "state": item.state(now),
        }
        for item in listed
    ]

    def people(console: Console) -> None:
        titles = ("fingerprint", "change", "reaches", "why", "who", "until", "state")
        rows = [
            (item.fingerprint[:12], str(item.change), item.reached, item.reason, item.actor, item.until,
             item.state(now))
            for item in listed
        ]  # fmt: skip
        console.print(table(titles, rows) if rows else "nothing was accepted")

    session.output.answer(answer, people=people)
