"""`featurestore train`: join features to a spine, as of each row's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb
from featurestore.cli.progress import progress

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["train"]


@verb(
    "train",
    "featurestore train airport_weather@v1 --spine flights.parquet --out frame.parquet --lock delay.lock",
    "featurestore train delay.lock --out again.parquet",
    "featurestore train airport_weather@v1 --start 2013-07-01 --end 2013-08-01 --out july.parquet",
)
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.option("--spine", metavar="FILE", help="The rows to train on: join keys, a time, labels. .parquet .csv .json")
@click.option(
    "--timestamp", metavar="COLUMN", help="The spine's time; by default what a lock says, or event_timestamp."
)
@click.option("--as-of", metavar="TIME|spine", help="Only rows known by then; `spine`: by each row's own time.")
@click.option("--start", metavar="TIME", help="Without a spine: the first view's own rows from here on (included).")
@click.option("--end", metavar="TIME", help="Without a spine: the end of these rows (not included).")
@click.option("--out", metavar="FILE", help="Write the frame: .parquet, .csv or .arrow.")
@click.option("--lock", "lock_path", metavar="FILE.lock", help="Write the pins: exact versions, snapshots and spine.")
@click.option("--explain", is_flag=True, help="Print how it would be joined: what is read, how and why. Join nothing.")
def train(
    session: Session,
    *,
    references: tuple[str, ...],
    spine: str | None,
    timestamp: str | None,
    as_of: str | None,
    start: str | None,
    end: str | None,
    out: str | None,
    lock_path: str | None,
    explain: bool,
) -> None:
    """Make a training frame: for each row of the spine the newest feature row that is not after its time.

    REF is view@v1:feature, view@v1 (all its features) or view:feature (the active version; the lock records which),
    each with optional ` on key=column` and ` as name`. Instead of references, one lock file or one model version gives
    the same rows again; with --spine, the same versions on other rows.

    A spine without any column of times gets the newest values, as of now or --as-of. Parquet, in and out, may be larger
    than memory. Instead of a spine, --start and --end take the keys and times of the first REF's view in that range.
    """
    from featurestore.cli.rows import check_ending, open_rows, write_frame

    if out is not None:
        check_ending(out)
    given = None if spine is None else open_rows(spine)
    wanted = references[0] if len(references) == 1 else list(references)
    options = {"timestamp": timestamp, "as_of": as_of, "start": start, "end": end}
    if explain:
        with session.store() as store:
            session.output.answer(store.explain_training_frame(wanted, given, **options))
        return
    with session.store() as store, progress(session.output) as tell:
        store.report_progress(tell)
        frame = store.get_training_frame(wanted, given, timestamp=timestamp, as_of=as_of, start=start, end=end)
        if out is not None:
            write_frame(frame, out)
        if lock_path is not None:
            frame.pins.save(lock_path)
        report = frame.report
    answer = {
        "frame": frame.id,
        "rows": report.rows,
        "features": list(frame.feature_columns),
        "out": out,
        "lock": lock_path,
        "report": report,
    }
    if session.output.json:
        for warning in report.warnings:
            session.output.log(f"warning: {warning}")
    written = [f"wrote {path}" for path in (out, lock_path) if path is not None]
    session.output.answer(answer, people="\n".join([f"frame {frame.id}", str(report), *written]))
