"""`featurestore trained-on`: what exact data a model version was trained on."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.exits import exit_code
from featurestore.errors import CorruptError

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["trained_on"]


@verb(
    "trained-on",
    "featurestore trained-on delay@1",
    "featurestore trained-on delay@1 --verify",
)
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--verify", is_flag=True, help="Read every file that a rebuild needs and compare it with its digest.")
@click.option("--code", is_flag=True, help="Print what computed each version, too.")
@click.pass_context
def trained_on(context: click.Context, session: Session, model: str, *, verify: bool, code: bool) -> None:
    """Show what a model version was trained on: sources' data versions, feature versions, snapshots, rows, code.

    And whether the same rows can be had again: each file that this needs is looked for, and with --verify read. The
    exit code is 0 if they can, 6 if they cannot; the answer names every file that is missing or damaged.
    """
    with session.store(read_only=True) as store:
        answer = store.trained_on(model, verify=verify)
    texts = [f"\n{item.version} ({item.computation})\n{dedent(item.text).strip()}" for item in answer.versions if code]
    session.output.answer(answer, people="\n".join([str(answer), *texts]))
    context.exit(0 if answer.rebuildable else exit_code(CorruptError()))
