"""`featurestore token`: credentials for callers of a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.errors import ConfigError
from featurestore.model.serving import ROLE_NAMES

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["token"]

_DEFAULT_FILE = "tokens.toml"


@verb(
    "token",
    "featurestore token new scorer --role read --days 90",
    "featurestore token new etl --role read --role write --tokens tokens.toml",
)
@click.argument("action", type=click.Choice(["new"]), expose_value=False)
@click.argument("name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLE_NAMES), help="What it may do.")
@click.option("--days", type=click.IntRange(min=1), metavar="N", help="Days until it expires; by default never.")
@click.option("--tokens", metavar="FILE", help=f"The file; by default the configured one, else {_DEFAULT_FILE}.")
def token(session: Session, name: str, roles: tuple[str, ...], days: int | None, tokens: str | None) -> None:
    """Make a token called NAME, print it, and add its hash to the file that a server reads.

    The token is printed this once; the file holds no secret. Running servers know it within seconds. To withdraw a
    token, remove its entry from the file.
    """
    from featurestore.config import load_serving
    from featurestore.serving.tokens import new_token

    path = tokens or load_serving(session.path).tokens or _DEFAULT_FILE
    try:
        expires = None if days is None else (datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0)
    except OverflowError:
        message = f"--days {days} is after the year 9999."
        raise ConfigError(message) from None
    secret = new_token(path, name, roles, expires=expires)
    answer = {"name": name, "token": secret, "roles": roles, "expires": expires, "file": path}
    session.output.answer(answer, people=secret)
    until = "never expires" if expires is None else f"expires {expires.isoformat()}"
    session.output.log(f"{name} ({', '.join(roles)}) {until}; its hash is in {path}. The token is not shown again.")
