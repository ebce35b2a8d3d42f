"""Alerts: what is wrong with the data is told at once, to a webhook or a command of yours.

`[alerts]` with a `url` or a `command` in featurestore.toml makes a store tell of rows that went into quarantine, of
contracts that are broken, and of changes of the data that were found. An alert is a JSON document; its `text` is one
sentence, which is what chat services show. Alerts wait in the store's folder, `alerts/`, until they are sent.
"""

from __future__ import annotations

import logging
import subprocess
from typing import TYPE_CHECKING, Any

from featurestore.errors import RequestError, UnavailableError
from featurestore.integrations.outbox import Outbox
from featurestore.integrations.post import poster
from featurestore.integrations.sender import Sender
from featurestore.lineage.timeline import sentence
from featurestore.model.finding import BLOCKING, SEVERITIES, WARNING

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.model.history import Change
    from featurestore.model.settings import AlertSettings
    from featurestore.operations.context import Context
    from featurestore.operations.listening import Work

__all__ = ["listen"]

FOLDER = "alerts"
_SEVERITY = {"quarantined": BLOCKING, "contract broken": WARNING}
"""Kinds of changes that are alerts, beside those that record a finding, which has a severity of its own."""

_log = logging.getLogger("featurestore.alerts")


def listen(context: Context) -> None:
    """Tell whom the settings name."""
    settings = context.settings.alerts
    sender = Sender(
        Outbox(context.root / FOLDER),
        _transport(settings),
        linger=settings.linger,
        what="alerts",
        advice="They are sent with the next alert.",
    )
    context.listeners.add(_Alerts(sender, settings.severity))


class _Alerts:
    """Makes alerts of what was committed."""

    def __init__(self, sender: Sender, severity: str) -> None:
        self._sender = sender
        self._least = SEVERITIES.index(severity)

    def started(self, work: Work) -> None:
        """Hear that work has begun: there is nothing to tell yet."""

    def ended(self, work: Work) -> None:
        """Tell what deserves an alert, of what the work has committed."""
        try:
            for change in work.changes:
                severity = _severity(change)
                if severity is not None and SEVERITIES.index(severity) >= self._least:
                    self._sender.add(_alert(change, severity))
        except Exception:  # noqa: BLE001 - the work is done whether or not it can be told
            _log.exception("alerts of %s cannot be told", work.subject)

    def close(self) -> None:
        """Send what waits, for a moment."""
        self._sender.close()


def _severity(change: Change) -> str | None:
    found = change.detail.get("finding")
    return _SEVERITY.get(change.kind) if found is None else str(found["severity"])


def _alert(change: Change, severity: str) -> dict[str, Any]:
    found = change.detail.get("finding") or {}
    return {
        "text": f"{severity}: {sentence(change)}",
        "severity": severity,
        "kind": found.get("kind", change.kind),
        "subject": change.subject.partition("/")[2],
        "at": change.at.isoformat(),
        "actor": change.actor,
        "models": found.get("models", []),
        "endpoints": found.get("endpoints", []),
        "detail": change.detail,
    }


def _transport(settings: AlertSettings) -> Callable[[bytes], None]:
    ways = []
    if settings.url is not None:
        ways.append(poster(settings.url, token=settings.token, timeout=settings.timeout))
    if settings.command:
        ways.append(_to_command(settings))

    def send(alert: bytes) -> None:
        for way in ways:
            way(alert)

    return send


def _to_command(settings: AlertSettings) -> Callable[[bytes], None]:
    def send(alert: bytes) -> None:
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, and no shell
                settings.command, input=alert, capture_output=True, check=False, timeout=settings.timeout
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UnavailableError(f"the command of [alerts] cannot be run: {error}.") from error
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()[-500:]
            raise RequestError(f"the command of [alerts] ended with {done.returncode}: {said}")

    return send
