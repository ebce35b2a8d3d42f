"""`featurestore import`: let what other systems know join the graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from featurestore.cli.command import Session
    from featurestore.store import FeatureStore

__all__ = ["import_"]


def _mapping(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in values:
        source, equals, name = text.partition("=")
        if not (source and equals and name):
            message = f"{text!r} is not SOURCE=NAME, for example weather=postgres://db:5432/shop.public.weather"
            raise click.BadParameter(message)
        pairs[source] = name
    return pairs


@verb(
    "import",
    "featurestore import openlineage lineage.ndjson",
    "featurestore import openlineage lineage.ndjson --map weather=postgres://db:5432/shop.public.weather",
    "featurestore import dbt target/manifest.json --map weather=model.shop.weather_daily",
)
@click.argument("form", type=click.Choice(["openlineage", "dbt"]))
@click.argument("file")
@click.option(
    "--map", "datasets", multiple=True, metavar="SOURCE=NAME", callback=_mapping,
    help="What a source of ours reads, where its location does not tell.",
)  # fmt: skip
@click.option("--namespace", metavar="TEXT", help="dbt: name its tables as OpenLineage does, below this.")
@click.option("--catalog", metavar="FILE", help="dbt: its catalog.json; by default the one beside the manifest.")
def import_(
    session: Session, *, form: str, file: str, datasets: dict[str, str], namespace: str | None, catalog: str | None
) -> None:
    """Add the jobs, tables and columns that FILE tells of to the graph; the same again changes nothing.

    openlineage: events, one JSON document a line; - reads standard input. Lines that are none are told by number, cost
    no other line, and make the exit code 1. dbt: a manifest.json.

    Then `lineage`, `consumers` and `changes --upstream-of` lead through them. A table belongs to a source of ours by
    its location or name, or by --map.
    """
    if form == "openlineage" and (namespace or catalog):
        message = "--namespace and --catalog are for dbt; OpenLineage events name their namespaces themselves"
        raise click.UsageError(message)
    with session.store() as store:
        if form == "dbt":
            _dbt(session, store, file, datasets=datasets, namespace=namespace, catalog=catalog)
        else:
            _openlineage(session, store, file, datasets)


def _openlineage(session: Session, store: FeatureStore, file: str, datasets: Mapping[str, str]) -> None:
    from featurestore.integrations.openlineage import load

    found = load(store, file, datasets=datasets)
    lines = [f"{found.events} events, {found.new} of them new" + (f", {found.own} our own" if found.own else "")]
    lines += [f"  line {bad.line}: {bad.reason}" for bad in found.bad]
    lines += [f"  {source}: nobody has told of the dataset that it is mapped to" for source in found.unmatched]
    session.output.answer(found, people="\n".join([*lines, *_sources(found.sources)]))
    if found.bad:
        click.get_current_context().exit(1)


def _dbt(
    session: Session,
    store: FeatureStore,
    file: str,
    *,
    datasets: Mapping[str, str],
    namespace: str | None,
    catalog: str | None,
) -> None:
    from featurestore.integrations.dbt import load

    found = load(store, file, catalog=catalog, namespace=namespace, datasets=datasets)
    known = "" if found.new else ", as imported before"
    lines = [f"{found.project}: {found.tables} tables, {found.columns} columns{known}"]
    lines += [f"  {name}: its columns cannot be told from its SQL" for name in found.unread]
    session.output.answer(found, people="\n".join([*lines, *_sources(found.sources)]))


def _sources(sources: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"  {source} reads {', '.join(tables)}" for source, tables in sources.items()]
