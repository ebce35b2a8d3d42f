"""What every verb is made of: a click command with `--store` and `--json`, and errors that become exit codes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from featurestore.cli.exits import exit_code
from featurestore.cli.output import Output
from featurestore.errors import FeatureStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from featurestore.store import FeatureStore

__all__ = ["STORE_VARIABLE", "Session", "VerbCommand", "verb"]

STORE_VARIABLE = "FEATURESTORE_STORE"


@dataclass(frozen=True, slots=True)
class Session:
    """One call of one verb: which store, and where its answer goes."""

    path: str | None
    output: Output

    def store(self, *, read_only: bool = False) -> FeatureStore:
        """Open the store; questions open it read-only, so that asking in the wrong folder makes none."""
        from featurestore.config import load
        from featurestore.store import FeatureStore

        root, settings = load(self.path, create=not read_only)
        return FeatureStore(root, settings, read_only=read_only)


class VerbCommand(click.Command):
    """A command with `--store`, `--json` and examples, whose function takes a `Session`."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.examples = tuple(examples)
        self.params += [
            click.Option(
                ["--store"],
                metavar="FOLDER|TOML",
                envvar=STORE_VARIABLE,
                show_envvar=True,
                help="The store: its folder, or a featurestore.toml.",
            ),
            click.Option(["--json"], is_flag=True, help="Print one JSON document on standard output."),
        ]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the examples."""
        with formatter.section("Examples" if len(self.examples) > 1 else "Example"):
            for example in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the command line; with --json a usage error is a JSON document too."""
        wants_json = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            if wants_json:
                Output(json=True).document({"error": {"type": "UsageError", "message": error.format_message()}})
            raise

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own
        """Run the verb; an error of ours is printed, without a traceback, and sets the exit code."""
        output = Output(json=ctx.params.pop("json"))
        ctx.params["session"] = Session(ctx.params.pop("store"), output)
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_, **__: output.log(f"warning: {message}")
            try:
                return super().invoke(ctx)
            except FeatureStoreError as error:
                output.fail(error)
                ctx.exit(exit_code(error))


def verb(name: str, *examples: str) -> Callable[[Callable[..., Any]], VerbCommand]:
    """Make a function the verb `name`, with examples of its use.

    The function takes `session` and, by name, its own options and arguments. Its docstring is the help.
    """
    settings = {"help_option_names": ["-h", "--help"]}
    return click.command(name, cls=VerbCommand, examples=examples, context_settings=settings)
