"""The floor: a bare grpcio server that answers anything with as many zeros as told; `echo.py PORT BYTES THREADS`."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import grpc

METHOD = "/echo.Echo/Echo"


def main(port: str, size: str, threads: str) -> None:
    """Serve until ended."""
    answer = bytes(int(size))
    method: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda _message, _context: answer)
    server = grpc.server(
        ThreadPoolExecutor(int(threads)),
        handlers=[grpc.method_handlers_generic_handler("echo.Echo", {"Echo": method})],
        options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
        compression=grpc.Compression.NoCompression,
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
