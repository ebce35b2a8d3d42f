"""How commands reach a server: a token and an authority from the environment, where no process list shows them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featurestore.serving.client import Client

__all__ = ["HELP", "connected"]

_TOKEN, _AUTHORITY = "FEATURESTORE_TOKEN", "FEATURESTORE_TLS_CA"
HELP = f"With {_TOKEN} and {_AUTHORITY} (a PEM file, for TLS) of the environment, if they are set."


def connected(address: str) -> Client:
    """Return a client of the server at `host:port`, with the credentials that the environment names."""
    import featurestore

    return featurestore.connect(address, token=os.environ.get(_TOKEN) or None, tls=os.environ.get(_AUTHORITY) or None)
