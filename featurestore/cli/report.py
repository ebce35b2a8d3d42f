"""`featurestore report`: what changed, which live models it reaches, what waits in quarantine, by owner."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["report"]

_FILE = click.Path(dir_okay=False, path_type=Path)


@verb(
    "report",
    "featurestore report",
    "featurestore report --since 1d --html report.html --markdown report.md",
    "featurestore report --owner weather-team --json",
)
@click.option("--since", default="7d", show_default=True, metavar="TIME", help="Findings and changes from then on.")
@click.option("--until", metavar="TIME", help="Up to then.")
@click.option("--owner", metavar="NAME", help="Only what concerns this owner.")
@click.option("--markdown", type=_FILE, metavar="FILE", help="Write the report as Markdown too.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write it as one HTML page too, with pictures of the columns.")
@click.pass_context
def report(
    context: click.Context,
    session: Session,
    *,
    since: str,
    until: str | None,
    owner: str | None,
    markdown: Path | None,
    html: Path | None,
) -> None:
    """Tell each owner what was found in the data, what waits in quarantine, what has changed, and what is stale.

    The exit code is 0, or 1 if rows wait in quarantine or a blocking change of the data was found.
    """
    from featurestore.lineage.report_html import to_html
    from featurestore.lineage.report_markdown import to_markdown

    with session.store(read_only=True) as store:
        found = store.report(since=since, until=until, owner=owner)
    if markdown is not None:
        markdown.write_text(to_markdown(found), encoding="utf-8")
    if html is not None:
        html.write_text(to_html(found), encoding="utf-8")
    session.output.answer(found, people=str(found))
    context.exit(1 if found.urgent else 0)
