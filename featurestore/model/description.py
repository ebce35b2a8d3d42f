"""Descriptions: what a request needs and what its answer holds, told before the first row is asked for."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Description"]


@dataclass(frozen=True, slots=True)
class Description:
    """What a model version, an endpoint or a list of references takes and gives.

    Attributes
    ----------
    keys
        `(name, type)` of each column that `entities` must hold, in order; a type in its text form, `"Int64"`.
    request
        `(name, type)` of each input of the model that the caller brings himself, in order.
    inputs
        The columns that the model reads, in its order: features and the request's own; empty without a model.
    columns
        `(name, reference, type)` of each column of the answer, in order; the reference names the version that answers
        now.
    lock_digest
        64 hex digits of the model's lock, which a caller may send as `lock=` to be refused on a mismatch; None without
        a model.
    model, endpoint
        `"delay@1"` and `"eta-prod"`, where the request names or reaches them; otherwise None.
    feature_set
        `"fraud@v2"`, the version that answers where the request names a feature set; otherwise None.
    """

    keys: tuple[tuple[str, str], ...]
    request: tuple[tuple[str, str], ...]
    inputs: tuple[str, ...]
    columns: tuple[tuple[str, str, str], ...]
    lock_digest: str | None = None
    model: str | None = None
    endpoint: str | None = None
    feature_set: str | None = None
