"""How a server behaves: address, processes, limits, credentials and what it tells; read in `config.py`."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ROLE_NAMES", "ServingSettings"]

ROLE_NAMES = ("read", "write", "operate")
"""What a caller may be allowed: to read features, to push rows, to publish and move pointers."""


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """What `[serving]` may choose.

    Attributes
    ----------
    address
        `host:port`; port 0 takes a free one.
    workers
        Processes on that port; 0 takes one per core.
    threads
        Calls that one worker answers at once.
    grace
        Seconds that calls in flight have to end when the server stops.
    writable
        Whether callers with the role may push, publish and move pointers: the store is opened for writing.
    max_entities
        Rows of one read.
    max_request_bytes, max_answer_bytes, max_metadata_bytes
        Of one message that is received, of one that is sent, and of a call's headers.
    max_queue
        Calls of one worker that wait for a thread; from then on calls are refused at once, with RESOURCE_EXHAUSTED.
    max_streams
        Calls of one connection at a time; further ones wait at the client.
    receive_seconds
        In which a call's request must have arrived once its headers have.
    keepalive_seconds
        Of silence, after which a connection is probed, and closed if nothing comes back.
    max_connection_seconds
        After which a connection is asked to close once its calls have ended, so that clients spread anew; 0: never.
    tokens
        File of hashed bearer tokens and of certificates' subjects, with their roles; None: no caller is asked.
    anonymous
        Roles of callers that show nothing; None: `read` without `tokens` and `tls_client_ca`, none with them.
    tls_certificate, tls_key
        PEM files: the server's certificate chain and its key. They are read again when they change.
    tls_client_ca
        PEM file of the authorities of clients' certificates; with it every client must show one.
    metrics_address
        `host:port` of Prometheus metrics over HTTP; None: none.
    log_format
        `"text"`, or `"json"`: one object a line.
    access_log
        Whether every call is logged, not only those that change something.
    log_answers
        Share of the reads, from 0 to 1, whose answers are kept as Parquet in the store's folder, for `skew`.
    log_answers_bytes
        Of these files together; the oldest are removed.
    otlp_endpoint
        Where OpenTelemetry traces go; None: what `OTEL_EXPORTER_OTLP_ENDPOINT` says, else nowhere.
    """

    address: str = "127.0.0.1:6566"
    workers: int = 0
    threads: int = 4
    grace: float = 10.0
    writable: bool = False
    max_entities: int = 10_000
    max_request_bytes: int = 16 << 20
    max_answer_bytes: int = 256 << 20
    max_metadata_bytes: int = 16 << 10
    max_queue: int = 256
    max_streams: int = 256
    receive_seconds: float = 10.0
    keepalive_seconds: float = 60.0
    max_connection_seconds: float = 0.0
    tokens: str | None = None
    anonymous: tuple[str, ...] | None = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    metrics_address: str | None = None
    log_format: str = "text"
    access_log: bool = False
    log_answers: float = 0.0
    log_answers_bytes: int = 1 << 30
    otlp_endpoint: str | None = None

    @property
    def anonymous_roles(self) -> tuple[str, ...]:
        """What callers that show nothing may do."""
        if self.anonymous is not None:
            return self.anonymous
        return () if self.tokens or self.tls_client_ca else ("read",)
