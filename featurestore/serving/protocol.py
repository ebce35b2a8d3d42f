"""What a server and its clients must agree on: names of methods, and how large a message may be."""

from __future__ import annotations

from featurestore.serving.v1 import control_pb2, push_pb2
from featurestore.serving.v1 import serving_pb2 as pb

__all__ = ["CONTROL", "DESCRIBE", "GET_FEATURES", "LIMITS", "MAX_MESSAGE", "PUSH", "SERVICE"]

SERVICE: str = pb.DESCRIPTOR.services_by_name["FeatureService"].full_name
"""Name of the service: also what health checks and reflection call it."""

CONTROL: str = control_pb2.DESCRIPTOR.services_by_name["ControlService"].full_name
"""Name of the operators' service."""
PUSH: str = push_pb2.DESCRIPTOR.services_by_name["PushService"].full_name
"""Name of the service that takes pushed rows."""

GET_FEATURES = f"/{SERVICE}/GetFeatures"
DESCRIBE = f"/{SERVICE}/Describe"

MAX_MESSAGE = 256 << 20
"""Bytes of the largest request and the largest answer."""

LIMITS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", 16 << 10),
)
"""gRPC's options for both sides."""
