"""One address for all workers: free ports, taken ports, and text that is no address."""

from __future__ import annotations

import socket

import pytest

from featurestore.errors import RequestError, UnavailableError
from featurestore.serving.listener import bind


def test_port_zero_takes_a_free_one_and_holds_it() -> None:
    listener = bind("localhost:0")
    try:
        host, _, port = listener.address.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0
        with pytest.raises(UnavailableError, match="take another port"):
            bind(listener.address)
    finally:
        listener.close()
    bind(listener.address).close()


def test_workers_share_what_the_listener_holds() -> None:
    listener = bind("127.0.0.1:0")
    port = int(listener.address.rpartition(":")[2])
    with socket.socket() as one, socket.socket() as two:
        for worker in (one, two):
            worker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            worker.bind(("127.0.0.1", port))
            worker.listen()
    listener.close()


def test_a_server_of_another_kind_is_not_joined() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(UnavailableError, match="cannot listen"):
            bind(f"127.0.0.1:{other.getsockname()[1]}")


def test_an_address_of_the_sixth_version() -> None:
    try:
        listener = bind("[::1]:0")
    except (RequestError, UnavailableError):
        pytest.skip("this machine has no IPv6")
    assert listener.address.startswith("[::1]:")
    listener.close()


@pytest.mark.parametrize("address", ["6566", "localhost", "localhost:http", "localhost:70000", "localhost:-1"])
def test_text_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(RequestError, match="HOST:PORT"):
        bind(address)


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(RequestError, match="unknown"):
        bind("no-such-host.invalid:1")
