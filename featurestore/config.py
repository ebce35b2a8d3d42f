"""Configuration: where the store is, and its settings, from a folder or a `featurestore.toml` and the environment.

A setting comes from the first of: the environment (`FEATURESTORE_MEMORY_LIMIT`), the .toml, the default. With no path,
the store is the one that `FEATURESTORE_STORE` names, else `./featurestore.toml`, else the folder `./.featurestore`.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from featurestore.errors import ConfigError, NotFoundError, nearest
from featurestore.model.settings import Settings
from featurestore.online.address import Address

__all__ = ["CATALOG", "DEFAULT_FOLDER", "DEFAULT_TOML", "PREFIX", "load"]

DEFAULT_TOML = "featurestore.toml"
DEFAULT_FOLDER = ".featurestore"
CATALOG = "catalog.db"
"""The file that makes a folder a store."""

PREFIX = "FEATURESTORE_"
"""Of the environment variables that override settings."""

_DEFAULTS = Settings()
_STORE = "store"


class _Sources(BaseSettings):
    """The settings as they are read and checked; the defaults are those of `Settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    memory_limit: str = Field(_DEFAULTS.memory_limit, pattern=r"(?i)^\d+(\.\d+)?\s*([KMGT]I?)?B$")
    threads: int = Field(_DEFAULTS.threads, ge=0)
    require_pins: bool = _DEFAULTS.require_pins
    row_group_rows: int = Field(_DEFAULTS.row_group_rows, ge=1)
    compression: str = Field(_DEFAULTS.compression, pattern="^(none|lz4|zstd)$")
    max_runs: int = Field(_DEFAULTS.max_runs, ge=2)
    keep_generations: int = Field(_DEFAULTS.keep_generations, ge=1)
    online: str = _DEFAULTS.online
    key_prefix: str = Field(_DEFAULTS.key_prefix, pattern=r"^[A-Za-z0-9_.:-]+$")

    @field_validator("online")
    @classmethod
    def _is_address(cls, value: str) -> str:
        Address.parse(value)  # its ConfigError tells no password
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings' signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the .toml, whose keys arrive as arguments."""
        return env_settings, init_settings


def load(path_or_toml: str | os.PathLike[str] | None = None, *, create: bool = True) -> tuple[Path, Settings]:
    """Return the store's folder, absolute, and its settings.

    Parameters
    ----------
    path_or_toml
        A store's folder, or a .toml whose `store` names it (relative to the .toml). None takes `FEATURESTORE_STORE`,
        else `./featurestore.toml`, else `./.featurestore`.
    create
        Make the folder if it is missing.

    Raises
    ------
    ConfigError
        If the .toml cannot be read, holds an unknown key or a value that is not allowed; or if the folder is no store:
        not a folder, or not empty and without a catalog.
    NotFoundError
        If there is no folder, or an empty one, and `create` is False.
    """
    given = os.environ.get(f"{PREFIX}{_STORE.upper()}") if path_or_toml is None else path_or_toml
    if given:
        path = Path(given).expanduser()
    else:
        path = Path(DEFAULT_TOML) if Path(DEFAULT_TOML).is_file() else Path(DEFAULT_FOLDER)
    if path.suffix.lower() == ".toml" and not path.is_dir():
        values = _read(path)
        root = path.parent / Path(str(values.pop(_STORE, DEFAULT_FOLDER))).expanduser()
        settings = _settings(values, str(path))
    else:
        root, settings = path, _settings({}, "the environment")
    return _check_folder(root.absolute(), create=create), settings


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        message = (
            f"there is no configuration {str(path)!r}: make one with `featurestore init`, or name a store's folder."
        )
        raise ConfigError(message) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"the configuration {str(path)!r} cannot be read: {error}."
        raise ConfigError(message) from error
    known = [_STORE, *(item.name for item in fields(Settings))]
    for key in values:
        if key not in known:
            message = f"{str(path)!r} has the unknown key {key!r}.{nearest(key, known, limit=len(known))}"
            raise ConfigError(message)
    if not isinstance(values.get(_STORE, ""), str):
        message = f"'{_STORE}' in {str(path)!r} is not text: write the store's folder, relative to the file."
        raise ConfigError(message)
    return values


def _settings(values: dict[str, Any], where: str) -> Settings:
    try:
        checked = _Sources(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        variable = f"{PREFIX}{name.upper()}"
        place = f"the environment variable {variable}" if os.environ.get(variable) else f"{name!r} in {where}"
        advice = " Write a size such as '2GB' or '512MB'." if name == "memory_limit" else ""
        message = f"{place} is {first['input']!r}, which is not allowed: {first['msg']}.{advice}"
        raise ConfigError(message) from error
    return Settings(**{item.name: getattr(checked, item.name) for item in fields(Settings)})


def _check_folder(root: Path, *, create: bool) -> Path:
    if root.exists() and not root.is_dir():
        message = f"{str(root)!r} is neither a folder nor a .toml: name a store's folder or a featurestore.toml."
        raise ConfigError(message)
    if not root.exists() or next(root.iterdir(), None) is None:
        if not create:
            message = (
                f"there is no store in {str(root)!r}: make one with `featurestore init`, or name another (--store)."
            )
            raise NotFoundError(message)
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"the store's folder {str(root)!r} cannot be made: {error}."
            raise ConfigError(message) from error
    elif not (root / CATALOG).exists():
        message = (
            f"{str(root)!r} is not empty and holds no {CATALOG}, so it is no feature store: "
            "name an empty or a new folder, or a store's own."
        )
        raise ConfigError(message)
    return root
