"""`featurestore profile`: what rows look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["profile"]


@verb(
    "profile",
    "featurestore profile airport_weather@v1",
    "featurestore profile weather.temp --json",
    "featurestore profile delay@1",
)
@click.argument("node")
def profile(session: Session, node: str) -> None:
    """Show what the rows of NODE look like: counts, nulls, empties, bounds, most frequent values.

    NODE is a snapshot, a feature version (its newest snapshot) or feature, a source or source.column (at the data
    version read last), a training frame, or a model version (the frame it was trained on). With --json the whole
    profile is printed: sketches, histograms, rows per window of time.
    """
    from featurestore.operations.profile_text import profile_text

    with session.store() as store:
        found = store.profile(node)
    session.output.answer(found, people=profile_text(found))
