"""`featurestore contract`: what is promised of rows at a boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.errors import RequestError

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.model.contract_change import ContractVersion

__all__ = ["check", "diff", "show"]


@verb(
    "contract check",
    "featurestore contract check",
    "featurestore contract check weather",
    "featurestore contract check weather --file weather.parquet",
)
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option("--file", metavar="FILE", help="Check this Parquet or CSV file in place of the source's own rows.")
@click.pass_context
def check(context: click.Context, session: Session, *, sources: tuple[str, ...], file: str | None) -> None:
    """Hold the rows that sources hold now against their contracts; without SOURCE, all that have one.

    SOURCE is a source's name, with @cN for another than its current contract, or view/NAME for what the features of a
    view promise of its newest snapshot. Each broken rule is told with how many rows break it, a few of their values
    (none where the column is sensitive) and what to do. With --file, rows are checked before they are handed over.

    The exit code is 0 if every contract holds, 1 if one is broken.
    """
    if file is not None and len(sources) != 1:
        raise RequestError(f"--file is checked against one contract, and {len(sources)} are named: name one source.")
    with session.store(read_only=True) as store:
        found = store.check_contracts(sources) if file is None else [store.check_contract(sources[0], file=file)]
    broken = any(item.violations for item in found)
    people = "\n".join(str(item) for item in found) or "no source has a contract"
    session.output.answer({"broken": broken, "checks": found}, people=people)
    context.exit(1 if broken else 0)


@verb(
    "contract show",
    "featurestore contract show",
    "featurestore contract show weather",
    "featurestore contract show weather@c1",
)
@click.argument("contract", required=False, metavar="[CONTRACT]")
def show(session: Session, contract: str | None) -> None:
    """Show a contract: every rule, and what its versions changed. Without CONTRACT, list all.

    CONTRACT is a source's name, or view/NAME; with @cN for an older version.
    """
    from featurestore.cli.contracts import write_contract, write_list

    with session.store(read_only=True) as store:
        if contract is None:
            listed = store.contracts()
            every = [_answer(item) for item in listed]
            session.output.answer(every, people=lambda console: write_list(console, listed))
            return
        found = store.contract(contract)
        versions = store.contract_versions(found.subject)
    answer = {**_answer(found), "versions": [_answer(item) for item in versions]}
    session.output.answer(answer, people=lambda console: write_contract(console, found, versions))


@verb(
    "contract diff",
    "featurestore contract diff weather",
    "featurestore contract diff weather@c1 weather@c3",
)
@click.argument("before", metavar="CONTRACT")
@click.argument("after", metavar="[CONTRACT]", required=False)
@click.pass_context
def diff(context: click.Context, session: Session, *, before: str, after: str | None) -> None:
    """Compare two versions of a contract rule by rule; one name compares its current version with the one before it.

    A change breaks if rows may now come that the old contract promised would not; the models that read such a column
    are named. A stricter contract breaks no reader.

    The exit code is 0 if nothing breaks, 1 if something does.
    """
    with session.store(read_only=True) as store:
        found = store.diff_contract(before, after)
    session.output.answer(
        {"subject": found.subject, "before": found.before, "after": found.after, "breaking": found.breaking,
         "changes": found.changes, "reached": dict(found.reached)},
        people=str(found),
    )  # fmt: skip
    context.exit(1 if found.breaking else 0)


def _answer(version: ContractVersion) -> dict[str, object]:
    return {
        "contract": version.reference,
        "subject": version.subject,
        "number": version.number,
        "rules": version.contract.to_json(),
        "changes": version.changes,
        "breaking": version.breaking,
        "author": version.author,
        "created_at": version.created_at,
    }
