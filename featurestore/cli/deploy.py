"""`featurestore deploy` and `featurestore undeploy`: which model versions are live on which endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["deploy", "undeploy"]


@verb(
    "deploy",
    "featurestore deploy delay@1 --endpoint eta-prod",
)
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--endpoint", required=True, metavar="NAME", help="Where the model is live.")
@click.option("--replace", is_flag=True, help="Take every other model version off the endpoint.")
@click.option("--share", type=click.FloatRange(0, 1), help="Share of the traffic that it gets, 0 to 1, for the record.")
def deploy(session: Session, model: str, endpoint: str, share: float | None, *, replace: bool) -> None:
    """Record that a model version is live on an endpoint. The endpoint then reads what the model's lock pins."""
    with session.store() as store:
        deployed = store.deploy(model, endpoint=endpoint, replace=replace, share=share)
    session.output.answer(deployed)


@verb(
    "undeploy",
    "featurestore undeploy delay@1 --endpoint eta-prod",
)
@click.argument("model", metavar="MODEL@VERSION")
@click.option("--endpoint", required=True, metavar="NAME", help="Where the model was live.")
def undeploy(session: Session, model: str, endpoint: str) -> None:
    """Record that a model version is no longer live on an endpoint; the history stays."""
    with session.store() as store:
        undeployed = store.undeploy(model, endpoint=endpoint)
    session.output.answer(undeployed)
