"""`featurestore apply`: record definitions as versions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["apply"]


@verb(
    "apply",
    "featurestore apply features/",
)
@click.argument("paths", nargs=-1, required=True)
def apply(session: Session, paths: tuple[str, ...]) -> None:
    """Record the feature views and sets in PATHS as versions; the same content again changes nothing.

    PATHS are Python files, or folders of them. What is not in PATHS stays as it is.

    What the policy refuses (see `check`) is refused here too, unless it was accepted with `ack`.
    """
    from featurestore.cli.modules import load_definitions

    definitions = load_definitions(paths)
    with session.store() as store:
        store.report_notices(lambda text: session.output.log(f"warning: {text}"))
        versions = store.apply(definitions)
    session.output.answer(versions)
