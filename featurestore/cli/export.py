"""`featurestore export`: tell others what the store has done."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["export"]


@verb(
    "export",
    "featurestore export openlineage",
    "featurestore export openlineage --since 30d",
    "featurestore export openlineage --since 2026-01-01 --to events.ndjson",
)
@click.argument("form", type=click.Choice(["openlineage"]), metavar="openlineage")
@click.option("--since", metavar="TIME", help="What was done from then on; ISO text, or back from now: 14d.")
@click.option("--until", metavar="TIME", help="What was done up to then.")
@click.option("--to", "target", metavar="FILE", help="Write there instead, one event a line; - is standard output.")
def export(session: Session, form: str, since: str | None, until: str | None, target: str | None) -> None:  # noqa: ARG001 - the only one
    """Send the events that wait in the outbox to what [openlineage] in featurestore.toml names.

    With --since, --until or --to, events are made of the history instead, for a receiver that is new: the same history
    gives the same runs. The exit code is 5 if the receiver cannot be reached; what was not sent waits on.
    """
    from featurestore.integrations import openlineage

    past = since is not None or until is not None or target is not None
    with session.store(read_only=target is not None) as store:
        if target is None:
            sent = openlineage.send_history(store, since, until) if past else openlineage.send_pending(store)
            answer = {"sent": sent.sent, "refused": sent.refused, "waiting": sent.waiting}
        else:
            lines = [json.dumps(event, ensure_ascii=False) for event in openlineage.history(store, since, until)]
            if target == "-":
                click.echo("\n".join(lines))
                return
            Path(target).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            answer = {"sent": len(lines), "refused": 0, "waiting": 0}
    said = f"{answer['sent']} events sent, {answer['refused']} refused, {answer['waiting']} waiting"
    session.output.answer(answer, people=said)
    if answer["refused"]:
        click.get_current_context().exit(1)
