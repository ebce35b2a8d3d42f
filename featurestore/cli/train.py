"""`featurestore train`: join features to a spine, as of each row's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["train"]


@verb(
    "train",
    "featurestore train airport_weather@v1 --spine flights.parquet --out frame.parquet --lock delay.lock",
    "featurestore train delay.lock --out again.parquet",
)
@click.argument("references", metavar="REF...", nargs=-1, required=True)
@click.option("--spine", metavar="FILE", help="The rows to train on: join keys, a time, labels. .parquet .csv .json")
@click.option(
    "--timestamp", metavar="COLUMN", help="The spine's time; by default what a lock says, or event_timestamp."
)
@click.option("--as-of", metavar="TIME|spine", help="Only rows known by then; `spine`: by each row's own time.")
@click.option("--out", metavar="FILE", help="Write the frame: .parquet, .csv or .arrow.")
@click.option("--lock", "lock_path", metavar="FILE.lock", help="Write the pins: exact versions, snapshots and spine.")
def train(
    session: Session,
    *,
    references: tuple[str, ...],
    spine: str | None,
    timestamp: str | None,
    as_of: str | None,
    out: str | None,
    lock_path: str | None,
) -> None:
    """Make a training frame: for each row of the spine the newest feature row that is not after its time.

    REF is view@v1:feature, view@v1 (all its features) or view:feature (the active version; the lock records which),
    each with optional ` on key=column` and ` as name`. Instead of references, one lock file or one model version gives
    the same rows again; with --spine, the same versions on other rows.
    """
    from featurestore.cli.rows import read_rows, write_rows

    table = None if spine is None else read_rows(spine)
    with session.store() as store:
        frame = store.get_training_frame(
            references[0] if len(references) == 1 else list(references), table, timestamp=timestamp, as_of=as_of
        )
        if out is not None:
            write_rows(frame.to_arrow(), out)
        if lock_path is not None:
            frame.pins.save(lock_path)
    answer = {
        "frame": frame.id,
        "rows": frame.report.rows,
        "features": list(frame.feature_columns),
        "out": out,
        "lock": lock_path,
        "report": frame.report,
    }
    if session.output.json:
        for warning in frame.report.warnings:
            session.output.log(f"warning: {warning}")
    written = [f"wrote {path}" for path in (out, lock_path) if path is not None]
    session.output.answer(answer, people="\n".join([f"frame {frame.id}", str(frame.report), *written]))
