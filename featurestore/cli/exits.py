"""Exit codes: the one table, from which the help, the documentation and the codes themselves come."""

from __future__ import annotations

from dataclasses import dataclass

from featurestore import errors

__all__ = ["EXITS", "Exit", "exit_code"]


@dataclass(frozen=True, slots=True)
class Exit:
    """One exit code: its number, what it means, and the errors that end a command with it (subclasses included)."""

    code: int
    meaning: str
    errors: tuple[type[Exception], ...] = ()


EXITS = (
    Exit(0, "done"),
    Exit(
        1,
        "refused, blocked or failed: the message says why; or something was found: by `compare` a difference, by "
        "`skew` or `report` what deserves a look, by `detect` a blocking change, by `contract check` a broken rule, by "
        "`contract diff` a breaking change, by `stale --fail-on` a change of what it names; or rows "
        "went into quarantine",
        (errors.FeatureStoreError,),
    ),
    Exit(2, "the command line or the configuration is wrong", (errors.ConfigError,)),
    Exit(3, "a view, version, feature, model, endpoint or row is not there", (errors.NotFoundError,)),
    Exit(4, "another process changed it meanwhile, or its state forbids it: look, then retry", (errors.ConflictError,)),
    Exit(
        5,
        "the server cannot be reached or did not answer in time: retry",
        (errors.UnavailableError, errors.DeadlineError),
    ),
    Exit(6, "stored data is missing or damaged", (errors.CorruptError,)),
)
"""In order of the code. An error belongs to the last line that names it or one of its parents."""


def exit_code(error: Exception) -> int:
    """Return the code with which `error` ends a command."""
    codes = [row.code for row in EXITS if isinstance(error, row.errors)]
    return codes[-1] if codes else 1
