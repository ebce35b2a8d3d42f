"""`featurestore compare`: two versions of a view, or online answers and the offline join of the same rows."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, NoReturn

import click

from featurestore.cli.command import verb
from featurestore.cli.output import as_json
from featurestore.cli.progress import progress
from featurestore.cli.server import HELP, connected

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from featurestore.cli.command import Session
    from featurestore.serving.client import Client

__all__ = ["compare"]


@verb(
    "compare",
    "featurestore compare airport_weather@v1 airport_weather@v2",
    "featurestore compare airport_weather@v1 --online",
    "featurestore compare airport_weather@v1 airport_weather@v2 --online --sample 10000 --at 2013-07-20",
    "featurestore compare --online --endpoint eta-prod --address localhost:6566",
)
@click.argument("references", metavar="[REF]...", nargs=-1)
@click.option("--online", is_flag=True, help="Compare online answers with the offline join of the same rows.")
@click.option("--model", metavar="MODEL@VERSION", help="The features of this model, at exactly its lock's versions.")
@click.option("--endpoint", metavar="NAME", help="The features that this endpoint reads.")
@click.option(
    "--sample", type=click.IntRange(min=1), default=1_000, show_default=True, metavar="N", help="Keys to compare."
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Another seed draws another sample.")
@click.option("--at", metavar="TIME", help="The time of both questions; by default now.")
@click.option("--address", metavar="HOST:PORT", help=f"Ask this server, which serves the store. {HELP}")
@click.option("--record", is_flag=True, help="Of two versions: keep in the history that they were compared.")
@click.pass_context
def compare(
    context: click.Context,
    session: Session,
    *,
    references: tuple[str, ...],
    online: bool,
    model: str | None,
    endpoint: str | None,
    sample: int,
    seed: int,
    at: str | None,
    address: str | None,
    record: bool,
) -> None:
    """Compare two versions of a view, or with --online what is answered online with the offline join.

    Of two versions (view@v1 view@v2) rows are drawn from both, and each feature is compared at the same keys and times,
    value by value and by distribution; the models and endpoints that would move are named, with --endpoint for the
    pointers of that endpoint. The exit code is 0 if all values are the same, 1 if any differs.

    Compare online answers of REF (view@v1:feature, view@v1, view), --model or --endpoint with the offline join.

    A sample of the stored keys, some that nobody has, and nulls are asked for online, and joined offline as a training
    frame would be, at one time. Values (bit for bit), types, states and event times are compared cell by cell.
    A cell whose row is newer than the last publish, or was pushed since, is counted apart: it waits for the next one.

    The exit code is 0 if all is the same, 1 if anything differs.
    """
    if not online:
        _versions(context, session, references, sample=sample, seed=seed, endpoint=endpoint, record=record)
    if bool(references) == (model is not None or endpoint is not None):
        message = "name what to read: either references, or --model or --endpoint"
        raise click.UsageError(message)
    with session.store(read_only=True) as store, progress(session.output) as report, _client(address) as client:
        store.report_progress(report)
        found = store.compare_online(
            list(references) or None, model=model, endpoint=endpoint, sample=sample, at=at, seed=seed, client=client
        )
    session.output.answer({"equal": found.equal, **as_json(found)}, people=str(found))
    context.exit(0 if found.equal else 1)


def _versions(
    context: click.Context,
    session: Session,
    references: tuple[str, ...],
    *,
    sample: int,
    seed: int,
    endpoint: str | None,
    record: bool,
) -> NoReturn:
    """Compare two versions, and end with the exit code."""
    if len(references) != 2:  # noqa: PLR2004 - one before, one after
        message = "name two versions of a view to compare, such as weather@v1 weather@v2; or say --online"
        raise click.UsageError(message)
    before, after = references
    with session.store(read_only=not record) as store:
        found = store.compare_versions(before, after, sample=sample, seed=seed, endpoint=endpoint, record=record)
    session.output.answer({"same": found.same, "blocking": found.blocking, **as_json(found)}, people=str(found))
    context.exit(0 if found.same else 1)


def _client(address: str | None) -> AbstractContextManager[Client | None]:
    if address is None:
        return nullcontext()
    return connected(address)
