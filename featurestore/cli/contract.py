"""`featurestore contract`: what is promised of rows at a boundary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.errors import NotFoundError, RequestError, nearest

if TYPE_CHECKING:
    from featurestore.cli.command import Session
    from featurestore.model.contract import Contract
    from featurestore.model.contract_change import ContractVersion

__all__ = ["check", "diff", "export", "import_", "show"]


@verb(
    "contract check",
    "featurestore contract check",
    "featurestore contract check weather",
    "featurestore contract check weather --file weather.parquet",
)
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option("--file", metavar="FILE", help="Check this Parquet or CSV file in place of the source's own rows.")
@click.option(
    "--contract", metavar="YAML", help="Check against the contract in this ODCS file in place of the store's."
)
@click.pass_context
def check(
    context: click.Context, session: Session, *, sources: tuple[str, ...], file: str | None, contract: str | None
) -> None:
    """Hold the rows that sources hold now against their contracts; without SOURCE, all that have one.

    SOURCE is a source's name, with @cN for another than its current contract, or view/NAME for what the features of a
    view promise of its newest snapshot. Each broken rule is told with how many rows break it, a few of their values
    (none where the column is sensitive) and what to do. With --file, rows are checked before they are handed over.

    The exit code is 0 if every contract holds, 1 if one is broken.
    """
    if (file is not None or contract is not None) and len(sources) != 1:
        raise RequestError(
            f"--file and --contract are about one source's rows, and {len(sources)} are named: name one source."
        )
    proposed = None if contract is None else _proposed(contract, sources[0])
    with session.store(read_only=True) as store:
        if file is None and proposed is None:
            found = store.check_contracts(sources)
        else:
            found = [store.check_contract(sources[0], file=file, contract=proposed)]
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


@verb(
    "contract export",
    "featurestore contract export weather",
    "featurestore contract export weather --out weather.odcs.yaml",
)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--out", metavar="FILE", help="Write the document there, not to standard output.")
def export(session: Session, sources: tuple[str, ...], out: str | None) -> None:
    """Write contracts as one Open Data Contract Standard document (version 3, YAML), for others' tools.

    SOURCE is a source's name, or view/NAME; with @cN for an older version. What the standard's file said when it was
    imported is given back.
    """
    from featurestore.integrations import odcs

    with session.store(read_only=True) as store:
        found = [store.contract(name) for name in sources]
    text = odcs.dumps({version.name: version for version in found})
    if out is not None:
        Path(out).write_text(text, encoding="utf-8")
    answer = {"contracts": [version.reference for version in found], "out": out, "document": text}
    session.output.answer(answer, people=text.rstrip() if out is None else f"{len(found)} written to {out}")


@verb(
    "contract import",
    "featurestore contract import weather.odcs.yaml --dry-run",
    "featurestore contract import weather.odcs.yaml",
)
@click.argument("file", metavar="FILE")
@click.option("--source", metavar="NAME", help="The source it is about, where the file's object has another name.")
@click.option("--dry-run", is_flag=True, help="Say what it would change, and change nothing.")
def import_(session: Session, file: str, source: str | None, *, dry_run: bool) -> None:
    """Declare the contracts of an Open Data Contract Standard document (version 3, YAML): each object's for its source.

    What is wrong with the file is said by line and rule. Rules that are kept and not checked are named on standard
    error. The answer says what changes against the contract before, what breaks, and whom that reaches.
    """
    from featurestore.integrations import odcs

    read = odcs.load(file)
    named = dict(read.contracts)
    if source is not None:
        if len(named) != 1:
            raise RequestError(f"{file!r} holds {len(named)} objects ({', '.join(named)}): --source names one of one.")
        named = {source: next(iter(named.values()))}
    for note in read.notes:
        session.output.log(f"note: {note}")
    with session.store(read_only=dry_run) as store:
        diffs = [store.propose_contract(name, contract) for name, contract in named.items()]
        if not dry_run:
            for name, contract in named.items():
                store.declare_contract(name, contract)
    answer = {"declared": not dry_run, "contracts": diffs, "notes": read.notes}
    session.output.answer(answer, people="\n".join(map(str, diffs)))


def _proposed(file: str, source: str) -> Contract:
    from featurestore.integrations import odcs

    found = odcs.load(file).contracts
    if source in found or len(found) != 1:
        if source not in found:
            raise NotFoundError(f"{file!r} holds no object {source!r}.{nearest(source, found)}")
        return found[source]
    return next(iter(found.values()))


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
