"""What is asked: messages with drawn keys, and the check that an answer holds what the store was made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.online.data import value
from benchmarks.online.workloads import VECTOR, Workload
from featurestore.model.status import Status
from featurestore.online.lookup import Asked
from featurestore.serving.codec import ReadRequest, decode_answer, encode_request
from featurestore.serving.v1 import serving_pb2 as pb

__all__ = ["Keys", "check", "draw", "message"]

Keys = np.ndarray[Any, np.dtype[np.int64]]


def draw(workload: Workload, entities: int, bodies: int, seed: int = 7) -> list[Keys]:
    """Return the keys of each body."""
    random = np.random.default_rng(seed)
    if workload.zipf:
        ranks = random.zipf(1.2, (bodies, workload.rows))
        return [(one * 2_654_435_761) % entities for one in ranks]  # scattered, so that the hot ones are not neighbours
    return list(random.integers(0, entities, (bodies, workload.rows)))


def message(features: Sequence[str], keys: Keys) -> bytes:
    """Return the serialized request."""
    return encode_request(ReadRequest(Asked(tuple(features)), {"user": keys})).SerializeToString()


def check(answer: bytes, keys: Keys) -> None:
    """Hold that every cell of an answer is what the store was made of.

    Raises
    ------
    AssertionError
        If one is not.
    """
    read = decode_answer(pb.GetFeaturesResponse.FromString(answer))
    values = read.to_arrow()
    users = keys.tolist()
    for column in read.columns:
        assert set(read.statuses[column.name]) == {Status.PRESENT}, column.name
        found = values.column(column.name).to_pylist()
        if column.view.startswith("floats"):
            view, feature = int(column.view[6:]), int(column.feature[1:])
            expected: list[Any] = [value(user, view, column.version, feature) for user in users]
        elif column.feature == "vector":
            expected = [[float(user % 1000 + place) for place in range(VECTOR)] for user in users]
        elif column.feature == "name":
            expected = [f"name-{user}" for user in users]
        elif column.feature == "town":
            expected = [f"town-{user % 997}" for user in users]
        else:
            expected = [float(user + int(column.feature[1:])) for user in users]
        assert found == expected, column.name
