"""OpenTelemetry, when it is configured: a span a call, below the caller's own if the call names it (`traceparent`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import grpc

from featurestore import __version__
from featurestore.errors import ConfigError
from featurestore.serving.meter import views_of_call

if TYPE_CHECKING:
    from featurestore.model.serving import ServingSettings

__all__ = ["Tracing", "start_tracing"]

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

Behaviour = Callable[..., Any]


class Tracing:
    """Sends the spans of this process.

    Parameters
    ----------
    endpoint
        Of an OpenTelemetry collector that speaks gRPC; `http://` is plain text. Everything else is configured by
        OpenTelemetry's own environment variables.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            # Optional, so imported when used.
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
            from opentelemetry.trace import SpanKind  # noqa: PLC0415
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415
        except ImportError as error:
            message = "tracing is configured, and OpenTelemetry is not installed: install featurestore[otel]."
            raise ConfigError(message) from error
        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME", "featurestore")})
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        self._tracer = self._provider.get_tracer("featurestore.serving", __version__)
        self._propagator = TraceContextTextMapPropagator()
        self._server = SpanKind.SERVER

    def traced(self, behaviour: Behaviour, method: str) -> Behaviour:
        """Return the behaviour of a method within a span. Nothing of a message, and no header, is put into it."""
        service, name = method.strip("/").split("/")
        attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": name}

        def call(message: Any, context: Any, *send: Any) -> Any:  # noqa: ANN401 - of any method
            parent = self._propagator.extract(dict(context.invocation_metadata() or ()))
            span = self._tracer.start_span(method.strip("/"), parent, self._server, attributes)
            try:
                return behaviour(message, context, *send)
            finally:
                code: Any = context.code() or grpc.StatusCode.OK
                span.set_attribute("rpc.grpc.status_code", code.value[0])
                if views := views_of_call.get():
                    span.set_attribute("featurestore.views", views)
                span.end()

        return call

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


def start_tracing(settings: ServingSettings) -> Tracing | None:
    """Return what traces calls, or None if nobody wants it.

    Raises
    ------
    ConfigError
        If it is configured and OpenTelemetry is not installed.
    """
    endpoint = settings.otlp_endpoint or os.environ.get(_ENDPOINT)
    return None if not endpoint else Tracing(endpoint)
