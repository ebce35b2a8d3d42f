"""The peer: Feast on Redis, over gRPC and over HTTP, in an environment of its own that is made on first use.

Fair to Feast: no worker is ever recycled, the registry is cached, no access log; Redis has the load's core, so that
Feast has one of its own.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks.offline.feast_peer import environment
from benchmarks.online.load import CLIENT_CORE, FailedError, Load, drive, framed
from benchmarks.online.redis_floor import redis
from benchmarks.online.report import OURS, Report
from benchmarks.online.servers import free_port, running
from benchmarks.online.workloads import Scale, Workload

__all__ = ["measure"]

FEAST = "feast[duckdb,redis,grpcio]==0.67.0"
GRPC = "/GrpcFeatureServer/GetOnlineFeatures"
AtRates = Callable[[Workload, Path, Scale, Report, Iterable[tuple[str, float]]], None]


def measure(
    workloads: Mapping[str, Workload], store: Path, scale: Scale, report: Report, folder: Path, at_rates: AtRates
) -> None:
    """Ask Feast for 250 features in five views, of one entity and of a hundred; then ours at the rate it reached."""
    asked = [name for name in ("1x250", "100x250") if name in workloads]
    if not asked:
        return
    try:
        python = environment(folder.parent / "feast-online", FEAST).absolute()
    except (OSError, subprocess.CalledProcessError) as error:
        raise FailedError(str(error)) from error
    root = folder / f"feast-{scale.feast_entities}"
    with redis(core=CLIENT_CORE) as port:
        script = Path(__file__).with_name("feast_store.py")
        command = [str(python), "-P", str(script), str(root), str(port), str(scale.feast_entities), "1", "100"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise FailedError(done.stderr.strip().splitlines()[-1])
        seconds = json.loads(done.stdout.strip().splitlines()[-1])["seconds"]
        report.note(f"Feast: {scale.feast_entities:,} entities x 250 features to Redis", f"{seconds:.1f} s")
        for name in asked:
            _measure(name, workloads[name], python.with_name("feast"), root, scale, report)
            peer = report.loads[name]["feast-grpc"]
            at_rates(workloads[name], store, scale, report, [(f"{OURS} at feast-grpc's rate", peer.rate)])


def _measure(name: str, workload: Workload, program: Path, root: Path, scale: Scale, report: Report) -> None:
    address = f"127.0.0.1:{free_port()}"
    with running([str(program), "listen", "-a", address, "-w", "10", "-r", "300"], address, cwd=root) as pid:
        body = framed((root / f"grpc-{workload.rows}").read_bytes())
        report.add(name, "feast-grpc", _drive(f"http://{address}{GRPC}", body, pid, scale))
    port = str(free_port())
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", port, "--no-access-log", "--workers", "1"]
    command += ["--max-requests", "0", "--max-requests-jitter", "0", "--keep-alive-timeout", "120", "-r", "300"]
    with running(command, f"127.0.0.1:{port}", cwd=root) as pid:
        load = _drive(
            f"http://127.0.0.1:{port}/get-online-features",
            (root / f"http-{workload.rows}").read_bytes(),
            pid,
            scale,
            headers=["content-type: application/json"],
            options=["--h1"],
        )
        report.add(name, "feast-http", load)


def _drive(url: str, body: bytes, pid: int, scale: Scale, **how: Sequence[str]) -> Load:
    drive(url, [body], seconds=1, pid=pid, **how)  # type: ignore[arg-type]  # headers and options
    return drive(url, [body], seconds=scale.seconds, pid=pid, **how)  # type: ignore[arg-type]  # as above
