"""Requests read by their shape are those that a full reading gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.errors import RequestError
from featurestore.online.lookup import Asked
from featurestore.serving.codec import ReadRequest, decode_request, encode_request
from featurestore.serving.requests import Requests
from featurestore.serving.v1 import serving_pb2 as pb

INTEGERS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.sampled_from(["user", "u", "x"])
ASKED = st.builds(
    Asked,
    st.none() | st.lists(st.sampled_from(["v@v1", "v", "v@v1:x"]), min_size=1, max_size=3).map(tuple),
    st.none() | st.just("m@1"),
    st.none() | st.just("e"),
    st.none(),
    st.none() | st.just("ab" * 32),
)


def plain(request: ReadRequest) -> Any:  # noqa: ANN401 - for comparison
    columns: dict[str, Any] = {**request.entities}
    return request._replace(entities={name: pa.array(column).to_pylist() for name, column in columns.items()})


@settings(deadline=None, max_examples=300)
@given(asked=ASKED, calls=st.lists(st.tuples(NAMES, st.lists(INTEGERS, max_size=3), st.booleans()), max_size=12))
def test_any_sequence_of_requests_is_read_as_each_alone(asked: Asked, calls: list[tuple[str, list[int], bool]]) -> None:
    requests = Requests()
    for name, keys, event_times in calls:
        for values in (keys, keys[::-1], [0] * len(keys)):
            request = ReadRequest(asked, {name: np.array(values, np.int64)}, event_times=event_times)
            data = encode_request(request).SerializeToString()
            assert plain(requests.read(data)) == plain(decode_request(pb.GetFeaturesRequest.FromString(data)))


def test_keys_that_occur_twice_in_the_bytes_are_parsed() -> None:
    requests = Requests()
    for key in (0x6162636465666768, 1, 0x6162636465666768):  # the name holds the same bytes
        request = ReadRequest(Asked(("hgfedcba",)), {"user": np.array([key], np.int64)})
        data = encode_request(request).SerializeToString()
        assert plain(requests.read(data)) == plain(request)


def test_bytes_that_are_no_message_are_told() -> None:
    with pytest.raises(RequestError, match="not what this method takes"):
        Requests().read(b"\xff\xff")
