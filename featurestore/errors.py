"""Every error the library raises, in one tree; a message says what is wrong, where, and what to do next.

FeatureStoreError
├── ConfigError               the configuration or the store's folder cannot be used
│   └── ReadOnlyError         the store was opened read-only and a verb would change it
├── DefinitionError           a name, type, entity, source, view or reference is not well formed
├── BlockedError              the policy forbids a change for whom it reaches, and nobody has accepted that
├── ContractError             rows, a column or a type differ from what was declared
├── RequestError              a spine, entity columns or an argument do not fit the request
│   └── CollisionError        two columns of one request would carry the same name
├── NotFoundError             a view, version, feature, model, endpoint or snapshot is unknown
│   ├── NotActiveError        a reference without a version, and nothing is active
│   ├── NotMaterializedError  the version has no rows yet
│   └── NotPublishedError     the version has no rows in the online store
├── ConflictError             another process changed what this change was based on, or the state forbids it
├── QuarantineError           the snapshot broke a contract, and nobody has approved it
├── LockMismatchError         the caller's lock is not the lock of the model it named
├── SourceError               a source cannot be read
├── CorruptError              stored bytes are missing or not what their digest says
├── AuthenticationError       the server does not know who asks: no valid credentials came with the call
├── PermissionDeniedError     the credentials do not have the role that the call needs
├── DeadlineError             the server did not answer in time
└── UnavailableError          the server cannot be reached
    └── OverloadedError       the server has more to do than it takes on
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "AuthenticationError",
    "BlockedError",
    "CollisionError",
    "ConfigError",
    "ConflictError",
    "ContractError",
    "CorruptError",
    "DeadlineError",
    "DefinitionError",
    "FeatureStoreError",
    "LockMismatchError",
    "NotActiveError",
    "NotFoundError",
    "NotMaterializedError",
    "NotPublishedError",
    "OverloadedError",
    "PermissionDeniedError",
    "QuarantineError",
    "ReadOnlyError",
    "RequestError",
    "SourceError",
    "UnavailableError",
    "nearest",
]


class FeatureStoreError(Exception):
    """Root of every error that the library raises on purpose."""


class ConfigError(FeatureStoreError):
    """The configuration or the store's folder cannot be used."""


class ReadOnlyError(ConfigError):
    """The store was opened read-only and the verb would change it."""


class DefinitionError(FeatureStoreError):
    """A name, type, entity, source, view or reference is not well formed."""


class BlockedError(FeatureStoreError):
    """The policy forbids a change for the sake of those whom it reaches, and nobody has accepted that."""


class ContractError(FeatureStoreError):
    """Rows, a column or a type differ from what was declared."""


class RequestError(FeatureStoreError):
    """A spine, entity columns or an argument do not fit the request."""


class CollisionError(RequestError):
    """Two columns of one request would carry the same name."""


class NotFoundError(FeatureStoreError):
    """A view, version, feature, model, endpoint or snapshot is unknown."""


class NotActiveError(NotFoundError):
    """A reference names no version, and no version of the view is active."""


class NotMaterializedError(NotFoundError):
    """The feature version has no rows yet."""


class NotPublishedError(NotFoundError):
    """The feature version has no rows in the online store."""


class ConflictError(FeatureStoreError):
    """Another process changed what this change was based on, or the present state forbids it."""


class QuarantineError(FeatureStoreError):
    """The snapshot is in quarantine: it is neither published nor trained on until it is approved."""


class LockMismatchError(FeatureStoreError):
    """The caller's lock is not the lock of the model it named."""


class SourceError(FeatureStoreError):
    """A source cannot be read."""


class CorruptError(FeatureStoreError):
    """Stored bytes are missing or are not what their digest says."""


class AuthenticationError(FeatureStoreError):
    """No valid credentials came with the call."""


class PermissionDeniedError(FeatureStoreError):
    """The credentials do not have the role that the call needs."""


class DeadlineError(FeatureStoreError):
    """The server did not answer in time."""


class UnavailableError(FeatureStoreError):
    """The server cannot be reached."""


class OverloadedError(UnavailableError):
    """The server has more to do than it takes on; it has not begun with the call."""


def nearest(name: str, known: Iterable[str], *, limit: int = 6) -> str:
    """Return the sentence that helps with a misspelt `name`: its nearest match, or what there is.

    The text starts with a space, or is empty when nothing is known.
    """
    names = sorted(set(known))
    lowered = {candidate.lower(): candidate for candidate in names}
    match = get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    if match:
        return f" Did you mean {lowered[match[0]]!r}?"
    if not names:
        return ""
    shown = ", ".join(names[:limit]) + (f", and {len(names) - limit} more" if len(names) > limit else "")
    return f" There is: {shown}."
