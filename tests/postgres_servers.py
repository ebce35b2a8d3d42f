"""A real PostgreSQL server on a free port of this machine, and databases of their own in it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.system_packages import need

__all__ = ["PostgresProcess", "postgres_process"]

_PATIENCE = 60.0
_USER = "keeper"
_PASSWORD = "s3cr:t@word"  # of a server that lives for a test; its characters must be encoded in a URL
_ENCODED = "s3cr%3At%40word"


@dataclass(slots=True)
class PostgresProcess:
    """A server of one's own: where it is, and how it is ended and started again."""

    port: int
    folder: Path
    settings: Sequence[str] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def password(self) -> str:
        """As a URL writes it."""
        return _ENCODED

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{_USER}:{_ENCODED}@127.0.0.1:{self.port}/{database}"

    def database(self, options: str = "") -> str:
        """Make an empty database and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f'create database "{name}" {options}')
        return self.url(name)

    def schema(self) -> str:
        """Make an empty schema, which is cheaper, and return its URL."""
        name = f"test_{uuid.uuid4().hex}"
        self.run(f'create schema "{name}"')
        return f"{self.url()}?options=-csearch_path%3D{name}"

    def run(self, statement: str, url: str | None = None) -> None:
        with psycopg.connect(url or self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=32MB",
            "max_connections=60",
            *self.settings,
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            command = [*_as_server(), need("postgres"), "-D", str(self.folder / "data"), *options]
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """End it at once, as a crash does; what was committed is there when it starts again."""
        assert self.process is not None
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(_PATIENCE)


@contextmanager
def postgres_process(*settings: str) -> Iterator[PostgresProcess]:
    """Start a server with a password, whose database sorts as people do; it ends with the `with` block."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not in pytest's folder, which no other user may enter
    try:
        (folder / "password").write_text(_PASSWORD, encoding="ascii")
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
        made = subprocess.run(
            [*_as_server(), need("initdb"), "-D", str(folder / "data"), "-U", _USER, "--no-sync", "--encoding=UTF8",
             "--locale-provider=icu", "--icu-locale=en-US", "--locale=C.UTF-8", "--auth=scram-sha-256",
             f"--pwfile={folder / 'password'}"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        server = PostgresProcess(_free_port(), folder, settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _as_server() -> list[str]:
    """Return how a command is run by a user that PostgreSQL accepts: it refuses root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
