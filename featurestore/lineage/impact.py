"""Impact: what a change of a source column, source, view, version or feature reaches, column by column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.errors import DefinitionError
from featurestore.lineage.consumers import EndpointUse, FeatureUse, ModelUse, consumers, features_of
from featurestore.lineage.nodes import parse_node
from featurestore.lineage.text import outline, table

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from featurestore.catalog.graph import Asset

__all__ = ["Impact", "Path", "impact"]


@dataclass(frozen=True, slots=True)
class Path:
    """One way from the change to a reader.

    Attributes
    ----------
    feature
        `view@vN:feature`.
    how, exact
        As in `FeatureUse`: whether values or only rows depend on the change, and whether that could be told.
    model, endpoint
        What reads it; empty where nothing does, or where the model is not live.
    reads
        On an endpoint: `"lock"` or `"pointer"`.
    """

    feature: str
    how: str
    exact: bool
    model: str = ""
    endpoint: str = ""
    reads: str = ""

    def __str__(self) -> str:
        steps = [self.feature, self.model, self.endpoint + (" (moved pointer)" if self.reads == "pointer" else "")]
        marks = self.how + ("" if self.exact else ", inexact")
        return f"{' -> '.join(step for step in steps if step)}  [{marks}]"


@dataclass(frozen=True, slots=True)
class Impact:
    """What a change reaches.

    Attributes
    ----------
    change
        The node that would change.
    severity
        `"breaking"` if a live endpoint reads it now, `"risky"` if a registered model reads it, else `"safe"`.
    features, models, endpoints
        All that depends on it.
    paths
        Each feature with each of its readers.
    """

    change: Asset
    severity: str
    features: tuple[FeatureUse, ...]
    models: tuple[ModelUse, ...]
    endpoints: tuple[EndpointUse, ...]
    paths: tuple[Path, ...]

    @property
    def exact(self) -> bool:
        """Whether all of it was derived; False where a computation that cannot be read counts as reading it."""
        return all(use.exact for use in self.features)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are, and `exact`."""
        fields = ("change", "severity", "features", "models", "endpoints", "paths")
        return {**{name: getattr(self, name) for name in fields}, "exact": self.exact}

    def __str__(self) -> str:
        if not self.features:
            return f"{self.change.key}: {self.severity}, nothing depends on it"
        rows = [
            (path.how + ("" if path.exact else ", inexact"), path.feature, path.model or "-",
             path.endpoint + (" (moved pointer)" if path.reads == "pointer" else "") or "-")
            for path in self.paths
        ]  # fmt: skip
        return outline(f"{self.change.key}: {self.severity}", table(("how", "feature", "model", "live on"), rows))


def impact(connection: Connection, change: object) -> Impact:
    """Return what a change reaches: features, models, endpoints.

    Parameters
    ----------
    connection
        One consistent read of the catalog.
    change
        A source column (`weather.wind_gust`), source, view, version, feature, or a job, table or field of another
        system, as `parse_node` reads it.

    Raises
    ------
    NotFoundError, DefinitionError
        As `parse_node`; a DefinitionError too if the node is rows, a model or an endpoint, which do not change.
    """
    asset = parse_node(connection, change)
    if asset.kind not in {"source", "column", "view", "version", "feature", "job", "table", "field"}:
        raise DefinitionError(
            f"{asset.key!r} is a {asset.kind}, which never changes: "
            "name a source column, source, view, version or feature, or a job, table or field of another system."
        )
    features = features_of(connection, asset)
    found = consumers(connection, asset)
    severity = "breaking" if found.endpoints else "risky" if found.models else "safe"
    ordered = tuple(features[name] for name in sorted(features))
    return Impact(
        asset, severity, ordered, found.models, found.endpoints, tuple(_paths(ordered, found.models, found.endpoints))
    )


def _paths(
    features: tuple[FeatureUse, ...], models: tuple[ModelUse, ...], endpoints: tuple[EndpointUse, ...]
) -> list[Path]:
    paths = []
    for use in features:
        live = [item for item in endpoints if use.feature in item.features]
        served = {item.model for item in live}
        readers = [model.model for model in models if any(read.feature == use.feature for read in model.reads)]
        own = [Path(use.feature, use.how, use.exact, item.model, item.endpoint, item.reads) for item in live]
        own += [Path(use.feature, use.how, use.exact, model) for model in readers if model not in served]
        paths += own or [Path(use.feature, use.how, use.exact)]
    return paths
