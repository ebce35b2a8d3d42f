"""`featurestore stale`: what has changed since each live model was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["stale"]

_CLASSES = ("code", "data", "schema", "activation")


@verb(
    "stale",
    "featurestore stale",
    "featurestore stale --fail-on schema --fail-on activation",
    "featurestore stale --markdown",
)
@click.option(
    "--fail-on",
    multiple=True,
    type=click.Choice(["any", *_CLASSES]),
    help="End with 1 if anything of this class has changed; may be given more than once.",
)
@click.option("--markdown", is_flag=True, help="Print a report for a ticket or a channel.")
@click.pass_context
def stale(context: click.Context, session: Session, *, fail_on: tuple[str, ...], markdown: bool) -> None:
    """Show, for every live model version and its endpoints, what has changed since it was trained, by owner.

    Each change has a class: code (a newer definition computes a feature that is read otherwise), data (newer rows),
    schema (a column that is read was removed or retyped), activation (an endpoint's pointer was moved away from the
    lock); and the path by which it reaches the endpoint. For a scheduler: the exit code is 0, or 1 if a change of a
    class named by --fail-on was found.
    """
    from featurestore.lineage.stale_report import StaleReport

    with session.store(read_only=True) as store:
        report = StaleReport(tuple(store.stale_models(fresh=True)))
    text = report.to_markdown().rstrip() if markdown else str(report)
    session.output.answer(report.stale, people=text)
    found = report.classes & set(fail_on) or ("any" in fail_on and report.classes)
    context.exit(1 if found else 0)
