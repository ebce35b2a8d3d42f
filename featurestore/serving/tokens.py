"""The file of credentials: bearer tokens by their hash, client certificates by their subject, each with its roles.

    [[token]]
    name = "scorer"
    sha256 = "2b7c..."                       # of the token: the file holds no secret
    roles = ["read"]
    expires = 2027-01-01T00:00:00Z           # optional

    [[certificate]]
    subject = "etl.example.org"              # its common name, or one of its alternative names
    roles = ["read", "write"]

A token is 256 random bits, so a plain hash of it cannot be reversed by trying; a slow one would only slow the server.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from featurestore.errors import ConfigError, ConflictError
from featurestore.model.serving import ROLE_NAMES

__all__ = ["Credentials", "Identity", "new_token", "read_credentials"]

_NEVER = float("inf")
_PREFIX = "fs_"  # lets a secret scanner recognise one
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A caller.

    Attributes
    ----------
    name
        What the records of its changes call it.
    roles
        What it may do.
    expires
        Until when, in seconds since 1970 UTC.
    """

    name: str
    roles: frozenset[str]
    expires: float = _NEVER


@dataclass(frozen=True, slots=True)
class Credentials:
    """The file as it was read: SHA-256 of a token to its identity, and subjects to theirs."""

    tokens: tuple[tuple[bytes, Identity], ...] = ()
    certificates: Mapping[str, Identity] = field(default_factory=dict)

    def of_token(self, token: str) -> Identity | None:
        """Return whose token this is. It takes as long for a wrong one, wherever it differs, as for a right one."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        found = None
        for known, identity in self.tokens:
            if hmac.compare_digest(known, digest):
                found = identity
        return found

    def of_subjects(self, subjects: Sequence[str]) -> Identity | None:
        """Return who shows a certificate with these names."""
        return next((self.certificates[subject] for subject in subjects if subject in self.certificates), None)


def read_credentials(path: str | os.PathLike[str]) -> Credentials:
    """Read the file.

    Raises
    ------
    ConfigError
        If it cannot be read, or an entry is not well formed. What it says never repeats a value of the file.
    """
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        message = (
            f"the tokens file {os.fspath(path)!r} cannot be read ({error.strerror}): name another, or make one with "
        )
        raise ConfigError(message + "`featurestore token new NAME --role read`.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"the tokens file {os.fspath(path)!r} is no TOML: {type(error).__name__}."
        raise ConfigError(message) from None  # its text may quote the file
    tokens, names, certificates = [], set[str](), {}
    for kind in document:
        if kind not in {"token", "certificate"} or not isinstance(document[kind], list):
            message = (
                f"the tokens file {os.fspath(path)!r} holds {kind!r}: it holds [[token]] and [[certificate]] only."
            )
            raise ConfigError(message)
    for position, entry in enumerate(document.get("token", ()), 1):
        where = f"[[token]] number {position} in {os.fspath(path)!r}"
        name, digest = _text(entry, "name", _NAME, where), _text(entry, "sha256", _DIGEST, where)
        if name in names:
            message = f"{where} has the name of another: give each token a name of its own."
            raise ConfigError(message)
        names.add(name)
        tokens.append((bytes.fromhex(digest), _identity(entry, name, {"name", "sha256"}, where)))
    for position, entry in enumerate(document.get("certificate", ()), 1):
        where = f"[[certificate]] number {position} in {os.fspath(path)!r}"
        subject = _text(entry, "subject", re.compile(r"[^\x00-\x1f]{1,256}"), where)
        certificates[subject] = _identity(entry, subject, {"subject"}, where)
    return Credentials(tuple(tokens), certificates)


def _text(entry: Any, key: str, form: re.Pattern[str], where: str) -> str:  # noqa: ANN401 - what a TOML file holds
    value = entry.get(key) if isinstance(entry, dict) else None
    if not isinstance(value, str) or not form.fullmatch(value):
        message = f"{where} has no well formed {key!r}."
        raise ConfigError(message)
    return value


def _identity(entry: dict[str, Any], name: str, own: set[str], where: str) -> Identity:
    roles, expires = entry.get("roles"), entry.get("expires")
    if not isinstance(roles, list) or not roles or any(role not in ROLE_NAMES for role in roles):
        message = f"{where} has no 'roles': list some of {', '.join(ROLE_NAMES)}."
        raise ConfigError(message)
    if unknown := set(entry) - own - {"roles", "expires"}:
        message = f"{where} has the unknown key {min(unknown)!r}."
        raise ConfigError(message)
    if expires is None:
        return Identity(name, frozenset(roles))
    if not isinstance(expires, datetime):
        message = f"the 'expires' of {where} is no time: write it as 2027-01-01T00:00:00Z, without quotes."
        raise ConfigError(message)
    aware = expires if expires.tzinfo else expires.replace(tzinfo=UTC)
    return Identity(name, frozenset(roles), aware.timestamp())


def new_token(path: str | os.PathLike[str], name: str, roles: Sequence[str], *, expires: datetime | None = None) -> str:
    """Make a token, add its hash to the file (which is made if missing, for its owner alone), and return the token.

    It is nowhere else: who loses it makes another.

    Raises
    ------
    ConfigError
        If the name or a role is none, or the file cannot be read or written.
    ConflictError
        If the file has a token of that name.
    """
    path = Path(path)
    if not _NAME.fullmatch(name):
        message = f"{name!r} is no name of a token: letters, digits, '.', '_' and '-', at most 64."
        raise ConfigError(message)
    if path.exists() and any(identity.name == name for _, identity in read_credentials(path).tokens):
        message = f"{str(path)!r} has a token {name!r}: take another name, or remove that entry first."
        raise ConflictError(message)
    token = _PREFIX + secrets.token_urlsafe(32)
    listed = ", ".join(f'"{role}"' for role in roles)
    lines = ["[[token]]", f'name = "{name}"', f'sha256 = "{hashlib.sha256(token.encode()).hexdigest()}"']
    lines.append(f"roles = [{listed}]")
    if expires is not None:
        lines.append(f"expires = {expires.astimezone(UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}")
    try:
        before = path.read_bytes() if path.exists() else b""
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        text = before + (b"\n" if before else b"") + "\n".join([*lines, ""]).encode()
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            if before:
                os.fchmod(file.fileno(), path.stat().st_mode & 0o777)
        read_credentials(fresh)
        fresh.replace(path)  # a server that reads it meanwhile sees the old file or the new one
    except OSError as error:
        message = f"the tokens file {str(path)!r} cannot be written: {error.strerror}."
        raise ConfigError(message) from error
    return token
