"""Requests as bytes, read: in full once, and by their shape from then on.

A service asks the same thing again and again, of other keys. Where the keys are 64-bit integers, such a request differs
from the one before in one stretch of bytes, all else is equal, lengths too. So what a request asks is kept by the bytes
around its keys, and the next one of that shape is not parsed: its keys are where the others' were.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from featurestore.errors import RequestError
from featurestore.serving.codec import ReadRequest, decode_request
from featurestore.serving.v1 import serving_pb2 as pb

__all__ = ["Requests"]

_LENGTHS_KEPT, _SHAPES_KEPT = 256, 8
_LONGEST = 16_384  # bytes beside the keys


class _Shape(NamedTuple):
    """The bytes before and after the keys, the name and the number of the keys, and what is asked."""

    before: bytes
    after: bytes
    name: str
    rows: int
    request: ReadRequest


class Requests:
    """Reads requests. Any thread may call it."""

    def __init__(self) -> None:
        self._shapes: dict[int, list[_Shape]] = {}

    def read(self, data: bytes) -> ReadRequest:
        """Return what the bytes of a `GetFeaturesRequest` ask for.

        Raises
        ------
        RequestError
            If they are no such message, or its columns are malformed.
        """
        for before, after, name, rows, request in self._shapes.get(len(data), ()):
            if data.startswith(before) and data.endswith(after):
                return request._replace(entities={name: np.frombuffer(data, "<i8", rows, len(before))})
        try:
            request = decode_request(pb.GetFeaturesRequest.FromString(data))
        except DecodeError:
            text = "the message is not what this method takes: make it with code generated from the server's .proto."
            raise RequestError(text) from None
        self._learn(data, request)
        return request

    def _learn(self, data: bytes, request: ReadRequest) -> None:
        if len(request.entities) != 1:
            return
        ((name, keys),) = request.entities.items()
        if not isinstance(keys, np.ndarray):
            return
        stretch = keys.tobytes()
        if len(data) - len(stretch) > _LONGEST or data.count(stretch) != 1:  # which of them the keys are is not known
            return
        before, _, after = data.partition(stretch)
        if len(self._shapes) >= _LENGTHS_KEPT:
            self._shapes = {}
        kept = self._shapes.get(len(data), [])
        self._shapes[len(data)] = [
            _Shape(before, after, name, len(keys), request._replace(entities={})),
            *kept[: _SHAPES_KEPT - 1],
        ]
