"""Open the online store that the configuration names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from featurestore.errors import ConfigError
from featurestore.online.address import LMDB, Address

if TYPE_CHECKING:
    from featurestore.model.settings import Settings
    from featurestore.online.base import OnlineStore

__all__ = ["open_online", "store_id"]


def open_online(root: Path, settings: Settings) -> OnlineStore:
    """Return the online store of the feature store in a folder.

    Raises
    ------
    ConfigError
        If the address is wrong, or the client library is not installed.
    """
    address = Address.parse(settings.online)
    if address.shown == LMDB:
        from featurestore.online.lmdb_store import LmdbStore  # noqa: PLC0415 - only what is used is loaded

        return LmdbStore(root)
    try:
        from featurestore.online.redis_store import RedisStore  # noqa: PLC0415 - optional
    except ModuleNotFoundError as error:
        raise ConfigError(f"online = '{address}' needs the Redis client: pip install 'featurestore[redis]'.") from error
    return RedisStore(address, f"{settings.key_prefix}:{store_id(root)}")


def store_id(root: Path) -> str:
    """Return what tells this feature store from others on one server, made once: 16 hex digits in `online/id`.

    It is part of every key, so that stores with one prefix stay apart. A copy of the folder has the same.
    """
    path = Path(root) / "online" / "id"
    if not path.exists():
        fresh = path.with_name(f"id-{uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(uuid4().hex[:16], encoding="ascii")
            try:
                os.link(fresh, path)  # whole from the start, whoever else makes one
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        except OSError as error:
            raise ConfigError(f"the store's id cannot be written to {str(path)!r}: {error}.") from error
    return path.read_text(encoding="ascii").strip()
