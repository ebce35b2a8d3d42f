"""Credentials on every method of a real server: wrong, expired, missing, withdrawn; certificates; no secret told."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import featurestore as fs
from featurestore.model.serving import ROLE_NAMES, ServingSettings
from featurestore.serving.access import OPEN, ROLES, STRICTEST, Access, role_of
from featurestore.serving.client import connect
from featurestore.serving.tokens import new_token, read_credentials
from tests.cli.story import call, done
from tests.serving.conftest import Serve, Served
from tests.serving.things import AT, ENTITIES

SOON = timedelta(hours=1)


def ask(address: str, token: str | None = None, **options: Any) -> None:  # noqa: ANN401 - of the client
    with connect(address, timeout=60, token=token, **options) as client:
        client.get_features("things@v1:f64", entities=ENTITIES, at=AT)


def eventually_refused(address: str, token: str, **options: Any) -> None:  # noqa: ANN401
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            ask(address, token, **options)
        except fs.AuthenticationError:
            return
        time.sleep(0.1)
    pytest.fail("the token still works")


class Guarded:
    """A server that knows a token of each role, and one that has expired."""

    def __init__(self, server: Served, path: Path, tokens: dict[str, str]) -> None:
        self.server = server
        self.path = path
        self.tokens = tokens
        self.address = server.address


@pytest.fixture(scope="module")
def guarded(serve: Serve, store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    path = tmp_path_factory.mktemp("credentials") / "tokens.toml"
    tokens = {role: new_token(path, f"the-{role}r", [role], expires=datetime.now(UTC) + SOON) for role in ROLE_NAMES}
    tokens["expired"] = new_token(path, "late", ROLE_NAMES, expires=datetime.now(UTC) - SOON)
    with serve(store_path, workers=1, writable=True, tokens=str(path), access_log=True, log_format="json") as server:
        yield Guarded(server, path, tokens)


def methods(guarded: Guarded) -> list[str]:
    """Return the full name of every method of every service, as the server's reflection lists them."""
    with grpc.insecure_channel(guarded.address) as plain:
        channel = grpc.intercept_channel(plain, _Bearer(guarded.tokens["read"]))
        database = ProtoReflectionDescriptorDatabase(channel)
        found = []
        for service in database.get_services():
            file = database.FindFileContainingSymbol(service)
            (described,) = [one for one in file.service if f"{file.package}.{one.name}" == service]
            found += [f"/{service}/{method.name}" for method in described.method]
        return found


class _Bearer(grpc.StreamStreamClientInterceptor):
    def __init__(self, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),)

    def intercept_stream_stream(self, continuation: Any, details: Any, requests: Any) -> Any:  # noqa: ANN401 - gRPC's
        changed = grpc.ClientCallDetails()
        for name in ("method", "timeout", "credentials", "wait_for_ready", "compression"):
            setattr(changed, name, getattr(details, name, None))
        changed.metadata = self._metadata
        return continuation(changed, requests)


def outcome(address: str, method: str, *headers: str) -> tuple[grpc.StatusCode, str]:
    """Return how a call of any kind ends that sends one empty message with these headers."""
    metadata = tuple(("authorization", header) for header in headers)
    with grpc.insecure_channel(address) as channel:
        start: Any = channel.stream_stream(method)
        call = start(iter([b""]), metadata=metadata, timeout=60)
        try:
            for _ in call:
                if method.endswith("/Watch"):
                    call.cancel()  # it never ends by itself
        except grpc.RpcError:
            pass
        return call.code(), call.details() or ""


# --------------------------------------------------------------------------------------------------- every method


def test_every_method_is_in_the_table_of_roles(guarded: Guarded) -> None:
    assert set(methods(guarded)) <= set(ROLES)
    assert {*ROLES.values()} <= {OPEN, *ROLE_NAMES}
    assert role_of("/featurestore.serving.v1.Forgotten/Method") == STRICTEST


def test_bad_credentials_are_refused_on_every_method_and_all_alike(guarded: Guarded) -> None:
    token = guarded.tokens["read"]
    bad = {
        "missing": (),
        "empty": ("",),
        "no scheme": (token,),
        "another scheme": (f"Basic {token}",),
        "wrong": ("Bearer fs_" + "A" * 43,),
        "cut": (f"Bearer {token[:-1]}",),
        "longer": (f"Bearer {token}x",),
        "of another case": (f"Bearer {token.swapcase()}",),
        "expired": (f"Bearer {guarded.tokens['expired']}",),
        "the hash instead": ("Bearer " + re.findall(r'sha256 = "(\w+)"', guarded.path.read_text())[0],),
    }
    for method in methods(guarded):
        if ROLES[method] == OPEN:
            continue
        refused = {what: outcome(guarded.address, method, *headers) for what, headers in bad.items()}
        assert {code for code, _ in refused.values()} == {grpc.StatusCode.UNAUTHENTICATED}, (method, refused)
        assert len({text for _, text in refused.values()}) == 1  # which of them it was is not told


def test_roles_open_their_own_methods_and_no_others(guarded: Guarded) -> None:
    for method in methods(guarded):
        for role in ROLE_NAMES:
            code, text = outcome(guarded.address, method, f"Bearer {guarded.tokens[role]}")
            if ROLES[method] in {OPEN, role}:
                assert code not in {grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED}, (method, role)
            else:
                assert code is grpc.StatusCode.PERMISSION_DENIED, (method, role)
                assert f"'{ROLES[method]}'" in text


def test_health_is_open_to_all(guarded: Guarded) -> None:
    code, _ = outcome(guarded.address, "/grpc.health.v1.Health/Check")
    assert code is grpc.StatusCode.OK


def test_errors_have_names(guarded: Guarded) -> None:
    with pytest.raises(fs.AuthenticationError, match="missing, wrong or expired"):
        ask(guarded.address)
    with pytest.raises(fs.PermissionDeniedError, match="role 'read'"):
        ask(guarded.address, guarded.tokens["write"])
    ask(guarded.address, guarded.tokens["read"])


def test_a_token_works_once_it_is_added_and_not_once_it_is_removed(guarded: Guarded) -> None:
    before = guarded.path.read_text()
    token = new_token(guarded.path, "passing", ["read"])
    deadline = time.monotonic() + 60
    while True:
        try:
            ask(guarded.address, token)
            break
        except fs.AuthenticationError:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    guarded.path.write_text("[[token]]\nname = 3")  # a slip of an editor locks nobody out
    time.sleep(2.5)
    ask(guarded.address, token)
    guarded.path.write_text(before)
    eventually_refused(guarded.address, token)
    ask(guarded.address, guarded.tokens["read"])


def test_no_secret_is_in_the_log(guarded: Guarded) -> None:
    wrong = "fs_a-wrong-one-that-nobody-may-read-in-a-log"
    ask(guarded.address, guarded.tokens["read"])
    for token in (wrong, guarded.tokens["expired"], guarded.tokens["write"]):
        with pytest.raises((fs.AuthenticationError, fs.PermissionDeniedError)):
            ask(guarded.address, token)
    log = guarded.server.log()
    assert '"caller": "the-readr"' in log  # calls are logged, by name
    hashes = re.findall(r'sha256 = "(\w+)"', guarded.path.read_text())
    for secret in (wrong, *guarded.tokens.values(), *hashes):
        assert secret not in log
    assert "earer " not in log


# ------------------------------------------------------------------------------------------------------- the file


def test_a_token_is_known_by_its_hash_alone(tmp_path: Path) -> None:
    path = tmp_path / "tokens.toml"
    secret = new_token(path, "a", ["read"])
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    other = new_token(path, "b", ["write", "operate"], expires=datetime(2030, 1, 1, tzinfo=UTC))
    credentials = read_credentials(path)
    first, second = credentials.of_token(secret), credentials.of_token(other)
    assert first is not None
    assert second is not None
    assert (first.name, first.roles, first.expires) == ("a", frozenset({"read"}), float("inf"))
    assert (second.name, second.roles, second.expires) == ("b", frozenset({"write", "operate"}), 1893456000.0)
    assert credentials.of_token(secret + "x") is None
    with pytest.raises(fs.ConflictError, match="has a token 'a'"):
        new_token(path, "a", ["read"])
    with pytest.raises(fs.ConfigError, match="no name of a token"):
        new_token(path, 'x"\n[[token]]', ["read"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("secret", "is no TOML"),
        ("[[tokens]]", "holds 'tokens'"),
        ("token = 'secret'", "holds 'token'"),
        ("token = ['secret']", "no well formed 'name'"),
        ("[[token]]\nname='a'\nsha256='secret'\nroles=['read']", "number 1 .* no well formed 'sha256'"),
        (f"[[token]]\nname='a'\nsha256='{'0' * 64}'\nroles=['secret']", "no 'roles'"),
        (f"[[token]]\nname='a'\nsha256='{'0' * 64}'\nroles=[]", "no 'roles'"),
        (f"[[token]]\nname='a'\nsha256='{'0' * 64}'\nroles=['read']\nexpires='secret'", "is no time"),
        (f"[[token]]\nname='a'\nsha256='{'0' * 64}'\nroles=['read']\nexpire=1", "unknown key 'expire'"),
        ("[[certificate]]\nroles=['read']", "no well formed 'subject'"),
        (f"[[token]]\nname='a'\nsha256='{'0' * 64}'\nroles=['read']\n" * 2, "the name of another"),
    ],
)
def test_a_malformed_file_is_refused_without_repeating_it(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    with pytest.raises(fs.ConfigError, match=says) as caught:
        read_credentials(path)
    assert "secret" not in str(caught.value).replace(str(tmp_path), "")


def test_expiry_counts_for_a_token_that_was_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tokens.toml"
    token = new_token(path, "a", ["read"], expires=datetime.now(UTC) + SOON)
    access = Access(replace(ServingSettings(), tokens=str(path)))
    metadata = [("authorization", f"Bearer {token}")]
    assert access.refuses(metadata, "read") is None
    assert access.refuses(metadata, "write") is grpc.StatusCode.PERMISSION_DENIED
    later = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: later)
    assert access.refuses(metadata, "read") is grpc.StatusCode.UNAUTHENTICATED


def test_what_anonymous_callers_may_do() -> None:
    for settings, allowed in (
        (ServingSettings(), {"read"}),
        (ServingSettings(anonymous=("read", "write")), {"read", "write"}),
        (ServingSettings(anonymous=()), set[str]()),
    ):
        access = Access(settings)
        assert {role for role in ROLE_NAMES if access.refuses((), role) is None} == allowed


# -------------------------------------------------------------------------------------------------- certificates


class Authority:
    """Makes certificates in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key, self.certificate = self._sign(name, None)
        self.path = self._write(f"{name}.pem", self.certificate)

    def issue(self, name: str, file: str | None = None) -> tuple[str, str]:
        """Return the paths of a certificate and its key, for a name and for 127.0.0.1."""
        from cryptography.hazmat.primitives import serialization as form

        key, certificate = self._sign(name, self)
        private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
        path = self.folder / f"{file or name}.key"
        path.write_bytes(private)
        return self._write(f"{file or name}.crt", certificate), str(path)

    def _write(self, name: str, certificate: Any) -> str:  # noqa: ANN401 - of the library
        from cryptography.hazmat.primitives.serialization import Encoding

        path = self.folder / name
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return str(path)

    def _sign(self, name: str, issuer: Authority | None) -> Any:  # noqa: ANN401
        import ipaddress

        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.certificate.subject if issuer else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - SOON)
            .not_valid_after(now + SOON)
            .add_extension(x509.SubjectAlternativeName([address, x509.DNSName(name)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        return key, builder.sign(issuer.key if issuer else key, hashes.SHA256())


@contextmanager
def fails() -> Iterator[None]:
    """Hold that no connection comes about."""
    with pytest.raises((fs.UnavailableError, fs.DeadlineError)):
        yield


def test_mutual_tls_and_certificates_that_change(serve: Serve, store_path: Path, tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    certificate, key = ours.issue("server.test", "server")
    tokens = tmp_path / "tokens.toml"
    token = new_token(tokens, "by-token", ["read"])
    with tokens.open("a") as file:
        file.write('\n[[certificate]]\nsubject = "etl.test"\nroles = ["read"]\n')
        file.write('\n[[certificate]]\nsubject = "pusher.test"\nroles = ["write"]\n')

    def shown(authority: Authority, name: str) -> dict[str, str]:
        crt, private = authority.issue(name)
        return {"ca": ours.path, "certificate": crt, "key": private}

    with serve(
        store_path,
        workers=1,
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=ours.path,
        tokens=str(tokens),
        access_log=True,
    ) as server:
        ask(server.address, tls=shown(ours, "etl.test"))
        for name in ("pusher.test", "nobody.test"):
            with pytest.raises(fs.PermissionDeniedError):
                ask(server.address, tls=shown(ours, name))
            ask(server.address, token, tls=shown(ours, name))  # a token speaks for whoever shows it
        with pytest.raises(fs.AuthenticationError):
            ask(server.address, token + "x", tls=shown(ours, "etl.test"))
        for tls in (None, ours.path, shown(theirs, "etl.test")):
            with fails(), connect(server.address, timeout=3, tls=tls) as client:
                client.describe("things@v1")
        assert "by etl.test from" in server.log()

        renewed = theirs.issue("server.test", "renewed")
        for new, old in zip(renewed, (certificate, key), strict=True):
            Path(new).replace(old)
        trusting = shown(ours, "etl.test") | {"ca": theirs.path}
        ask(server.address, tls=trusting)


def test_the_command_line_shows_the_token_of_the_environment(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["get", "things@v1:f64", "--key", "k=a", "--key", "n=1", "--at", AT.isoformat(), "--address"]
    monkeypatch.setenv("FEATURESTORE_TOKEN", guarded.tokens["read"])
    assert "1.5" in done(*words, guarded.address)
    monkeypatch.setenv("FEATURESTORE_TOKEN", guarded.tokens["expired"])
    refused = call(*words, guarded.address)
    assert refused.code != 0
    assert guarded.tokens["expired"] not in refused.out + refused.err
