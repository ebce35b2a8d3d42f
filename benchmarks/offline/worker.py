"""One measurement in a process of its own: `python -m benchmarks.offline.worker PEER MODE WARMUP CASE`.

`warm` answers the tiny warm-up case first, so that everything is loaded before the clock starts; `first` starts the
clock before anything is imported; `check` is as `warm` and keeps the answer for the comparison. Prints JSON.
"""

from __future__ import annotations

import json
import re
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.offline.case import Case

if TYPE_CHECKING:
    from benchmarks.offline.peers import Peer

__all__ = ["answer_file"]


def answer_file(case: Case, peer: str) -> Path:
    """Return where `check` keeps an answer, an Arrow IPC file."""
    return Path(case.scratch) / f"{case.workload}-{peer}.arrow"


def main(peer: str, mode: str, warmup: str, path: str) -> None:
    """Measure, and print seconds and bytes."""
    case = Case.load(path)
    started = time.perf_counter()
    prepare: Peer = import_module("benchmarks.offline.peers").PEERS[peer]
    if mode == "first":
        before = _peak()
        result = prepare(case)()
    else:
        prepare(Case.load(warmup))()
        if case.cap is not None:
            _limit(_reserved() + case.cap)
        answer = prepare(case)
        before = _peak()
        started = time.perf_counter()
        result = answer()
    seconds, peak = time.perf_counter() - started, _peak()
    if mode == "check" and result is not None:
        _keep(result, case, peer)
    print(json.dumps({"seconds": seconds, "peak": peak, "added": peak - before}))


def _limit(size: int) -> None:
    """Let the process have so many bytes of its own; files it maps do not count."""
    resource.setrlimit(resource.RLIMIT_DATA, (size, resource.RLIM_INFINITY))


def _reserved() -> int:
    """Return the bytes of its own that this process has asked for; of those of its libraries most are never used."""
    return _status("VmData")


def _peak() -> int:
    """Return the most memory that this process held so far, mapped files included.

    Not `ru_maxrss`, the same figure: it starts at what the process that started this one held.
    """
    return _status("VmHWM")


def _status(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    return int(found[1]) * 1024


def _keep(result: Any, case: Case, peer: str) -> None:  # noqa: ANN401 - a table or a Parquet file
    pa = import_module("pyarrow")
    _limit(resource.RLIM_INFINITY)
    table = import_module("pyarrow.parquet").read_table(result) if isinstance(result, Path) else result
    with pa.ipc.new_file(answer_file(case, peer), table.schema) as writer:
        writer.write_table(table)


if __name__ == "__main__":
    main(*sys.argv[1:])
