"""What a server adds around an answer, microseconds a call: admission, credentials, counting; and all of it together.

    python -m benchmarks.online.bench_overhead

Each part is timed alone, in a loop, as the least of several rounds. The last lines are whole calls of an echo over a
real connection, once on a bare gRPC server and once behind the gate with a token: what is between them is the price.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import numpy as np

from featurestore.model.serving import ServingSettings
from featurestore.serving.access import Access
from featurestore.serving.gate import Gate
from featurestore.serving.listener import bind
from featurestore.serving.meter import Meter
from featurestore.serving.methods import unary
from featurestore.serving.pool import CallPool
from featurestore.serving.protocol import GET_FEATURES, SERVICE
from featurestore.serving.tokens import new_token

_ROUNDS, _LOOPS, _CALLS = 7, 20_000, 1500
_ANSWER = bytes(450)


def each(function: Callable[[], object], loops: int = _LOOPS) -> float:
    """Return the microseconds that one call of a function takes, the loop's own share taken off."""

    def spent(one: Callable[[], object]) -> float:
        started = time.perf_counter()
        for _ in range(loops):
            one()
        return (time.perf_counter() - started) / loops

    return 1e6 * (min(spent(function) for _ in range(_ROUNDS)) - min(spent(lambda: None) for _ in range(_ROUNDS)))


def parts(settings: ServingSettings, header: str) -> dict[str, float]:
    """Return what each part costs."""
    metadata = (("user-agent", "grpc-python/1.85"), ("authorization", header))
    access, meter = Access(settings), Meter()
    pool = CallPool(1, most=1, name="none")
    gate = Gate([echo_handler()], access=access, meter=meter, pool=pool, settings=settings)
    details: Any = SimpleNamespace(method=GET_FEATURES, invocation_metadata=metadata)
    assert access.refuses(metadata, "read") is None
    assert access.refuses((("authorization", header + "x"),), "read") is grpc.StatusCode.UNAUTHENTICATED
    column = SimpleNamespace(view="v", version=1)
    plan: Any = Hashable(
        columns=[column] * 50,
        groups=[SimpleNamespace(plans=[column] * 50)],
    )
    full: Any = Answer(plan, None)
    mixed: Any = Answer(plan, np.ones((50, 1), np.uint8))
    door: Any = gate.service(details)
    context: Any = Hashable(code=lambda: None, is_active=lambda: True)
    behaviour = door.stream_unary
    bare = echo_handler().service(details)
    assert behaviour(iter([b"x"]), context) == _ANSWER
    result = {
        "token looked up": each(lambda: access.refuses(metadata, "read")),
        "gate: method, token, queue": each(lambda: gate.service(details)),
        "one latency counted": each(lambda: meter.latency(GET_FEATURES, "OK", "v").observe(0.0003)),
        "1 x 50 answer counted": each(lambda: meter.read(full)),
        "1 x 50 answer counted, with nulls": each(lambda: meter.read(mixed)),
        "around the method: message taken, timed, counted": each(lambda: behaviour(iter([b"x"]), context))
        - each(lambda: bare.unary_unary(next(iter([b"x"])), context)),
    }
    pool.shutdown()
    return result


class Hashable(SimpleNamespace):
    """A stand-in that can be a key, as plans and contexts can."""

    __hash__ = object.__hash__  # type: ignore[assignment]  # its parent has none


class Answer:
    """A stand-in for the answer of one row by 50 features of one view."""

    def __init__(self, plan: object, codes: object) -> None:
        self.plan = plan
        self.parts = (SimpleNamespace(codes=codes),)

    def __len__(self) -> int:
        return 1


def echo_handler() -> Any:  # noqa: ANN401 - gRPC's handler
    """Return a method that gives one answer of the size of 50 numbers."""
    method = unary(lambda _message: _ANSWER, bytes)
    return grpc.method_handlers_generic_handler(SERVICE, {"GetFeatures": method})


@contextmanager
def served(pool: Any, handler: Any) -> Iterator[str]:  # noqa: ANN401
    """Serve a handler from this process."""
    listener = bind("127.0.0.1:0")
    server = grpc.server(pool, handlers=[handler], options=[("grpc.so_reuseport", 1)])
    server.add_insecure_port(listener.address)
    server.start()
    try:
        yield listener.address
    finally:
        server.stop(1).wait()
        pool.shutdown()
        listener.close()


def whole_calls(settings: ServingSettings, header: str) -> dict[str, float]:
    """Return microseconds of processor time a call, client and server in one process, bare and behind the gate."""

    def bare() -> tuple[Any, Any]:
        return ThreadPoolExecutor(settings.threads), grpc.method_handlers_generic_handler(
            SERVICE, {"GetFeatures": grpc.unary_unary_rpc_method_handler(lambda _message, _context: _ANSWER)}
        )

    def gated() -> tuple[Any, Any]:
        pool = CallPool(settings.threads, most=64, name="serve")
        gate = Gate([echo_handler()], access=Access(settings), meter=Meter(), pool=pool, settings=settings)
        return pool, gate

    best = {"bare echo, whole call": float("inf"), "gated echo, whole call": float("inf")}
    for _ in range(_ROUNDS):
        for name, make in zip(best, (bare, gated), strict=True):
            with served(*make()) as address, grpc.insecure_channel(address) as channel:
                call: Any = channel.unary_unary(GET_FEATURES)
                metadata = (("authorization", header),)
                assert call(b"x", metadata=metadata) == _ANSWER
                started = time.process_time()
                for _ in range(_CALLS):
                    call(b"x", metadata=metadata)
                best[name] = min(best[name], 1e6 * (time.process_time() - started) / _CALLS)
    return best


def main() -> None:
    """Print the numbers, for people and as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.toml"
        header = f"Bearer {new_token(path, 'bench', ['read'])}"
        settings = replace(ServingSettings(), tokens=str(path))
        found = parts(settings, header) | whole_calls(settings, header)
    for name, micros in found.items():
        print(f"{name:50} {micros:8.2f} us")
    print(json.dumps({name: round(micros, 3) for name, micros in found.items()}))


if __name__ == "__main__":
    main()
