"""`featurestore plan`: what applying definitions would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["plan"]


@verb(
    "plan",
    "featurestore plan features/",
)
@click.argument("paths", nargs=-1, required=True)
def plan(session: Session, paths: tuple[str, ...]) -> None:
    """Show what applying the feature views and sets in PATHS would change, and whom it would touch. Changes nothing.

    PATHS are Python files, or folders of them. Relative paths of sources start at the working folder.
    """
    from featurestore.cli.modules import load_definitions

    definitions = load_definitions(paths)
    with session.store() as store:
        proposed = store.plan(definitions)
    answer = {
        "changes": proposed.changes,
        "sets": proposed.sets,
        "contracts": proposed.contracts,
        "impact": proposed.impact,
        "blocking": proposed.blocking,
    }
    session.output.answer(answer, people=str(proposed))
