"""The command line, `featurestore COMMAND ...`: one file per verb, each loaded when it is called."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from featurestore.cli.group import cli

    cli(prog_name="featurestore")
