"""The `featurestore` command: its verbs by what they are for, each imported when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from featurestore import __version__
from featurestore.cli.exits import EXITS
from featurestore.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SECTIONS", "VERBS", "LazyGroup", "Verb", "cli"]


class Verb(NamedTuple):
    """Where a verb is: `module:attribute` below `featurestore.cli`, and its line in the list of commands."""

    where: str
    summary: str


SECTIONS: Mapping[str, Mapping[str, Verb]] = {
    "Define and materialize": {
        "init": Verb("init:init", "Make a store and its featurestore.toml."),
        "plan": Verb("plan:plan", "Show what applying these definitions would change."),
        "check": Verb("check:check", "Whether proposed definitions and schemas break what is live: a gate for CI."),
        "ack": Verb("ack:ack", "Accept what `check` blocks, for a reason and a time."),
        "apply": Verb("apply:apply", "Record feature views and sets as versions."),
        "materialize": Verb("materialize:materialize", "Compute the rows of a feature version."),
        "refresh": Verb("refresh:refresh", "Bring every version that anyone reads up to date."),
        "compact": Verb("compact:compact", "Merge the runs that windows have left into one."),
        "push": Verb("push:push", "Give rows to a push source, online and for the next refresh."),
    },
    "Guard": {
        "approve": Verb("approve:approve", "Let rows in quarantine through."),
        "contract check": Verb("contract:check", "Hold rows against what is promised of them."),
        "contract show": Verb("contract:show", "Show a contract, or list them."),
        "contract diff": Verb("contract:diff", "What a new contract changes, what breaks, and whom it reaches."),
        "contract export": Verb("contract:export", "Write contracts as Open Data Contract Standard YAML."),
        "contract import": Verb("contract:import_", "Declare the contracts of an Open Data Contract Standard file."),
    },
    "Train and deploy": {
        "train": Verb("train:train", "Join features to a spine, as of each row's time."),
        "register": Verb("register:register", "Record a model version and what it was trained on."),
        "deploy": Verb("deploy:deploy", "Put a model version on an endpoint."),
        "undeploy": Verb("deploy:undeploy", "Take a model version off an endpoint."),
        "lock": Verb("lock:lock", "Print the lock of a model version or a frame."),
    },
    "Serve": {
        "publish": Verb("publish:publish", "Put a version's newest rows into the online store."),
        "activate": Verb("activate:activate", "Point readers at a feature version."),
        "rollback": Verb("rollback:rollback", "Point readers back at an earlier version."),
        "retire": Verb("retire:retire", "Mark a feature version as not to be used any more."),
        "get": Verb("get:get", "Look features up, as the server would."),
        "compare": Verb("compare:compare", "Compare two versions, or online answers with the offline join."),
        "serve": Verb("serve:serve", "Serve features over gRPC."),
        "token": Verb("token:token", "Make a bearer token for callers of a server."),
    },
    "Work with others": {
        "link": Verb("link:link", "Tell a dependency on a job or table of another system."),
        "import": Verb("import_:import_", "Add what OpenLineage events or a dbt project tell to the graph."),
        "export": Verb("export:export", "Send what the store has done to others, as OpenLineage events."),
    },
    "Ask": {
        "verify": Verb("verify:verify", "Read all stored rows and compare them with their digests."),
        "profile": Verb("profile:profile", "What rows look like: nulls, empties, bounds, frequent values."),
        "detect": Verb("detect:detect", "What has changed in rows, by its cause, and whom it reaches."),
        "status": Verb("status:status", "What the store holds, and how fresh it is."),
        "show": Verb("show:show", "Show a view, version, set, snapshot, model or endpoint, or list them."),
        "consumers": Verb("consumers:consumers", "Who reads a feature, version or source column."),
        "lineage": Verb("lineage:lineage", "What a node comes from, or what depends on it."),
        "active": Verb("active:active", "Which version was active, and when."),
        "changes": Verb("changes:changes", "What has changed, by whom and why."),
        "trained-on": Verb("trained_on:trained_on", "What exact data a model version was trained on."),
        "stale": Verb("stale:stale", "What has changed since each live model was trained."),
        "diff": Verb("diff:diff", "What differs between two model versions."),
        "report": Verb("report:report", "What changed, what waits, and whom it reaches, by owner."),
        "skew": Verb("skew:skew", "What a model was served, against what it was trained on."),
    },
}
"""Section to verb name to verb, in the order of the help; a name of two words is a verb of a group."""

VERBS: Mapping[str, Verb] = {name: verb for verbs in SECTIONS.values() for name, verb in verbs.items()}

GROUPS: Mapping[str, str] = {
    "contract": "What is promised of a source's rows, and of a view's features: checked, compared, exchanged.",
}
"""What the verbs of a group are for."""

_PATH = (
    "featurestore apply features/",
    "featurestore materialize airport_weather",
    "featurestore train airport_weather@v1 --spine flights.parquet --out frame.parquet --lock delay.lock",
    "featurestore register delay --version 1 --lock delay.lock",
    "featurestore publish airport_weather@v1",
    "featurestore deploy delay@1 --endpoint eta-prod",
    "featurestore serve",
)


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called.

    Parameters
    ----------
    within
        The first word of the names of its commands, for the group of that name; empty for the whole.
    """

    def __init__(self, *args: Any, within: str = "", **kwargs: Any) -> None:  # noqa: ANN401 - click's own
        super().__init__(*args, **kwargs)
        self.within = within

    def _words(self) -> list[str]:
        """Return the next word of each name, in the order of the help."""
        start = f"{self.within} " if self.within else ""
        found = [name.removeprefix(start) for name in VERBS if name.startswith(start)]
        return list(dict.fromkeys(name.partition(" ")[0] for name in found))

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names in the order of the help."""
        return self._words()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command, or make a group of those that begin with its name."""
        name = f"{self.within} {cmd_name}".strip()
        verb = VERBS.get(name)
        if verb is None:
            if not any(known.startswith(f"{name} ") for known in VERBS):
                return None
            return LazyGroup(
                name, within=name, help=GROUPS[name], context_settings={"help_option_names": ["-h", "--help"]}
            )
        module, _, attribute = verb.where.partition(":")
        command = getattr(import_module(f"featurestore.cli.{module}"), attribute)
        if not isinstance(command, click.Command):  # a slip in the table above
            raise TypeError(verb.where)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or fail with the nearest name."""
        words = self._words()
        if args and not args[0].startswith("-") and args[0] not in words:
            ctx.fail(f"there is no command {args[0]!r}.{nearest(args[0], words, limit=len(words))}")
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the tool is for, and the path of the data through its commands."""
        super().format_help_text(ctx, formatter)
        if self.within:
            return
        with formatter.section("The path of the data"):
            for line in _PATH:
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the exit codes."""
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(row.code), row.meaning) for row in EXITS])

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the commands from the table, without importing any."""
        start = f"{self.within} " if self.within else ""
        for section, verbs in SECTIONS.items():
            rows = [(name.removeprefix(start), verb.summary) for name, verb in verbs.items() if name.startswith(start)]
            if rows:
                with formatter.section(section):
                    formatter.write_dl(rows)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Feature versions side by side, training pinned to exact rows, one graph from source to endpoint.

    Every command takes --store FOLDER|TOML (or FEATURESTORE_STORE; without it ./featurestore.toml, else
    ./.featurestore) and --json: one JSON document on standard output, everything else on standard error.
    """
