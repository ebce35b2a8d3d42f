"""`featurestore register`: record a model version and what it was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.model.pins import PinSet

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["register"]


def _metrics(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    metrics = {}
    for text in values:
        name, equals, number = text.partition("=")
        try:
            metrics[name] = float(number)
        except ValueError:
            equals = ""
        if not (name and equals):
            message = f"{text!r} is not name=number, for example rmse=12.5"
            raise click.BadParameter(message)
    return metrics


@verb(
    "register",
    "featurestore register delay --version 1 --lock delay.lock --input airport_weather__temp --metric rmse=12.5",
)
@click.argument("model")
@click.option("--version", required=True, metavar="VERSION", help="The model's version: letters, digits, _ - .")
@click.option("--frame", "frame_id", metavar="ID", help="The training frame, by its id.")
@click.option("--lock", "lock_path", metavar="FILE.lock", help="The training frame, by its lock.")
@click.option("--input", "inputs", multiple=True, metavar="COLUMN", help="A column that the model reads; in order.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME=NUMBER", callback=_metrics, help="A metric.")
@click.option("--owner", metavar="WHO", help="Who answers for the model.")
@click.option("--uri", metavar="URI", help="Where the model itself is kept.")
@click.option("--git-sha", metavar="COMMIT", help="The training code; by default the working folder's commit.")
def register(
    session: Session,
    *,
    model: str,
    version: str,
    frame_id: str | None,
    lock_path: str | None,
    inputs: tuple[str, ...],
    metrics: dict[str, float],
    owner: str | None,
    uri: str | None,
    git_sha: str | None,
) -> None:
    """Record a model version with the training frame it comes from; its lock keeps only the features that it reads.

    Name the frame by --frame (train prints the id) or --lock. Without --input the model reads every feature column.
    """
    if lock_path is not None and frame_id is None:
        frame: str | PinSet = PinSet.load(lock_path)
    elif frame_id is not None and lock_path is None:
        frame = frame_id
    else:
        message = "name the training frame: either --frame ID or --lock FILE"
        raise click.UsageError(message)
    with session.store() as store:
        registered = store.register_model(
            model,
            version=version,
            frame=frame,
            inputs=list(inputs) or None,
            owner=owner,
            uri=uri,
            git_sha=git_sha,
            metrics=metrics,
        )
    session.output.answer(registered)
