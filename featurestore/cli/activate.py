"""`featurestore activate`: point readers at feature versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.operations.compare_versions import VersionComparison
    from featurestore.store import FeatureStore

__all__ = ["activate"]


@verb(
    "activate",
    'featurestore activate airport_weather@v1 --reason "first version"',
    'featurestore activate airport_weather@v2 --compare --reason "gusts too"',
)
@click.argument("references", metavar="VIEW@vN[:FEATURE]...", nargs=-1, required=True)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the history.")
@click.option("--endpoint", metavar="NAME", help="For the readers of this endpoint only.")
@click.option("--compare", is_flag=True, help="First compare each version with the one that is read now.")
@click.option("--accept", is_flag=True, help="With --compare: move whatever it finds.")
@click.pass_context
def activate(
    context: click.Context,
    session: Session,
    references: tuple[str, ...],
    *,
    reason: str,
    endpoint: str | None,
    compare: bool,
    accept: bool,
) -> None:
    """Point readers at these versions; several are one atomic change. A whole view's pointer clears its features' own.

    Readers are those who name no version (the default scope), or those of one endpoint. With --compare each version is
    first compared with what is read now, as `featurestore compare` does, and that is kept in the history. If a feature
    is gone or has another type, or its values changed in a way that blocks, nothing moves and the exit code is 1.
    """
    with session.store() as store:
        compared = _compared(store, references, endpoint) if compare else []
        for one in compared:
            session.output.log(str(one))
        if any(one.blocking for one in compared) and not accept:
            session.output.log("nothing moved: look at what differs, then activate again with --accept")
            session.output.answer([], people="")
            context.exit(1)
        moved = store.activate(*references, reason=reason, endpoint=endpoint)
    session.output.answer(moved)


def _compared(store: FeatureStore, references: tuple[str, ...], endpoint: str | None) -> list[VersionComparison]:
    """Compare each version with the one that is read now; a pointer that moves for the first time has none."""
    found = []
    for reference in references:
        version, _, feature = reference.partition(":")
        after = store.version(version)
        pointer = f"{after.view}:{feature}" if feature else after.view
        read = {answer.version for answer in store.active_at(pointer, endpoint=endpoint).answers}
        found += [
            store.compare_versions(before, after, endpoint=endpoint, record=True)
            for before in sorted(read - {after.reference})
        ]
    return found
