"""The page docs/cli.md, made from the commands themselves: `python -m featurestore.cli.page > docs/cli.md`."""

from __future__ import annotations

import inspect
import re
import sys
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import VerbCommand
from featurestore.cli.exits import EXITS
from featurestore.cli.group import SECTIONS, cli

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["page"]

_HEAD = """\
# The command line

<!-- Made by `python -m featurestore.cli.page > docs/cli.md`; a test holds it to the commands. -->

`featurestore COMMAND ...`, or `python -m featurestore COMMAND ...`. `featurestore COMMAND --help` says the same.

Every command takes

- `--store FOLDER|TOML`: the store, by its folder or by a `featurestore.toml`. Without it, what `FEATURESTORE_STORE`
  names, else `./featurestore.toml`, else the folder `./.featurestore`.
- `--json`: one JSON document on standard output and nothing else. Progress, warnings and logs are on standard error
  always. Times are ISO 8601 in UTC, durations seconds, decimals text, bytes base64; a float that JSON cannot hold is
  `"NaN"`, `"Infinity"` or `"-Infinity"`. An error is `{"error": {"type": ..., "message": ...}}`.

Times are ISO text (`2013-07-01T06:00`, UTC unless it says otherwise) or a duration back from now (`14d`).

## Exit codes
"""


def page() -> str:
    """Return the whole page."""
    lines = [_HEAD, "| code | meaning | errors |", "|---|---|---|"]
    for row in EXITS:
        names = " ".join(f"`{error.__name__}`" for error in row.errors)
        lines.append(f"| {row.code} | {row.meaning} | {names} |")
    lines += ["", "An error belongs to the last line that names it or one of its parents.", ""]
    context = click.Context(cli, info_name="featurestore", **cli.context_settings)
    for section, verbs in SECTIONS.items():
        lines += [f"## {section}", ""]
        for name in verbs:
            command = cli.get_command(context, name)
            if isinstance(command, VerbCommand):
                lines += _command(command, context)
    return "\n".join(lines).rstrip() + "\n"


def _command(command: VerbCommand, parent: click.Context) -> Iterator[str]:
    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"### {command.name}"
    yield ""
    yield f"`featurestore {command.name} {usage}`"
    yield ""
    for paragraph in re.split(r"\n{2,}", inspect.cleandoc(command.help or "")):
        yield " ".join(paragraph.split())
        yield ""
    yield "```console"
    yield from (f"$ {example}" for example in command.examples)
    yield "```"
    yield ""
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    records = [option.get_help_record(context) for option in options]
    own = [record for record in records if record and not record[0].startswith(("--store", "--json"))]
    if own:
        yield "| option | |"
        yield "|---|---|"
        yield from (f"| `{_cell(option)}` | {_cell(text)} |" for option, text in own)
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(page())
