"""The listener: what the store does becomes events in the outbox at once; a thread of its own sends them.

Neither can fail or hold up what is told of. A server that does not answer is asked again after half a minute, by the
next process that changes the store, and by `featurestore export openlineage`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.errors import ConfigError
from featurestore.integrations.openlineage.datasets import Datasets
from featurestore.integrations.openlineage.events import Events, history
from featurestore.integrations.openlineage.transport import transport
from featurestore.integrations.outbox import Outbox
from featurestore.integrations.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from featurestore.operations.context import Context
    from featurestore.operations.listening import Work
    from featurestore.store import FeatureStore

__all__ = ["Sent", "listen", "send_history", "send_pending"]

_log = logging.getLogger("featurestore.openlineage")

FOLDER = "openlineage"
"""The outbox, in the store's folder."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the events that waited.

    Attributes
    ----------
    sent, refused, waiting
        How many the receiver took, has refused (they lie in the outbox's `refused`, with the reason), and how many
        wait on.
    """

    sent: int
    refused: int
    waiting: int


def send_pending(store: FeatureStore) -> Sent:
    """Send the events that wait in the outbox.

    Raises
    ------
    ConfigError
        If nothing says where to.
    UnavailableError
        If the receiver cannot be reached; what was not sent waits on.
    """
    context = store.context
    settings = context.settings.openlineage
    if settings.url is None and settings.file is None:
        raise ConfigError(
            "nothing says where OpenLineage events go: write url or file below [openlineage] in featurestore.toml, "
            "or set FEATURESTORE_OPENLINEAGE_URL."
        )
    outbox = Outbox(context.root / FOLDER)
    sent, refused = outbox.send(transport(settings))
    return Sent(sent, refused, len(outbox.waiting()))


def send_history(store: FeatureStore, since: Any = None, until: Any = None) -> Sent:  # noqa: ANN401 - times
    """Send what the store has done before, for a receiver that is new; see `history` and `send_pending`."""
    outbox = Outbox(store.context.root / FOLDER)
    for event in history(store, since, until):
        outbox.add(event)
    return send_pending(store)


def listen(context: Context) -> None:
    """Tell others what this store does, as its settings say."""
    settings = context.settings.openlineage
    events = Events(Datasets(context.root, settings), settings.repository)
    sender = Sender(
        Outbox(context.root / FOLDER),
        transport(settings),
        linger=settings.linger,
        what="OpenLineage",
        advice="They are sent with what comes next, or by `featurestore export openlineage`.",
    )
    context.listeners.add(_OpenLineage(context, events, sender))


class _OpenLineage:
    """Makes events of work, and lets them wait in the outbox."""

    def __init__(self, context: Context, events: Events, sender: Sender) -> None:
        self._context = context
        self._events = events
        self._sender = sender

    def started(self, work: Work) -> None:
        """Tell that work has begun."""
        self._tell(work, self._events.started)

    def ended(self, work: Work) -> None:
        """Tell what came of it."""
        self._tell(work, self._events.ended)

    def close(self) -> None:
        """Send what waits, for a moment."""
        self._sender.close()

    def _tell(self, work: Work, make: Callable[[Connection, Work], dict[str, Any] | None]) -> None:
        try:
            with self._context.catalog.read() as connection:
                event = make(connection, work)
            if event is not None:
                self._sender.add(event)
        except Exception:  # noqa: BLE001 - the work is done whether or not it can be told
            _log.exception("%s of %s is not told to OpenLineage", work.verb or "a change", work.subject)
