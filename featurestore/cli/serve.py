"""`featurestore serve`: serve features over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.command import verb
from featurestore.model.serving import ROLE_NAMES, ServingSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from featurestore.cli.command import Session
    from featurestore.serving.check import Readiness

__all__ = ["serve"]

_DEFAULTS = ServingSettings()
_FILE = click.Path(dir_okay=False)
_ADDRESS = "HOST:PORT"

_OPTIONS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("--address", f"Where to listen; by default {_DEFAULTS.address}.", {"metavar": _ADDRESS}),
    ("--workers", "Processes; by default one per core.", {"type": click.IntRange(min=1), "metavar": "N"}),
    ("--threads", "Calls that a worker answers at once.", {"type": click.IntRange(min=1), "metavar": "N"}),
    ("--writable/--read-only", "Whether callers with the role may push, publish, activate and roll back.", {}),
    ("--tokens", "Hashed bearer tokens, as `featurestore token` makes them.", {"type": _FILE}),
    (
        "--anonymous",
        f"What callers without credentials may do: {', '.join(ROLE_NAMES)}, or an empty text.",
        {"metavar": "ROLES"},
    ),
    ("--tls-certificate", "The server's certificate chain, PEM.", {"type": _FILE}),
    ("--tls-key", "Its key, PEM.", {"type": _FILE}),
    ("--tls-client-ca", "Authorities of clients' certificates, PEM: every client must show one.", {"type": _FILE}),
    ("--max-entities", "Rows of one read.", {"type": click.IntRange(min=1), "metavar": "N"}),
    ("--max-queue", "Calls of a worker that wait; more are refused at once.", {"type": int, "metavar": "N"}),
    ("--grace", "Seconds that calls in flight have to end when the server stops.", {"type": float}),
    ("--metrics-address", "Where Prometheus may ask.", {"metavar": _ADDRESS}),
    ("--log-format", "Of the lines on standard error.", {"type": click.Choice(["text", "json"])}),
    ("--access-log/--no-access-log", "Whether to log every call.", {}),
    ("--log-answers", "Share of the reads whose answers are kept.", {"type": float, "metavar": "SHARE"}),
    ("--otlp-endpoint", "Where OpenTelemetry traces go.", {"metavar": "URL"}),
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option; what is not given is None, so that the configuration decides."""
    for name, text, more in reversed(_OPTIONS):
        function = click.option(name, default=None, help=text, **more)(function)
    return function


@verb(
    "serve",
    "featurestore serve --address localhost:6566 --workers 2",
    "featurestore serve --tokens tokens.toml --tls-certificate server.pem --tls-key server.key",
    "featurestore serve --check",
)
@click.option("--check", is_flag=True, help="Serve nothing: say what would be, and exit with 1 if anything is amiss.")
@_options
def serve(session: Session, *, check: bool, **options: object) -> None:
    """Serve features over gRPC until interrupted; every worker listens on the one port.

    Port 0 takes a free one. Once every worker serves, the address is printed. What is not given here is read from
    FEATURESTORE_SERVING_ADDRESS and so on, then from [serving] of the featurestore.toml.

    --check opens the store and looks at every endpoint and active view, the files named and the addresses.
    """
    if check:
        from featurestore.serving.check import check as look

        found = look(session.path, **options)
        document = {"ready": found.ready, "findings": found.findings}
        session.output.answer(document, people=lambda console: _print(console, found))
        if not found.ready:
            raise click.exceptions.Exit(1)
        return
    from featurestore.config import load_serving
    from featurestore.serving.logs import log_to_stderr
    from featurestore.serving.server import serve as run

    def ready(bound: str, pids: tuple[int, ...]) -> None:
        answer = {"address": bound, "workers": pids}
        session.output.answer(answer, people=f"serving on {bound} with {len(pids)} worker{'s' * (len(pids) > 1)}")

    log_to_stderr(load_serving(session.path, options).log_format)
    run(session.path, ready=ready, **options)  # type: ignore[arg-type]  # settings by name, checked when they are read


def _print(console: Console, found: Readiness) -> None:
    for finding in found.findings:
        mark = "ok " if finding.problem is None else "NOT"
        console.print(f"{mark} {finding.what}: {finding.problem or finding.state}", markup=False, soft_wrap=True)
