"""What a server tells of itself: metrics over all workers, traces, logs and audit records, and `serve --check`."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

import featurestore as fs
from featurestore.cli.group import cli
from featurestore.model.serving import ServingSettings
from featurestore.serving.access import ROLES
from featurestore.serving.check import check
from featurestore.serving.client import connect
from featurestore.serving.gate import AUDIT
from featurestore.serving.listener import bind
from featurestore.serving.logs import log_to_stderr
from featurestore.serving.meter import BOUNDS, Meter
from featurestore.serving.protocol import GET_FEATURES
from featurestore.serving.tracing import start_tracing
from tests.serving.answers import ENTITIES as ANY
from tests.serving.answers import OneAnswer, served
from tests.serving.conftest import Serve
from tests.serving.test_server import eventually
from tests.serving.things import AT, ENTITIES, fill

ROWS = len(ENTITIES["k"])


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def scrape(address: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: dict[Any, float], name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


def test_one_scrape_is_the_sum_over_workers_dead_ones_too(serve: Serve, store_path: Path) -> None:
    metrics = free_address()
    local = [("grpc.use_local_subchannel_pool", 1)]
    with serve(store_path, workers=2, metrics_address=metrics) as server:
        from featurestore.serving.calls import read_message
        from tests.serving.test_abuse import VALID

        request = read_message(
            ["things@v1:f64", "colours@v1"],
            model=None,
            endpoint=None,
            feature_set=None,
            entities=ENTITIES,
            at=AT,
            lock=None,
            event_times=False,
        ).SerializeToString()
        for _ in range(20):
            with grpc.insecure_channel(server.address, options=local) as channel:
                call: Any = channel.unary_unary(GET_FEATURES)
                call(request, timeout=60)
        with grpc.insecure_channel(server.address) as channel:
            call = channel.unary_unary(GET_FEATURES)
            with pytest.raises(grpc.RpcError):
                call(VALID[GET_FEATURES][0][:-3], timeout=60)
        labels = {"method": GET_FEATURES, "code": "OK", "views": "colours+things"}

        def calls() -> float:
            return value(scrape(metrics), "featurestore_call_seconds_count", **labels)

        eventually(lambda: calls() == 20, 60)
        found = scrape(metrics)
        assert value(found, "featurestore_call_seconds_bucket", **labels, le="+Inf") == 20
        assert value(found, "featurestore_call_seconds_sum", **labels) > 0
        bad = {"method": GET_FEATURES, "code": "INVALID_ARGUMENT", "views": ""}
        assert value(found, "featurestore_call_seconds_count", **bad) == 1
        assert value(found, "featurestore_rows_total", view="things", version="v1") == 20 * ROWS
        cells = {
            status: value(found, "featurestore_cells_total", view="things", version="v1", status=status)
            for status in ("PRESENT", "NULL", "EXPIRED", "NOT_FOUND")
        }
        assert cells == {"PRESENT": 20, "NULL": 20, "EXPIRED": 20, "NOT_FOUND": 40}
        assert value(found, "featurestore_workers") == 2
        assert value(found, "featurestore_worker_restarts_total") == 0
        assert value(found, "featurestore_worker_resident_bytes") > 1 << 20
        assert value(found, "featurestore_published_age_seconds", view="things", version="v2") > 86400
        assert value(found, "featurestore_newest_event_age_seconds", view="things", version="v2") > 86400

        for pid in server.pids:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: value(scrape(metrics), "featurestore_worker_restarts_total") == 2, 60)
        assert calls() == 20
        with connect(server.address, timeout=90, retries=1000) as client:
            client.get_features(["things@v1:f64", "colours@v1"], entities=ENTITIES, at=AT)
        eventually(lambda: calls() == 21, 60)
        assert server.end() == 0


def test_refused_calls_are_counted(serve: Serve, store_path: Path, tmp_path: Path) -> None:
    from featurestore.serving.tokens import new_token

    new_token(tmp_path / "tokens.toml", "a", ["read"])
    metrics = free_address()
    with serve(store_path, workers=1, tokens=str(tmp_path / "tokens.toml"), metrics_address=metrics) as server:
        with connect(server.address, timeout=60) as client, pytest.raises(fs.AuthenticationError):
            client.describe("things")
        labels = {"method": "/featurestore.serving.v1.FeatureService/Describe", "code": "UNAUTHENTICATED", "views": ""}
        eventually(lambda: value(scrape(metrics), "featurestore_call_seconds_count", **labels) == 1, 60)


def test_a_taken_metrics_address_is_an_error(store_path: Path) -> None:
    from featurestore.serving.server import serve as serve_here

    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(fs.UnavailableError, match="metrics cannot be served"):
            serve_here(store_path, "127.0.0.1:0", workers=1, metrics_address=address)


def test_latencies_fall_into_their_buckets_from_many_threads() -> None:
    meter = Meter()

    def count(seconds: float) -> None:
        for _ in range(2000):
            meter.latency("m", "OK").observe(seconds)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, [BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[-1], BOUNDS[-1] * 2]))
    latency = meter.latency("m", "OK")
    assert latency.counts[:2] == [2000, 2000]
    assert latency.counts[-2:] == [2000, 2000]
    assert sum(latency.counts) == 8000


def test_combinations_of_views_do_not_make_series_without_end() -> None:
    class Plan(SimpleNamespace):
        __hash__ = object.__hash__  # type: ignore[assignment]  # its parent has none

    class Answer(SimpleNamespace):
        def __len__(self) -> int:
            return 3

    meter = Meter()
    for number in range(2000):
        version = SimpleNamespace(view=f"v{number}", version=1)
        plan = Plan(columns=[version], groups=[SimpleNamespace(plans=[version])])
        answer: Any = Answer(plan=plan, parts=(SimpleNamespace(codes=np.array([[0, 1, 3]], np.uint8)),))
        meter.read(answer)
    assert len(meter._labels) <= 300
    assert len(meter._plans) <= 1024
    (first, *_) = meter.numbers({})["served"]
    assert first == ["v0", 1, 3, [1, 1, 0, 1]]


# ------------------------------------------------------------------------------------------------- traces and logs


class Collector(grpc.GenericRpcHandler):
    """An OpenTelemetry collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def service(self, _details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - gRPC's
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp

        def export(request: Any, _context: object) -> Any:  # noqa: ANN401
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.spans += scope.spans
            return otlp.ExportTraceServiceResponse()

        return grpc.unary_unary_rpc_method_handler(
            export, otlp.ExportTraceServiceRequest.FromString, otlp.ExportTraceServiceResponse.SerializeToString
        )


def test_a_span_for_each_call_below_the_callers_own() -> None:
    collector = Collector()
    listener = bind("127.0.0.1:0")
    server = grpc.server(ThreadPoolExecutor(1), handlers=[collector], options=[("grpc.so_reuseport", 1)])
    server.add_insecure_port(listener.address)
    server.start()
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    store = OneAnswer()
    try:
        with (
            served(store, otlp_endpoint=f"http://{listener.address}") as address,
            grpc.insecure_channel(address) as channel,
        ):
            call: Any = channel.unary_unary(GET_FEATURES)
            headers = (("traceparent", f"00-{trace}-{parent}-01"), ("authorization", "Bearer secret"))
            call(b"", timeout=60, metadata=headers)
            store.error = fs.NotFoundError("no")
            with pytest.raises(grpc.RpcError):
                call(b"", timeout=60)
        good, bad = sorted(collector.spans, key=lambda span: span.start_time_unix_nano)
    finally:
        server.stop(None)
        listener.close()
    assert (good.trace_id.hex(), good.parent_span_id.hex()) == (trace, parent)
    assert good.name == GET_FEATURES.strip("/")
    codes = [{one.key: one.value.int_value for one in span.attributes}["rpc.grpc.status_code"] for span in (good, bad)]
    assert codes == [grpc.StatusCode.OK.value[0], grpc.StatusCode.NOT_FOUND.value[0]]
    assert "secret" not in str(collector.spans)


def test_tracing_is_off_unless_it_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    assert start_tracing(ServingSettings()) is None
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(fs.ConfigError, match=r"install featurestore\[otel\]"):
        start_tracing(ServingSettings(otlp_endpoint="http://there:4317"))


def test_what_may_change_something_is_recorded_with_who_and_how(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe = "/featurestore.serving.v1.FeatureService/Describe"
    monkeypatch.setitem(ROLES, describe, "operate")  # stands for a method that changes something
    store = OneAnswer()
    with (
        caplog.at_level(logging.INFO, AUDIT.name),
        served(store, anonymous=("read", "operate")) as address,
        connect(address, timeout=60) as client,
    ):
        client.get_features("weather:temp", entities=ANY)
        client.describe("weather")
        store.error = fs.ConflictError("meanwhile")
        with pytest.raises(fs.ConflictError):
            client.describe("weather")
    records: list[Any] = [record for record in caplog.records if record.name == AUDIT.name]
    assert [(record.method, record.caller, record.code) for record in records] == [
        (describe, "anonymous", "OK"),
        (describe, "anonymous", "ABORTED"),
    ]
    assert all(record.peer.startswith("ipv4:127.0.0.1:") and record.seconds >= 0 for record in records)


def test_logs_for_machines_are_one_object_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    root, ours = logging.getLogger(), logging.getLogger("featurestore")
    before = root.handlers[:], root.level, ours.level
    try:
        log_to_stderr("json")
        try:
            raise KeyError("x")  # noqa: TRY301
        except KeyError:
            logging.getLogger("featurestore.some").exception("it %s", "failed", extra={"method": "/a/b"})
        log_to_stderr("text")
        logging.getLogger("featurestore.some").info("for people")
    finally:
        root.handlers[:], level, ours_level = before
        root.setLevel(level)
        ours.setLevel(ours_level)
    *_, first, second = capfd.readouterr().err.strip().splitlines()
    document = json.loads(first)
    assert (document["text"], document["level"], document["method"]) == ("it failed", "error", "/a/b")
    assert "KeyError" in document["trace"]
    assert second.endswith(": for people")


# ----------------------------------------------------------------------------------------------------------- check


def test_check_says_what_would_be_served(store_path: Path) -> None:
    found = check(store_path, address=free_address())
    assert found.ready
    whats = {finding.what: finding.state for finding in found.findings}
    assert whats["endpoint shop with price@1"] == "2 features by k, n"
    assert whats["view things"].startswith("active is things@v2; 14 features")


def test_check_finds_what_would_not_do(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with fs.open_store(path) as store:
        fill(store)
    people = CliRunner().invoke(cli, ["serve", "--check", "--store", str(path), "--address", "127.0.0.1:0"])
    assert people.exit_code == 0, people.output
    assert "ok  endpoint shop with price@1" in people.output
    shutil.rmtree(path / "online" / "colours")  # published, says the catalog
    files = ["--tokens", "no.toml", "--tls-certificate", __file__, "--tls-key", "no.key"]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = CliRunner().invoke(
            cli,
            ["serve", "--check", "--json", "--store", str(path), "--address", address, *files],
        )
    assert result.exit_code == 1, result.output
    document = json.loads(result.stdout)
    assert not document["ready"]
    problems = {one["what"]: one["problem"] for one in document["findings"] if one["problem"]}
    lost = {"view colours", "endpoint shop with price@1"}
    assert set(problems) == {f"address {address}", "credentials", "transport", *lost}
    missing = check(tmp_path / "missing", address="127.0.0.1:0")
    assert not missing.ready


def test_the_command_serves_with_its_options(store_path: Path, tmp_path: Path) -> None:
    tokens, metrics = tmp_path / "tokens.toml", free_address()
    made = CliRunner().invoke(cli, ["token", "new", "me", "--role", "read", "--days", "1", "--tokens", str(tokens)])
    assert made.exit_code == 0, made.output
    token = made.stdout.strip()
    assert token not in tokens.read_text()
    command = [sys.executable, "-m", "featurestore", "serve", "--store", str(store_path), "--address", "127.0.0.1:0"]
    command += ["--workers", "1", "--tokens", str(tokens), "--metrics-address", metrics, "--log-format", "json"]
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1] != "}\n":
                lines.append(process.stdout.readline())
                assert lines[-1], lines
            address = json.loads("".join(lines))["address"]
            with connect(address, token=token, timeout=60) as client:
                client.get_features("things@v1:f64", entities=ENTITIES, at=AT)
            assert scrape(metrics)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        for line in process.stderr.read().splitlines():
            assert json.loads(line)["level"]
