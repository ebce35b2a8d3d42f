"""What is proposed, as `check` and `ack` take it from the command line: modules, and changes of sources."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from featurestore.errors import DefinitionError

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.model.source_change import SourceChange, SourceSchema
    from featurestore.operations.check import Check

__all__ = ["checked", "proposal"]

Function = TypeVar("Function", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("paths", nargs=-1),
    click.option(
        "--source",
        "schemas",
        multiple=True,
        metavar="FILE",
        help='A source\'s columns as they will be: {"source": "weather", "columns": {"temp": "Float64"}}.',
    ),
    click.option("--drop-column", "drops", multiple=True, metavar="SOURCE.COLUMN", help="A column that will be gone."),
    click.option(
        "--retype", "retypes", multiple=True, metavar="SOURCE.COLUMN=TYPE", help="A column that gets another type."
    ),
    click.option(
        "--rename", "renames", multiple=True, metavar="SOURCE.COLUMN=NAME", help="A column that gets another name."
    ),
    click.option(
        "--read-sources",
        is_flag=True,
        help="Look at the sources of PATHS as they are now, not as they were when last applied.",
    ),
)


def proposal(function: Function) -> Function:
    """Give a verb the arguments that say what is proposed; they arrive as `proposed`, for `checked`."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def checked(session: Session, proposed: dict[str, Any], *, read_only: bool) -> Check:
    """Return what the gate says of what is proposed.

    Raises
    ------
    UsageError
        If nothing is.
    """
    if not any(proposed[name] for name in ("paths", "schemas", "drops", "retypes", "renames")):
        message = "nothing is proposed: name modules, or a change with --source, --drop-column, --retype or --rename."
        raise click.UsageError(message)
    changes = source_changes(proposed)
    definitions = []
    if proposed["paths"]:
        from featurestore.cli.modules import load_definitions

        try:
            definitions = load_definitions(proposed["paths"])
        except SystemExit as error:
            message = f"a module in {', '.join(proposed['paths'])} ends the process when it is imported ({error.code})."
            raise DefinitionError(message) from error
    with session.store(read_only=read_only) as store:
        return store.check(definitions, source_changes=changes, read_sources=proposed["read_sources"])


def source_changes(proposed: dict[str, Any]) -> list[SourceChange | SourceSchema]:
    """Return the changes of sources that are proposed."""
    from featurestore.model.source_change import SourceChange, SourceSchema

    found: list[SourceChange | SourceSchema] = [SourceSchema.load(path) for path in proposed["schemas"]]
    found += [SourceChange.drop(column) for column in proposed["drops"]]
    found += [SourceChange.retype(*_pair(text, "--retype", "weather.temp=String")) for text in proposed["retypes"]]
    found += [SourceChange.rename(*_pair(text, "--rename", "weather.temp=celsius")) for text in proposed["renames"]]
    return found


def _pair(text: str, option: str, example: str) -> tuple[str, str]:
    column, sign, to = text.partition("=")
    if not sign:
        message = f"{text!r} is not written as {option} takes it: for example {option} {example}."
        raise DefinitionError(message)
    return column, to
