"""`featurestore check`: the gate before a change lands, with an exit code for CI."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.command import verb
from featurestore.cli.proposal import checked, proposal
from featurestore.errors import ConfigError, FeatureStoreError

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.operations.check import Check

__all__ = ["check"]

_UNKNOWN = 2


@verb(
    "check",
    "featurestore check features/",
    "featurestore check --drop-column weather.wind_speed --retype weather.temp=String",
    "featurestore check features/ --source weather.schema.json --markdown report.md --sarif check.sarif",
)
@proposal
@click.option("--markdown", metavar="FILE", help="Write the report as Markdown too, for a pull request.")
@click.option("--sarif", metavar="FILE", help="Write the report as SARIF 2.1.0 too, for a code host.")
@click.option("--annotations", type=click.Choice(["github"]), help="Print annotations that a code host shows in place.")
def check(
    session: Session,
    markdown: str | None,
    sarif: str | None,
    annotations: str | None,
    **proposed: Any,  # noqa: ANN401 - the options of `proposal`
) -> None:
    """Tell what proposed definitions and schemas would do to whom, and whether the policy lets them pass.

    PATHS are Python files, or folders of them, as `plan` takes them. Changes of sources are compared with the columns
    known now; every version that still reads a changed column counts, also old ones to which models are pinned. What
    is blocked, warned of or allowed is [policy] in featurestore.toml. Changes nothing.

    Exit code 0: clean, or accepted with `ack`; 1: blocked; 2: could not tell, because a definition does not parse, a
    source or the store cannot be read, or the command line is wrong.
    """
    from sqlalchemy.exc import SQLAlchemyError

    try:
        found = checked(session, proposed, read_only=True)
        _write(found, proposed["paths"], markdown, sarif)
    except (FeatureStoreError, SQLAlchemyError, OSError) as error:
        session.output.fail(error)
        click.get_current_context().exit(_UNKNOWN)
    if annotations is not None:
        from featurestore.cli.annotations import github
        from featurestore.cli.places import Places

        for line in github(found, Places(proposed["paths"])):
            click.echo(line, err=session.output.json)
    session.output.answer(found, people=str(found))
    click.get_current_context().exit(found.exit_code)


def _write(found: Check, paths: tuple[str, ...], markdown: str | None, sarif: str | None) -> None:
    if markdown is not None:
        from featurestore.cli.markdown import page

        _text(markdown, page(found))
    if sarif is not None:
        import json

        from featurestore.cli.places import Places
        from featurestore.cli.sarif import log

        _text(sarif, json.dumps(log(found, Places(paths)), indent=2) + "\n")


def _text(path: str, text: str) -> None:
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"the report {path!r} cannot be written: {error}."
        raise ConfigError(message) from error
