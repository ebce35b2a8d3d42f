"""The client in Node.js, run against real servers: each cell of every type and state is what Python's client reads."""

from __future__ import annotations

import base64
import fcntl
import json
import math
import re
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest

import featurestore as fs
from featurestore.model.types import FeatureType
from featurestore.offline.arrow_types import from_arrow, to_arrow
from featurestore.online.result import AnswerColumn, OnlineFeatures
from featurestore.serving.client import connect
from featurestore.serving.service import handler
from tests.serving.answers import EXPIRED, NOT_FOUND, NULL, PRESENT, OneAnswer, served
from tests.serving.conftest import Served
from tests.serving.things import AT, ENTITIES

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "examples" / "node-client"
KEYS = [
    f"--key={name}={json.dumps([None if key is None else str(key) for key in keys])}" for name, keys in ENTITIES.items()
]


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    """Install what the client stands on, once for all processes that test."""
    with (Path(tempfile.gettempdir()) / "featurestore-node-client.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = f"{CLIENT.relative_to(ROOT)}/node_modules/.installed"
        made = subprocess.run(["make", "--silent", stamp], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr


def node(address: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `get.js` against a server."""
    return subprocess.run(
        ["node", "get.js", address, *words, "--timeout=60"],
        cwd=CLIENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def told(address: str, *words: str) -> Any:  # noqa: ANN401 - JSON values
    done = node(address, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value).replace("inf", "Infinity").replace("nan", "NaN")


FORMS: dict[str, Callable[[Any], Any]] = {
    "Float64": number,
    "Float32": number,
    "Embedding": lambda value: [number(item) for item in value],
    "Int64": str,
    "Decimal": lambda value: format(value, "f"),
    "Bytes": lambda value: base64.b64encode(value).decode(),
    "Timestamp": lambda value: value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
    "Date": date.isoformat,
}
"""How `get.js --json` writes a value of a type: exactly, as text where JSON has no form; others as they are."""


def in_json(value: Any, type_: FeatureType) -> Any:  # noqa: ANN401 - any value
    if value is None:
        return None
    if type_.item is not None:
        return [in_json(item, type_.item) for item in value]
    return FORMS.get(type_.kind, lambda plain: plain)(value)


def check(found: Any, expected: OnlineFeatures, event_times: dict[str, list[datetime | None]]) -> None:  # noqa: ANN401
    assert found["rows"] == len(expected)
    assert [column["name"] for column in found["columns"]] == [column.name for column in expected.columns]
    values, schema = expected.to_dict(), expected.to_arrow().schema
    for column, source in zip(found["columns"], expected.columns, strict=True):
        name = source.name
        type_ = from_arrow(schema.field(name).type, where=name)
        assert (column["type"], column["version"], column["snapshot"]) == (str(type_), source.version, source.snapshot)
        assert column.get("activation") == (None if source.activation is None else str(source.activation))
        assert column["statuses"] == [str(status) for status in expected.statuses[name]]
        for cell, value in zip(column["values"], values[name], strict=True):
            assert cell == in_json(value, type_), name
        times = [None if time is None else in_json(time, fs.Timestamp) for time in event_times.get(name, [])]
        assert column["eventTimes"] == times


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["things@v1"], {"features": ["things@v1"]}),
        (["things:f64", "colours"], {"features": ["things:f64", "colours"]}),
        (["--endpoint=shop"], {"endpoint": "shop"}),
        (["--model=price@1"], {"model": "price@1"}),
        (["--feature-set=both@v1"], {"feature_set": "both@v1"}),
    ],
)
def test_every_cell_is_what_the_python_client_reads(server: Served, words: list[str], asked: dict[str, Any]) -> None:
    with connect(server.address, timeout=60) as client:
        expected = client.get_features(**asked, entities=ENTITIES, at=AT, event_times=True)
    found = told(server.address, *words, *KEYS, f"--at={AT.isoformat()}")
    check(found, expected, expected.event_times)


EXTREMES: list[tuple[Any, list[Any]]] = [
    (fs.Float64, [math.nan, math.inf, -math.inf, 5e-324, 0.1]),
    (fs.Int64, [-(2**63), 2**63 - 1, 0, 2**53 + 1, -1]),
    (fs.Int32, [-(2**31), 2**31 - 1, 0, 1, -1]),
    (fs.Decimal(38, 0), [Decimal(10**38 - 1), Decimal(1 - 10**38), Decimal(0), Decimal(2**64), Decimal(-(2**64))]),
    (fs.Decimal(38, 38), [Decimal("0." + "9" * 38), Decimal("-0." + "0" * 37 + "1"), Decimal(0), None, None]),
    (
        fs.Timestamp,
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(1970, 1, 1, tzinfo=UTC),
            datetime(2024, 2, 29, 12, 0, 0, 1000, UTC),
        ],
    ),
    (fs.Date, [date(1, 1, 1), date(9999, 12, 31), date(1969, 12, 31), date(1970, 1, 1), date(2024, 2, 29)]),
    (fs.List(fs.Decimal(5, 2)), [[Decimal("-0.01"), None, Decimal("999.99")], [], None, [None], []]),
    (fs.List(fs.Timestamp), [[datetime(2024, 1, 1, tzinfo=UTC), None], [], None, [None], []]),
    (fs.List(fs.Bytes), [[b"", b"\xff\0"], [], None, [None], []]),
    (fs.List(fs.List(fs.Bool)), [[[True, None, False], None, []], [], None, [[]], [None]]),
    (fs.Embedding(3), [[1.5, -0.25, math.inf], [0.0, 0.0, 0.0], None, [1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
    (fs.String, ["", "\0", "日本", "😀", " "]),
]


def test_the_extremes_of_every_type_arrive_exactly() -> None:
    columns = []
    for position, (type_, cells) in enumerate(EXTREMES):
        codes = [PRESENT if cell is not None else NULL for cell in cells]
        missing = position % 2 == 0  # every other column has a default, which stands where nothing was found
        default = cells[0] if missing else None
        columns.append(
            AnswerColumn(
                name=f"column_{position}",
                version=2**31 - 1,
                view="view",
                feature="feature",
                snapshot="5" * 32,
                activation=2**60 + 1 if missing else None,
                values=pa.array([*cells, default, default], to_arrow(type_)),
                statuses=np.array([*codes, NOT_FOUND, EXPIRED], np.uint8),
                event_times=None,
            )
        )
    with served(OneAnswer(OnlineFeatures(columns))) as address:
        found = told(address, "view@v1", "--key=origin=x")
    check(found, OnlineFeatures(columns), {})


def test_the_example_of_the_page_runs() -> None:
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```javascript\n(.*?)```", text, re.DOTALL)
    example, told_values = re.subn(r"^(\S+);\s+// (\S.*)$", r"assert.deepEqual(\1, \2);", example, flags=re.MULTILINE)
    assert told_values == 3
    columns = [
        AnswerColumn(
            name=name,
            version=1,
            view="airport_weather",
            feature=feature,
            snapshot="5" * 32,
            activation=None,
            values=pa.array(cells, pa.float64()),
            statuses=np.array(codes, np.uint8),
            event_times=None,
        )
        for name, feature, cells, codes in (
            ("gust", "wind", [10.0, 20.0, None], [PRESENT, PRESENT, NOT_FOUND]),
            ("airport_weather__temp", "temp", [39.0, None, None], [PRESENT, NULL, NOT_FOUND]),
        )
    ]
    store = OneAnswer(OnlineFeatures(columns))
    with served(store) as address:
        program = "import assert from 'node:assert/strict';\n" + example.replace("127.0.0.1:16566", address)
        subprocess.run(["node", "--input-type=module", "--eval", program], cwd=CLIENT, check=True, timeout=100)
    assert store.asked[0]["endpoint"] == "eta-prod"
    assert list(store.asked[0]["entities"]) == ["origin"]


def test_people_get_a_table(server: Served) -> None:
    done = node(server.address, "--endpoint=shop", *KEYS, f"--at={AT.isoformat()}")
    assert done.returncode == 0, done.stderr
    for text in ("colours__colour", "grey (NOT_FOUND)", "(EXPIRED)", "(NULL)", "things__f64: things@v1, rows of "):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["thinks:f64", *KEYS], "NotFoundError: there is no feature view 'thinks'. Did you mean 'things'?"),
        (["things:f64", "--key=k=a"], "RequestError: "),
        ([f"--lock={'ab' * 32}", "--model=price@1", *KEYS], "LockMismatchError: "),
        (["things:f64", "--key=k=a", "--key=n=x"], "SyntaxError: Cannot convert x to a BigInt"),
    ],
)
def test_errors_have_the_names_of_the_stores(server: Served, words: list[str], message: str) -> None:
    done = node(server.address, *words)
    assert done.returncode == 1
    assert done.stderr.startswith(message)


class Tokens(grpc.ServerInterceptor):
    """Keeps what callers send as `authorization`."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def intercept_service(self, continuation: Any, details: Any) -> Any:  # noqa: ANN401 - gRPC's
        self.seen.add(dict(details.invocation_metadata).get("authorization", ""))
        return continuation(details)


def test_a_token_and_mutual_tls(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(made, capture_output=True, check=True)
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    pair = (key.read_bytes(), certificate.read_bytes())
    tokens = Tokens()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[handler(OneAnswer())], interceptors=[tokens])
    secure = grpc.ssl_server_credentials([pair], root_certificates=pair[1], require_client_auth=True)
    address = f"localhost:{server.add_secure_port('localhost:0', secure)}"
    server.start()
    try:
        words = ["weather:temp", "--key=origin=JFK", f"--token-file={tmp_path / 'token'}", f"--ca={certificate}"]
        done = node(address, *words, f"--certificate={certificate}", f"--private-key={key}")
        assert done.returncode == 0, done.stderr
        assert "weather__temp" in done.stdout
        assert tokens.seen == {"Bearer secret"}
        stranger = node(address, *words)
        assert stranger.returncode == 1
    finally:
        server.stop(None).wait()
