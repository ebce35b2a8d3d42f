"""Configuration: where the store is, and its settings, from a folder or a `featurestore.toml` and the environment.

A setting comes from the first of: the environment (`FEATURESTORE_MEMORY_LIMIT`), the .toml, the default. With no path,
the store is the one that `FEATURESTORE_STORE` names, else `./featurestore.toml`, else the folder `./.featurestore`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from featurestore.catalog.place import check_folder, check_setting
from featurestore.errors import ConfigError, DefinitionError, NotFoundError, RequestError, nearest
from featurestore.model.finding import KINDS as FINDINGS
from featurestore.model.finding import SEVERITIES as FOUND
from featurestore.model.finding import read_checks
from featurestore.model.policy import ACTIONS, KINDS, REACHES, SEVERITIES, Policy
from featurestore.model.serving import ROLE_NAMES, ServingSettings
from featurestore.model.settings import AlertSettings, OpenLineageSettings, Settings
from featurestore.model.times import parse_duration
from featurestore.online.address import Address

__all__ = ["DEFAULT_FOLDER", "DEFAULT_TOML", "PREFIX", "load", "load_serving"]

DEFAULT_TOML = "featurestore.toml"
DEFAULT_FOLDER = ".featurestore"
PREFIX = "FEATURESTORE_"
"""Of the environment variables that override settings."""

_DEFAULTS = Settings()
_SERVING_DEFAULTS = ServingSettings()
_STORE = "store"
_SERVING = "serving"
_POLICY = "policy"
_CHECKS = "checks"
_OPENLINEAGE = "openlineage"
_ALERTS = "alerts"
_SECRET = {"catalog", "online", "token", "url"}
"""Settings that may hold a password: they are not shown."""

_Checked = TypeVar("_Checked", bound=BaseModel)


class _Read(BaseSettings):
    """Settings from the environment, then from what is given."""

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


class _Sources(_Read):
    """The settings as they are read and checked; the defaults are those of `Settings`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    memory_limit: str = Field(_DEFAULTS.memory_limit, pattern=r"(?i)^\d+(\.\d+)?\s*([KMGT]I?)?B$")
    threads: int = Field(_DEFAULTS.threads, ge=0)
    require_pins: bool = _DEFAULTS.require_pins
    require_comparison: bool = _DEFAULTS.require_comparison
    row_group_rows: int = Field(_DEFAULTS.row_group_rows, ge=1)
    compression: str = Field(_DEFAULTS.compression, pattern="^(none|lz4|zstd)$")
    max_runs: int = Field(_DEFAULTS.max_runs, ge=2)
    profiles: bool = _DEFAULTS.profiles
    keep_generations: int = Field(_DEFAULTS.keep_generations, ge=1)
    on_violation: str = Field(_DEFAULTS.on_violation, pattern="^(block|warn|off)$")
    online: str = _DEFAULTS.online
    key_prefix: str = Field(_DEFAULTS.key_prefix, pattern=r"^[A-Za-z0-9_.:-]+$")
    catalog: str = _DEFAULTS.catalog

    @field_validator("online")
    @classmethod
    def _is_address(cls, value: str) -> str:
        Address.parse(value)  # its ConfigError tells no password
        return value

    @field_validator("catalog")
    @classmethod
    def _is_catalog(cls, value: str) -> str:
        return check_setting(value)


def _listed(value: object) -> object:
    """Return the words of a text, as the environment and the command line give a list."""
    return tuple(word for word in value.replace(",", " ").split()) if isinstance(value, str) else value


def _roles(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    for name in names or ():
        if name not in ROLE_NAMES:
            message = f"there is no role {name!r}: a role is one of {', '.join(ROLE_NAMES)}"
            raise ValueError(message)
    return names


_Roles = Annotated[tuple[str, ...] | None, NoDecode, BeforeValidator(_listed), AfterValidator(_roles)]


class _Serving(BaseModel):
    """`[serving]` as it is checked; the defaults are those of `ServingSettings`."""

    model_config = ConfigDict(allow_inf_nan=False)

    address: str = _SERVING_DEFAULTS.address
    workers: int = Field(_SERVING_DEFAULTS.workers, ge=0, le=1024)
    threads: int = Field(_SERVING_DEFAULTS.threads, ge=1, le=1024)
    grace: float = Field(_SERVING_DEFAULTS.grace, ge=0)
    writable: bool = _SERVING_DEFAULTS.writable
    max_entities: int = Field(_SERVING_DEFAULTS.max_entities, ge=1)
    max_request_bytes: int = Field(_SERVING_DEFAULTS.max_request_bytes, ge=1024, lt=2**31)
    max_answer_bytes: int = Field(_SERVING_DEFAULTS.max_answer_bytes, ge=1024, lt=2**31)
    max_metadata_bytes: int = Field(_SERVING_DEFAULTS.max_metadata_bytes, ge=1024, le=1 << 20)
    max_queue: int = Field(_SERVING_DEFAULTS.max_queue, ge=1)
    max_streams: int = Field(_SERVING_DEFAULTS.max_streams, ge=1, lt=2**31)
    receive_seconds: float = Field(_SERVING_DEFAULTS.receive_seconds, gt=0)
    keepalive_seconds: float = Field(_SERVING_DEFAULTS.keepalive_seconds, ge=1)
    max_connection_seconds: float = Field(_SERVING_DEFAULTS.max_connection_seconds, ge=0)
    tokens: str | None = None
    anonymous: _Roles = None
    tls_certificate: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    metrics_address: str | None = None
    log_format: str = Field(_SERVING_DEFAULTS.log_format, pattern="^(text|json)$")
    access_log: bool = _SERVING_DEFAULTS.access_log
    log_answers: float = Field(_SERVING_DEFAULTS.log_answers, ge=0, le=1)
    log_answers_bytes: int = Field(_SERVING_DEFAULTS.log_answers_bytes, ge=1 << 20)
    otlp_endpoint: str | None = None


class _ServingSources(_Read, _Serving):
    """`[serving]` as it is read."""

    model_config = SettingsConfigDict(
        env_prefix=f"{PREFIX}{_SERVING.upper()}_", extra="ignore", env_ignore_empty=True, allow_inf_nan=False
    )


class _OpenLineage(_Read):
    """`[openlineage]` as it is read and checked; the defaults are those of `OpenLineageSettings`."""

    model_config = SettingsConfigDict(
        env_prefix=f"{PREFIX}{_OPENLINEAGE.upper()}_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    url: str | None = Field(None, pattern=r"^https?://[^\s/@]+(/\S*)?$")
    file: str | None = None
    endpoint: str = Field(OpenLineageSettings().endpoint, pattern=r"^[^\s]+$")
    namespace: str = Field(OpenLineageSettings().namespace, pattern=r"^[^\s]+$")
    token: str | None = None
    timeout: float = Field(OpenLineageSettings().timeout, gt=0, le=600)
    linger: float = Field(OpenLineageSettings().linger, ge=0, le=600)
    repository: str | None = None
    datasets: dict[str, str] = Field(default_factory=dict)


class _Alerts(_Read):
    """`[alerts]` as it is read and checked; the defaults are those of `AlertSettings`."""

    model_config = SettingsConfigDict(
        env_prefix=f"{PREFIX}{_ALERTS.upper()}_", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
    )

    url: str | None = Field(None, pattern=r"^https?://[^\s/@]+(/\S*)?$")
    command: tuple[str, ...] = ()
    severity: str = Field(AlertSettings().severity, pattern=f"^({'|'.join(FOUND)})$")
    token: str | None = None
    timeout: float = Field(AlertSettings().timeout, gt=0, le=600)
    linger: float = Field(AlertSettings().linger, ge=0, le=600)


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
    path = _place(path_or_toml)
    if _is_toml(path):
        values = _read(path)
        values.pop(_SERVING, None)
        policy = _policy(values.pop(_POLICY, {}), str(path))
        checks = _checks(values.pop(_CHECKS, {}), str(path))
        root = path.parent / Path(str(values.pop(_STORE, DEFAULT_FOLDER))).expanduser()
        lineage = _openlineage(values.pop(_OPENLINEAGE, {}), path)
        alerts = _alerts(values.pop(_ALERTS, {}), path)
        settings = _settings(values, str(path))
    else:
        root, settings, policy, checks = path, _settings({}, "the environment"), Policy(), {}
        lineage, alerts = _openlineage({}, path), _alerts({}, path)
    settings = replace(settings, policy=policy, openlineage=lineage, alerts=alerts, checks=checks)
    return _check_folder(root.absolute(), settings.catalog, create=create), settings


def load_serving(
    path_or_toml: str | os.PathLike[str] | None = None, changes: Mapping[str, object] | None = None
) -> ServingSettings:
    """Return how a server of this store behaves.

    Parameters
    ----------
    path_or_toml
        As in `load`; its `[serving]` is read if it is a .toml.
    changes
        Settings that win over everything, as a command line gives them; None stands for one that is not given.

    Raises
    ------
    ConfigError
        If the .toml cannot be read, a key is unknown, a value is not allowed, or two settings need each other.
    """
    path = _place(path_or_toml)
    table = _read(path).get(_SERVING, {}) if _is_toml(path) else {}
    if not isinstance(table, dict):
        message = f"'{_SERVING}' in {str(path)!r} is not a table: write its settings below a line [{_SERVING}]."
        raise ConfigError(message)
    for key in ("tokens", "tls_certificate", "tls_key", "tls_client_ca"):
        if isinstance(table.get(key), str):
            table[key] = str(path.parent / Path(table[key]).expanduser())  # relative to the .toml
    given = {key: value for key, value in (changes or {}).items() if value is not None}
    known = [item.name for item in fields(ServingSettings)]
    for where, names in ((f"[{_SERVING}] in {str(path)!r}", table), ("the call", given)):
        for key in names:
            if key not in known:
                message = f"{where} has the unknown key {key!r}.{nearest(key, known, limit=len(known))}"
                raise ConfigError(message)
    read = _checked(_ServingSources, table, f"[{_SERVING}] of {str(path)!r}")
    checked = _checked(_Serving, read.model_dump() | given, "the call")
    return _coherent(ServingSettings(**{name: getattr(checked, name) for name in known}))


def _policy(table: object, where: str) -> Policy:
    """Return `[policy]`: for each severity an action, or one for each reach; severities of kinds of changes."""
    place = f"[{_POLICY}] of {where!r}"
    given = _table_of(table, (*SEVERITIES, "severity", "longest_acknowledgement"), place)
    default = Policy()
    actions = {}
    for severity in SEVERITIES:
        value = given.get(severity, {})
        spread = dict.fromkeys(REACHES, value) if isinstance(value, str) else value
        chosen = _table_of(spread, REACHES, f"{severity!r} in {place}")
        for reach, action in chosen.items():
            _one_of(action, ACTIONS, f"{severity}.{reach} in {place}")
        actions[severity] = {**getattr(default, severity), **chosen}
    kinds = _table_of(given.get("severity", {}), KINDS, f"[{_POLICY}.severity] of {where!r}")
    for kind, severity in kinds.items():
        _one_of(severity, SEVERITIES, f"{kind!r} in [{_POLICY}.severity] of {where!r}")
    try:
        longest = parse_duration(given.get("longest_acknowledgement", default.longest_acknowledgement))
    except RequestError as error:
        message = f"'longest_acknowledgement' in {place}: {error}"
        raise ConfigError(message) from None
    return Policy(**actions, severity=kinds, longest_acknowledgement=longest)


def _checks(table: object, where: str) -> dict[str, dict[str, Any]]:
    """Return `[checks]`: what is said of kinds of findings, everywhere and in tables of a `view` or `view:feature`."""
    place = f"[{_CHECKS}] of {where!r}"
    if not isinstance(table, dict):
        message = f"{place} is {table!r}, which is no table: write for example null_to_empty = 'blocking'."
        raise ConfigError(message)
    layers: dict[str, Any] = {"": {kind: said for kind, said in table.items() if kind in FINDINGS or _plain(said)}}
    layers |= {name: said for name, said in table.items() if name not in layers[""]}
    try:
        return {name: read_checks(said, where=f"{name} in {place}".strip()) for name, said in layers.items() if said}
    except DefinitionError as error:
        raise ConfigError(str(error)) from None


def _plain(value: object) -> bool:
    return not isinstance(value, dict)


def _table_of(value: object, known: Iterable[str], where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        message = f"{where} is {value!r}, which is no table: it holds {', '.join(known)}."
        raise ConfigError(message)
    for key in value:
        if key not in known:
            message = f"{where} has the unknown key {key!r}.{nearest(key, known, limit=99)}"
            raise ConfigError(message)
    return value


def _one_of(value: object, known: Sequence[str], where: str) -> None:
    if value not in known:
        message = f"{where} is {value!r}: write one of {', '.join(known)}."
        raise ConfigError(message)


def _coherent(settings: ServingSettings) -> ServingSettings:
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        message = "tls_certificate and tls_key go together: name both PEM files, or neither for plain text."
        raise ConfigError(message)
    if settings.tls_client_ca is not None and settings.tls_certificate is None:
        message = "tls_client_ca needs tls_certificate and tls_key: clients' certificates are shown over TLS only."
        raise ConfigError(message)
    return settings


def _place(path_or_toml: str | os.PathLike[str] | None) -> Path:
    given = os.environ.get(f"{PREFIX}{_STORE.upper()}") if path_or_toml is None else path_or_toml
    if given:
        return Path(given).expanduser()
    return Path(DEFAULT_TOML) if Path(DEFAULT_TOML).is_file() else Path(DEFAULT_FOLDER)


def _is_toml(path: Path) -> bool:
    return path.suffix.lower() == ".toml" and not path.is_dir()


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
    known = [
        _STORE,
        _SERVING,
        *(item.name for item in fields(Settings)),
    ]  # some are tables
    for key in values:
        if key not in known:
            message = f"{str(path)!r} has the unknown key {key!r}.{nearest(key, known, limit=len(known))}"
            raise ConfigError(message)
    if not isinstance(values.get(_STORE, ""), str):
        message = f"'{_STORE}' in {str(path)!r} is not text: write the store's folder, relative to the file."
        raise ConfigError(message)
    return values


def _settings(values: dict[str, Any], where: str) -> Settings:
    checked = _checked(_Sources, values, where)
    return Settings(**{name: getattr(checked, name) for name in _Sources.model_fields})


def _table(table: object, name: str, kind: type[Any], path: Path) -> tuple[dict[str, Any], list[str]]:
    """Return a table of the .toml whose keys are all fields of a kind of settings, and the fields' names."""
    if not isinstance(table, dict):
        message = f"'{name}' in {str(path)!r} is not a table: write its settings below a line [{name}]."
        raise ConfigError(message)
    known = [item.name for item in fields(kind)]
    for key in table:
        if key not in known:
            message = f"[{name}] in {str(path)!r} has the unknown key {key!r}.{nearest(key, known, limit=len(known))}"
            raise ConfigError(message)
    return table, known


def _alerts(given: object, path: Path) -> AlertSettings:
    table, known = _table(given, _ALERTS, AlertSettings, path)
    read = _checked(_Alerts, table, f"[{_ALERTS}] in {str(path)!r}")
    return AlertSettings(**{name: getattr(read, name) for name in known})


def _openlineage(given: object, path: Path) -> OpenLineageSettings:
    where = f"[{_OPENLINEAGE}] in {str(path)!r}"
    table, known = _table(given, _OPENLINEAGE, OpenLineageSettings, path)
    if isinstance(table.get("file"), str):
        table["file"] = str(path.parent / Path(table["file"]).expanduser())  # relative to the .toml
    read = _checked(_OpenLineage, table, where)
    if read.url is not None and read.file is not None:
        message = f"{where} names a url and a file: events go to one of them, leave the other out."
        raise ConfigError(message)
    return OpenLineageSettings(**{name: getattr(read, name) for name in known})


def _checked(kind: type[_Checked], values: dict[str, Any], where: str) -> _Checked:
    try:
        return kind(**values)
    except ValidationError as error:
        raise _refused(error, kind, where) from error


def _refused(error: ValidationError, kind: type[BaseModel], where: str) -> ConfigError:
    """Return the error that names the first setting that is not allowed, and where it was given."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    prefix = kind.model_config.get("env_prefix")
    variable = f"{prefix}{name.upper()}"
    from_environment = prefix and os.environ.get(variable)
    place = f"the environment variable {variable}" if from_environment else f"{name!r} in {where}"
    advice = " Write a size such as '2GB' or '512MB'." if name == "memory_limit" else ""
    said = "" if name in _SECRET else f"is {first['input']!r}, which "
    return ConfigError(f"{place} {said}is not allowed: {first['msg']}.{advice}")


def _check_folder(root: Path, catalog: str, *, create: bool) -> Path:
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
    else:
        check_folder(root, catalog)
    return root
