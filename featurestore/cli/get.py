"""`featurestore get`: look features up, in process or from a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.command import verb
from featurestore.cli.keys import parse_keys, typed
from featurestore.cli.server import HELP, connected
from featurestore.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from featurestore.cli.command import Session

__all__ = ["get"]

_MARKS = {"NULL": "null", "NOT_FOUND": "not found", "EXPIRED": "expired"}


@verb(
    "get",
    "featurestore get airport_weather:temp --key origin=JFK,LGA",
    "featurestore get --model delay@1 --key origin=JFK --at 2013-07-20",
    "featurestore get --feature-set weather_now@v1 --key origin=JFK",
    "featurestore get --endpoint eta-prod --key origin=JFK --address localhost:6566",
)
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option("--model", metavar="MODEL@VERSION", help="The features of this model, at exactly its lock's versions.")
@click.option("--endpoint", metavar="NAME", help="The features that this endpoint reads.")
@click.option("--feature-set", metavar="SET[@vN]", help="The features of this set; by default the newest version's.")
@click.option(
    "--key", "keys", multiple=True, required=True, metavar="KEY=V,...", help="Keys to look up, one column a --key."
)
@click.option("--at", metavar="TIME", help="As of this time; by default now.")
@click.option("--address", metavar="HOST:PORT", help=f"Ask this server instead of the store. {HELP}")
def get(
    session: Session,
    *,
    references: tuple[str, ...],
    model: str | None,
    endpoint: str | None,
    feature_set: str | None,
    keys: tuple[str, ...],
    at: str | None,
    address: str | None,
) -> None:
    """Look features up online by REF (view@v1:feature, view:feature), --feature-set, --model or --endpoint.

    An endpoint with several models is asked for one of them: --endpoint and --model together.

    Several values of a key are several rows; values with commas are written as JSON: --key 'name=["a,b", null]'.
    """
    if sum((bool(references), feature_set is not None, model is not None or endpoint is not None)) != 1:
        message = "name what to read: either references, or --feature-set, or --model or --endpoint"
        raise click.UsageError(message)
    columns = parse_keys(keys)
    what = {"features": list(references) or None, "model": model, "endpoint": endpoint, "feature_set": feature_set}
    answer = _ask_server(address, what, columns, at) if address else _ask_store(session, what, columns, at)
    values, statuses = answer.to_dict(), answer.statuses
    document = {"keys": columns, "values": values, "statuses": statuses, "columns": answer.columns}
    session.output.answer(document, people=lambda console: _write(console, columns, values, statuses, answer.columns))


def _ask_store(session: Session, what: dict[str, Any], columns: dict[str, list[Any]], at: str | None) -> Any:  # noqa: ANN401
    with session.store(read_only=True) as store:
        entities = typed(columns, dict(store.describe(**what).keys))
        return store.get_online_features(**what, entities=entities, at=at)


def _ask_server(address: str, what: dict[str, Any], columns: dict[str, list[Any]], at: str | None) -> Any:  # noqa: ANN401
    with connected(address) as client:
        entities = typed(columns, dict(client.describe(**what).keys))
        return client.get_features(**what, entities=entities, at=at)


def _write(
    console: Console,
    keys: dict[str, list[Any]],
    values: dict[str, list[Any]],
    statuses: dict[str, Sequence[Any]],
    columns: Sequence[Any],
) -> None:
    """Write a row per key; a value that is not present is followed by its status."""
    shown: list[Sequence[object]] = list(keys.values())
    for name, cells in values.items():
        marks = [_MARKS.get(str(status), "") for status in statuses[name]]
        plain = not any(marks)
        shown.append(cells if plain else [_marked(cell, mark) for cell, mark in zip(cells, marks, strict=True)])
    console.print(table([*keys, *values], list(zip(*shown, strict=True))))
    versions = dict.fromkeys(f"{column.view}@v{column.version} {column.snapshot[:12]}" for column in columns)
    console.print(f"\n[dim]from {', '.join(versions)}[/]")


def _marked(value: object, mark: str) -> str:
    from featurestore.cli.tables import cell

    return " ".join(part for part in (cell(value), f"({mark})" if mark else "") if part)
