"""Deploy and undeploy: which model version is live on which endpoint, with history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import models
from featurestore.errors import ConflictError, NotFoundError, RequestError, nearest
from featurestore.model.names import check_deployable_name
from featurestore.operations.register import as_model

if TYPE_CHECKING:
    from featurestore.model.history import Deployment
    from featurestore.operations.context import Context

__all__ = ["deploy", "undeploy"]


def deploy(
    context: Context, model: object, *, endpoint: str, replace: bool = False, share: float | None = None
) -> Deployment:
    """Make a model version live on an endpoint, whose pointers for it start as the model's lock.

    Parameters
    ----------
    replace
        End what is live there.
    share
        Fraction of the traffic, above 0 and at most 1, when several models are live there side by side.

    Raises
    ------
    ConflictError
        If another model is live there and neither `replace` nor `share` was said.
    """
    check_deployable_name(endpoint, "endpoint")
    if share is not None and not (type(share) in {int, float} and 0 < share <= 1):
        raise RequestError(f"share={share} is not a fraction of the traffic: give a number above 0, at most 1.")
    reference = as_model(model)
    with context.catalog.write() as tx:
        found = models.find(tx.connection, reference)
        live = []
        if endpoint.casefold() in {name.casefold() for name in models.endpoint_names(tx.connection)}:
            live = models.deployments(tx.connection, endpoint=endpoint)
        same = [item for item in live if item.reference == found.reference and item.share == share]
        others = [item for item in live if item.reference != found.reference]
        if others and not replace and not same and share is None:
            names = ", ".join(item.reference for item in others)
            raise ConflictError(
                f"{names} is live on {endpoint!r}: say replace=True to end it, or share= to serve both side by side."
            )
        for item in live:
            if item not in same and (replace or item.reference == found.reference):
                models.end_deployment(tx, item, f"replaced by {found.reference}")
        return same[0] if same else models.deploy(tx, found, endpoint, share)


def undeploy(context: Context, model: object, *, endpoint: str) -> Deployment:
    """End a deployment.

    Raises
    ------
    NotFoundError
        If that model version is not live on that endpoint.
    """
    check_deployable_name(endpoint, "endpoint")
    reference = as_model(model)
    with context.catalog.write() as tx:
        live = models.deployments(tx.connection, endpoint=endpoint)
        for item in live:
            if item.reference.casefold() == str(reference).casefold():
                models.end_deployment(tx, item, "")
                ended = models.deployments(tx.connection, endpoint=endpoint, live=False)
                return next(found for found in ended if found.id == item.id)
        known = nearest(str(reference), [item.reference for item in live])
        raise NotFoundError(f"{reference} is not live on {endpoint!r}.{known}")
