"""Open the catalog that the configuration names, and hold that it is the one of the store's folder.

With PostgreSQL a folder and a database can be brought together that do not belong to each other: the rows of one and
the truth about another. So both keep one id, made when both are new.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select

from featurestore.catalog import schema
from featurestore.catalog.database import Catalog
from featurestore.catalog.place import CATALOG_FILE, ID_FILE, SQLITE, foreign_files
from featurestore.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

__all__ = ["open_catalog"]


def open_catalog(root: Path, setting: str, *, read_only: bool = False) -> Catalog:
    """Return the catalog of the store in a folder.

    Parameters
    ----------
    root
        The folder; it exists.
    setting
        `"sqlite"`, or the URL of a PostgreSQL database.
    read_only
        Refuse to write, and to migrate.

    Raises
    ------
    ConfigError, UnavailableError
        As `Catalog`; and if the database is the catalog of another folder.
    """
    if setting == SQLITE:
        return Catalog(f"sqlite:///{root / CATALOG_FILE}", read_only=read_only)
    catalog = Catalog(setting, read_only=read_only)
    try:
        _tie(root, catalog)
    except BaseException:
        catalog.close()
        raise
    return catalog


def _tie(root: Path, catalog: Catalog) -> None:
    with catalog.read() as connection:
        known = _known(connection)
    if known is not None and known == _kept(root):  # in this order: the file is there before the row is
        return
    if catalog.read_only:
        raise _refused(root, known)
    with catalog.write() as tx:
        known, kept = _known(tx.connection), _kept(root)
        if known is not None and known == kept:
            return  # another process was first
        if known is not None or any(foreign_files(root)):
            raise _refused(root, known)
        tx.connection.execute(schema.store.insert().values(id=kept or _keep(root), created_at=tx.now))


def _known(connection: Connection) -> str | None:
    return connection.execute(select(schema.store.c.id)).scalar()


def _kept(root: Path) -> str | None:
    path = root / ID_FILE
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def _keep(root: Path) -> str:
    path, made = root / ID_FILE, uuid4().hex
    fresh = path.with_name(f"{ID_FILE}-{made}")
    try:
        fresh.write_text(made, encoding="ascii")
        os.replace(fresh, path)  # noqa: PTH105 - whole from the start
    except OSError as error:
        raise ConfigError(f"the store's id cannot be written to {str(path)!r}: {error}.") from error
    return made


def _refused(root: Path, known: str | None) -> ConfigError:
    place = "the database that the setting 'catalog' names"
    if known is None:
        return ConfigError(
            f"{place} is empty, but the store's folder {str(root)!r} is not: name its own database, or a new folder."
        )
    return ConfigError(
        f"{place} is the catalog of another folder than {str(root)!r}: name that folder, or another database or schema."
    )
