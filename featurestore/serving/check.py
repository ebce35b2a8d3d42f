"""`featurestore serve --check`: whether a server would answer all that is live, without answering anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from featurestore.config import load_serving
from featurestore.errors import FeatureStoreError
from featurestore.online.lookup import Asked
from featurestore.serving.access import Access
from featurestore.serving.listener import bind
from featurestore.serving.tls import server_credentials
from featurestore.store import open_store

if TYPE_CHECKING:
    from featurestore.model.serving import ServingSettings
    from featurestore.store import FeatureStore

__all__ = ["Finding", "Readiness", "check"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what, in what state, and why it would not do (None: it would)."""

    what: str
    state: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What would be served, and what keeps it from being served."""

    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether nothing was found that would not do."""
        return all(finding.problem is None for finding in self.findings)


def check(store_path: str | os.PathLike[str] | None = None, **changes: object) -> Readiness:
    """Look at everything that a server needs: addresses, files, and every live model, endpoint and active view.

    Raises
    ------
    ConfigError
        If a setting is not allowed.
    """
    settings = load_serving(store_path, changes)
    findings = [*_surroundings(settings)]
    try:
        with open_store(store_path, read_only=True) as store:
            findings += _store(store)
    except FeatureStoreError as error:
        findings.append(Finding("store", "cannot be opened", str(error)))
    return Readiness(tuple(findings))


def _surroundings(settings: ServingSettings) -> Iterator[Finding]:
    def free(address: str) -> str:
        bind(address).close()
        return "free"

    def credentials() -> str:
        Access(settings)
        anonymous = ", ".join(settings.anonymous_roles) or "nothing"
        return f"tokens {'from ' + settings.tokens if settings.tokens else 'none'}; anonymous callers may {anonymous}"

    def certificates() -> str:
        server_credentials(settings)
        if settings.tls_certificate is None:
            return "plain text"
        return "mutual TLS" if settings.tls_client_ca else "TLS"

    for name, address in (("address", settings.address), ("metrics address", settings.metrics_address)):
        if address is not None:
            yield _found(f"{name} {address}", partial(free, address))
    yield _found("credentials", credentials)
    yield _found("transport", certificates)


def _store(store: FeatureStore) -> Iterator[Finding]:
    status = store.status()
    for endpoint in status.endpoints:
        for model, _ in endpoint.models:
            asked = Asked(endpoint=endpoint.endpoint, model=model)
            yield _answered(store, f"endpoint {endpoint.endpoint} with {model}", asked)
    for view in status.views:
        if view.active is not None:
            yield _answered(store, f"view {view.view}", Asked((view.view,)), f"active is {view.active}; ")


def _answered(store: FeatureStore, what: str, asked: Asked, before: str = "") -> Finding:
    def answer() -> str:
        keys = store.describe(asked.features, model=asked.model, endpoint=asked.endpoint).keys
        columns = store.read_online(asked, {name: [] for name, _ in keys}).plan.columns
        return f"{before}{len(columns)} features by {', '.join(name for name, _ in keys)}"

    return _found(what, answer)


def _found(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, look())
    except FeatureStoreError as error:
        return Finding(what, "would not do", str(error))
