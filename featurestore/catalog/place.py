"""Where a store's catalog lies: in its folder, or in PostgreSQL, to which the folder is tied by an id."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.errors import ConfigError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CATALOG_FILE", "ID_FILE", "SQLITE", "check_folder", "check_setting", "foreign_files"]

SQLITE = "sqlite"
CATALOG_FILE = "catalog.db"
"""Makes a folder a store: its catalog."""
ID_FILE = "catalog.id"
"""Makes a folder a store whose catalog is elsewhere: the id that the catalog keeps too."""

_SCHEMES = ("postgresql", "postgres")
_FORMS = "write 'sqlite' or 'postgresql://USER:PASSWORD@HOST:PORT/DATABASE'"


def check_setting(value: str) -> str:
    """Return the setting `catalog` if it is one, as far as can be told without the database's library.

    Raises
    ------
    ConfigError
        If not; the message holds no part of it but the scheme.
    """
    scheme, separator, _ = value.partition("://")
    if value == SQLITE or (separator and scheme in _SCHEMES):
        return value
    named = (
        f" names the unknown scheme {scheme!r}.{nearest(scheme, _SCHEMES)} W" if separator else " is no place of one: w"
    )
    raise ConfigError(f"the setting 'catalog'{named}{_FORMS[1:]}.")


def check_folder(root: Path, setting: str) -> None:
    """Hold that a folder that is not empty is a store whose catalog is where the setting says.

    Raises
    ------
    ConfigError
        If not.
    """
    own, elsewhere = (root / CATALOG_FILE).exists(), (root / ID_FILE).exists()
    if setting == SQLITE and not own and elsewhere:
        raise ConfigError(
            f"the catalog of the store {str(root)!r} is in PostgreSQL: name the featurestore.toml that says where "
            "(--store), or set FEATURESTORE_CATALOG."
        )
    if setting != SQLITE and own:
        raise ConfigError(
            f"the store {str(root)!r} has its catalog in {CATALOG_FILE}, and the setting 'catalog' names PostgreSQL: "
            "take the setting away, or name a new folder."
        )
    if not own and not elsewhere and any(foreign_files(root)):
        raise ConfigError(
            f"{str(root)!r} is not empty and holds no {CATALOG_FILE}, so it is no feature store: "
            "name an empty or a new folder, or a store's own."
        )


def foreign_files(root: Path) -> Iterator[Path]:
    """Yield what a folder holds beside the id that ties it to its catalog."""
    return (path for path in root.iterdir() if not path.name.startswith(ID_FILE))
