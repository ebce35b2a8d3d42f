"""The sender: a thread that sends what waits in an outbox. It neither fails nor holds up whoever lets things wait.

A receiver that does not answer is asked again after half a minute, and by the next process that adds something.
"""

from __future__ import annotations

import atexit
import logging
import threading
from typing import TYPE_CHECKING, Any

from featurestore.errors import FeatureStoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from featurestore.integrations.outbox import Outbox

__all__ = ["Sender"]

_AGAIN_SECONDS = 30.0


class Sender:
    """Sends what waits, in a thread that the first event starts.

    Parameters
    ----------
    outbox
        Where events wait.
    send
        Sends one, as `Outbox.send` calls it.
    linger
        Seconds for which `close` waits until all is sent.
    what
        The events' name in the log, which is told under `featurestore.<name>`.
    advice
        What to do about events that wait: one sentence.
    """

    def __init__(
        self, outbox: Outbox, send: Callable[[bytes], None], *, linger: float, what: str, advice: str = ""
    ) -> None:
        self._outbox = outbox
        self._send = send
        self._linger = linger
        self._what = what
        self._advice = advice
        self._log = logging.getLogger(f"featurestore.{what.lower()}")
        self._wake = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, event: dict[str, Any]) -> None:
        """Let an event wait, and have it sent."""
        self._outbox.add(event)
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._what, daemon=True)
                self._thread.start()
                atexit.register(self.close)  # a script that never closes its store
        self._wake.set()

    def close(self) -> None:
        """Send what waits, for a moment."""
        atexit.unregister(self.close)
        self._closed.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(self._linger)

    def _run(self) -> None:
        failed = False
        while True:
            self._wake.wait(_AGAIN_SECONDS if failed else None)
            self._wake.clear()
            last = self._closed.is_set()
            failed = not self._sent()
            if last:
                return
            if failed:
                self._closed.wait(_AGAIN_SECONDS)

    def _sent(self) -> bool:
        """Send what waits; return whether the receiver could be reached."""
        try:
            _, refused = self._outbox.send(self._send)
        except (FeatureStoreError, OSError) as error:
            waiting = len(self._outbox.waiting())
            self._log.warning("%s events of %s wait: %s %s", waiting, self._what, error, self._advice)
            return False
        if refused:
            self._log.warning("%s events of %s were refused; see %s", refused, self._what, self._outbox.refused()[-1])
        return True
