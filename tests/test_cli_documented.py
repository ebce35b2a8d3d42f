"""docs/cli.md is the commands' own help: every command, every option, every example, the exit codes."""

from __future__ import annotations

import shlex
from pathlib import Path

import click
import pytest

from featurestore import errors
from featurestore.cli.command import VerbCommand
from featurestore.cli.exits import EXITS, exit_code
from featurestore.cli.group import VERBS, cli
from featurestore.cli.page import page

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"


def command(name: str) -> VerbCommand:
    found = cli.get_command(click.Context(cli), name)
    assert isinstance(found, VerbCommand)
    return found


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m featurestore.cli.page > docs/cli.md`"


@pytest.mark.parametrize("name", VERBS)
def test_every_command_and_option_is_on_the_page(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition(f"\n### {name}\n")[2].partition("\n##")[0]
    for parameter in command(name).params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in (text if option in {"--store", "--json"} else section), option


@pytest.mark.parametrize("name", VERBS)
def test_every_command_teaches_with_an_example(name: str) -> None:
    verb = command(name)
    assert verb.name == name
    assert verb.examples
    for example in verb.examples:
        program, *words = shlex.split(example)
        named = len(name.split())
        assert (program, words[:named]) == ("featurestore", name.split())
        verb.make_context(name, words[named:], resilient_parsing=False)


@pytest.mark.parametrize("name", VERBS)
def test_every_command_takes_a_store_and_can_answer_in_json(name: str) -> None:
    options = {option for parameter in command(name).params for option in parameter.opts}
    assert {"--store", "--json"} <= options
    assert all(parameter.help for parameter in command(name).params if isinstance(parameter, click.Option))


def test_every_error_has_an_exit_code() -> None:
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type):
            assert exit_code(kind("")) in {row.code for row in EXITS} - {0}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FeatureStoreError, 1),
        (errors.ContractError, 1),
        (errors.LockMismatchError, 1),
        (errors.ConfigError, click.UsageError.exit_code),
        (errors.ReadOnlyError, 2),
        (errors.NotFoundError, 3),
        (errors.NotPublishedError, 3),
        (errors.ConflictError, 4),
        (errors.UnavailableError, 5),
        (errors.DeadlineError, 5),
        (errors.CorruptError, 6),
    ],
)
def test_exit_codes_are_what_is_documented(error: type[errors.FeatureStoreError], code: int) -> None:
    assert exit_code(error("")) == code
