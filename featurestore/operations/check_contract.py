"""Check a contract: the rows that a source holds now, a file that is to be handed over, or a view's snapshot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featurestore.catalog import contracts, snapshots, sources, versions
from featurestore.errors import ContractError, NotFoundError, RequestError, nearest
from featurestore.model.contract import Contract
from featurestore.model.definition import SourceDefinition
from featurestore.model.violation import ContractCheck, Violation
from featurestore.offline.connection import compare_time, connect, describe, identifier, literals, translated
from featurestore.quality.contract_check import Relation, check_rows, column_violations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.model.snapshot import DataFile
    from featurestore.operations.context import Context

__all__ = ["Part", "check_contract", "check_contracts", "check_files", "check_source"]

Part = tuple[str, datetime | None, datetime | None]
"""A time column, and the `[start, end)` of it that is looked at."""

_MEND = "Mend the value upstream, or declare the column's type in the source: types={...}."


def check_contracts(context: Context, names: Sequence[str] = ()) -> list[ContractCheck]:
    """Check sources (or `view/NAME`) by name; without names, all that have a contract."""
    if not names:
        with context.catalog.read() as connection:
            names = [version.subject for version in contracts.everything(connection)]
    return [check_contract(context, name) for name in names]


def check_contract(
    context: Context, name: str, *, file: str | Path | None = None, contract: Contract | None = None
) -> ContractCheck:
    """Hold rows against the contract of a source, or of what a view's features promise.

    Parameters
    ----------
    name
        A source, `weather`, with `@cN` for another than its current contract; or `view/airport_weather`, whose newest
        snapshot is read.
    file
        A Parquet or CSV file to check in place of the source's own rows, before it is handed over.
    contract
        Check this one instead of what the store knows.

    Raises
    ------
    NotFoundError
        If there is no such source, contract or file.
    SourceError
        If the rows cannot be read.
    """
    with context.catalog.read() as connection:
        if contract is None:
            known = contracts.find(connection, name)
            subject, reference, contract = known.subject, known.reference, known.contract
        else:
            subject, reference = name if "/" in name else f"source/{name}", f"{name} (proposed)"
        kind, _, plain = subject.partition("/")
        row = sources.find(connection, plain) if kind == "source" else None
        files = _newest_files(connection, plain) if kind == "view" and file is None else None
    now = datetime.now(UTC)
    if files is not None:
        data, (rows, violations) = files[0], check_files(context, subject, contract, files[1], now=now)
    else:
        source = _source(plain, row) if file is None else _file(plain, file, row)
        data = context.reader.data_version(source) if file is None else str(file)
        rows, violations = check_source(context, source, contract, now=now)
    return ContractCheck(subject, reference, data, rows, now, violations)


def check_source(
    context: Context, source: SourceDefinition, contract: Contract, *, now: datetime, part: Part | None = None
) -> tuple[int, tuple[Violation, ...]]:
    """Return how many rows a source holds (in `part` of it), and which rules of a contract they break."""
    subject = f"source/{source.name}"
    columns = context.reader.schema(source)
    if part is not None and part[0] not in columns:
        part = None
    wanted = {name: columns[name] for name in contract.named if name in columns}
    if part is not None:
        wanted[part[0]] = columns[part[0]]
    read = SourceDefinition(source.name, source.kind, source.location, tuple(wanted.items()))
    relation = identifier(source.name)
    if part is not None:
        conditions = [
            compare_time(part[0], columns[part[0]], sign, bound)
            for sign, bound in zip((">=", "<"), part[1:], strict=True)
            if bound is not None
        ]
        relation = f"(SELECT * FROM {relation} WHERE {' AND '.join(conditions) or 'true'})"  # noqa: S608 - quoted
    try:
        with connect(context.root, context.settings) as connection, translated(f"source {source.name!r}"):
            context.reader.register(connection, read)
            return check_rows(
                Relation(connection, relation, columns), contract, subject=subject, now=now, whole=part is None
            )
    except ContractError as error:  # a CSV whose text is no value of its column's type
        known = tuple(column_violations(subject, contract, columns))
        return 0, (*known, Violation(subject, "type", None, None, 0, (), str(error), _MEND))


def check_files(
    context: Context, subject: str, contract: Contract, files: Sequence[DataFile], *, now: datetime
) -> tuple[int, tuple[Violation, ...]]:
    """Return how many rows a snapshot's files hold, and which rules of its view's promise they break.

    A feature that the version does not have promises nothing there.
    """
    if not files:
        return 0, ()
    relation = f"read_parquet({literals(str(context.root / file.path) for file in files)})"
    with connect(context.root, context.settings) as connection, translated(subject):
        columns = dict(describe(connection, f"SELECT * FROM {relation}"))  # noqa: S608 - quoted above
        known = {name: expected for name, expected in contract.columns.items() if name in columns}
        return check_rows(Relation(connection, relation, columns), Contract(known), subject=subject, now=now)


def _newest_files(connection: Connection, view: str) -> tuple[str, Sequence[DataFile]]:
    version = versions.current(connection, view)
    head = snapshots.head(connection, version)
    if head is None:
        raise NotFoundError(f"{version.reference} has no rows yet: run `featurestore materialize {version.reference}`.")
    return head.id, head.files


def _source(name: str, row: Mapping[str, Any] | None) -> SourceDefinition:
    if row is None:
        raise NotFoundError(f"there is no source {name!r} in this store: give --file, or apply a view that reads it.")
    return SourceDefinition(row["name"], row["kind"], row["location"], tuple(row["columns"].items()))


def _file(name: str, file: str | Path, row: Mapping[str, Any] | None) -> SourceDefinition:
    path = Path(file)
    kinds = {".parquet": "parquet", ".csv": "csv"}
    kind = kinds.get(path.suffix.lower())
    if kind is None:
        raise RequestError(f"{str(path)!r} is neither Parquet nor CSV: give a .parquet or a .csv file.")
    if not path.is_file():
        there = [item.name for item in path.parent.glob(f"*{path.suffix}")] if path.parent.is_dir() else []
        raise NotFoundError(f"there is no file {str(path)!r}.{nearest(path.name, there)}")
    location = dict(row["location"]) if row is not None and row["kind"] == kind == "csv" else {}
    return SourceDefinition(name, kind, {**location, "path": str(path)}, ())
