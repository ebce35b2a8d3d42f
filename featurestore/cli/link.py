"""`featurestore link`: tell a dependency on something outside the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["link"]


@verb(
    "link",
    'featurestore link job/airflow/daily.load weather --reason "writes weather.parquet every night"',
    "featurestore link field/postgres://db:5432/raw.public.stations.wind weather.wind_speed",
    "featurestore link delay@1 table/bigquery/reports.eta",
)
@click.argument("upstream")
@click.argument("downstream")
@click.option("--reason", default="", metavar="TEXT", help="Why, for the history.")
@click.option("--indirect", is_flag=True, help="Between columns: the upstream one only acts, its values do not flow.")
def link(session: Session, upstream: str, downstream: str, reason: str, *, indirect: bool) -> None:
    """Tell that DOWNSTREAM depends on UPSTREAM, where one of them is outside the store. A link never changes.

    What is outside is named by its kind, job/, run/, table/ or field/, and its name there: job/airflow/daily.load,
    table/postgres://host/db.public.orders, field/dbt/model.shop.orders.amount. The other may be any node: a source,
    source.column, a feature, a model version, an endpoint.
    """
    with session.store() as store:
        told = store.link(upstream, downstream, reason=reason, indirect=indirect)
    session.output.answer(told)
