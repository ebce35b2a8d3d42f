"""Who reads something: features, models, endpoints, feature sets and default pointers, and the text that tells them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from featurestore.lineage.text import moment, outline, short, some, table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.graph import Asset
    from featurestore.lineage.endings import Ending
    from featurestore.lineage.served import OnlineRows

__all__ = ["Consumers", "DefaultUse", "EndpointUse", "FeatureUse", "ModelUse", "SetUse"]


@dataclass(frozen=True, slots=True)
class FeatureUse:
    """A feature that depends on the node, or is it.

    Attributes
    ----------
    feature
        `view@vN:feature`.
    how
        `"DIRECT"`: the node's values become its values; `"INDIRECT"`: they act only on which rows it has, their order
        or their grouping.
    exact
        False where the computation could not be read, so that it counts as reading every column.
    """

    feature: str
    how: str
    exact: bool = True


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model version whose lock reads the node (or, of rows, that was trained on them).

    Attributes
    ----------
    model, owner
        `delay@1`, and who answers for it.
    reads
        The features through which it reads the node.
    endpoints
        Where it is live and reads the node now: an endpoint moved to another version is not among them.
    formerly
        Where it was live, and is not any more.
    """

    model: str
    owner: str
    reads: tuple[FeatureUse, ...]
    endpoints: tuple[str, ...]
    formerly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointUse:
    """A live endpoint that reads the node now.

    Attributes
    ----------
    endpoint, model
        Which model on which endpoint.
    reads
        `"lock"`: as the model's lock says; `"pointer"`: moved there for this endpoint, by `activation`; `"training"`:
        the model was trained on the rows asked about, and they are not what it is served from.
    version
        `view@vN` that answers now; empty for `"training"`.
    activation
        The move's id, for `"pointer"`.
    features
        `view@vN:feature` it reads of the node.
    """

    endpoint: str
    model: str
    reads: str
    version: str
    activation: int | None
    features: tuple[str, ...]

    @property
    def pinned(self) -> bool:
        """Whether the model's lock holds it to this version, so that only its pointer could be moved away."""
        return self.reads == "lock"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as they are, and `pinned`."""
        names = ("endpoint", "model", "reads", "version", "activation", "features", "pinned")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class DefaultUse:
    """A pointer of the default scope that leads to the node: whoever asks for the view without a version reads it.

    Attributes
    ----------
    pointer, version
        `view` or `view:feature`, and `view@vN` that it leads to.
    activation
        The move's id.
    features
        `view@vN:feature` that are read of the node through it.
    """

    pointer: str
    version: str
    activation: int
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetUse:
    """A feature set, in the version applied last, and the features through which it names the node.

    Attributes
    ----------
    feature_set
        `name@vN`.
    names
        `view@vN:feature`, pinned; or `view`, where it reads the view through the default pointer.
    """

    feature_set: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Consumers:
    """Who reads a node, and how it may be asked for.

    Attributes
    ----------
    node, ended
        The node, and how it ended; None while it lasts.
    models, endpoints
        Models by their locks, live endpoints by what they read now.
    sets, defaults
        Feature sets that name it, and pointers of the default scope that lead to it.
    frames, online
        Of rows: training frames that pin them, and when they were online.
    """

    node: Asset
    models: tuple[ModelUse, ...]
    endpoints: tuple[EndpointUse, ...]
    sets: tuple[SetUse, ...] = ()
    defaults: tuple[DefaultUse, ...] = ()
    frames: tuple[str, ...] = ()
    online: tuple[OnlineRows, ...] = ()
    ended: Ending | None = None

    def __str__(self) -> str:
        title = f"{self.node.key} ({self.node.kind})" + ("" if self.ended is None else f", {self.ended}")
        parts = self._parts()
        return outline(title, *parts) if any(parts) else f"{title}: nothing reads it"

    def _parts(self) -> list[list[str]]:
        models = [
            (use.model, use.owner or "-", _how(use.reads), some([item.feature for item in use.reads]), _places(use))
            for use in self.models
        ]
        endpoints = [
            (use.endpoint, use.model, _by(use), use.version or "-",
             some([feature.rpartition(":")[2] for feature in use.features]))
            for use in self.endpoints
        ]  # fmt: skip
        defaults = [
            (use.pointer, use.version, f"activation {use.activation}",
             some([feature.rpartition(":")[2] for feature in use.features]))
            for use in self.defaults
        ]  # fmt: skip
        online = [
            (rows.version, short(rows.snapshot), moment(rows.since),
             "now" if rows.until is None else moment(rows.until), moment(rows.dropped_at))
            for rows in self.online
        ]  # fmt: skip
        return [
            table(("model", "owner", "how", "reads", "live on"), models),
            table(("endpoint", "model", "reads by", "version", "features"), endpoints),
            table(("default pointer", "version", "by", "features"), defaults),
            table(("feature set", "names"), [(use.feature_set, some(use.names)) for use in self.sets]),
            table(("online", "snapshot", "from", "until", "dropped"), online),
            [f"  pinned by the training frames {some([short(frame) for frame in self.frames], 8)}"]
            if self.frames
            else [],
        ]


def _places(use: ModelUse) -> str:
    formerly = f"not live; was on {some(use.formerly)}" if use.formerly else "-"
    return some(use.endpoints) or formerly


def _by(use: EndpointUse) -> str:
    if use.activation is not None:
        return f"pointer (activation {use.activation})"
    return "lock (pinned)" if use.pinned else "trained on it, served from other rows"


def _how(uses: Iterable[FeatureUse]) -> str:
    uses = list(uses)
    if not uses:
        return "linked"
    how = "DIRECT" if any(use.how == "DIRECT" for use in uses) else "INDIRECT"
    return how if all(use.exact for use in uses) else f"{how}, inexact"
