"""The feature store: one object, one method a verb; each delegates to its file in `operations/` or `lineage/`."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from featurestore import config
from featurestore.catalog import frames, models
from featurestore.catalog.opening import open_catalog
from featurestore.checks import Checks
from featurestore.operations.context import Context, Notice, Progress
from featurestore.questions import Questions

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from featurestore.catalog.frames import FrameRecord
    from featurestore.catalog.models import ModelVersion
    from featurestore.model.description import Description
    from featurestore.model.effect import Acknowledgement
    from featurestore.model.feature_set import FeatureSet, FeatureSetVersion
    from featurestore.model.foreign import Link
    from featurestore.model.history import Activation, Deployment, Generation
    from featurestore.model.pins import PinSet
    from featurestore.model.pushed import Pushed, PushSchema
    from featurestore.model.settings import Settings
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.source_change import SourceChange, SourceSchema
    from featurestore.model.times import Time
    from featurestore.model.version import FeatureVersion
    from featurestore.model.view import FeatureView
    from featurestore.offline.frame import TrainingFrame
    from featurestore.offline.join_plan import JoinPlan
    from featurestore.online.lookup import Asked, RowAnswer
    from featurestore.online.result import OnlineFeatures
    from featurestore.operations.check import Check
    from featurestore.operations.comparison import OnlineComparison
    from featurestore.operations.online import OnlineReader
    from featurestore.operations.plan import Definitions, Plan
    from featurestore.operations.push import Pusher
    from featurestore.operations.refresh import Refreshed
    from featurestore.operations.rollback import Rollback

__all__ = ["FeatureStore", "open_store"]


def open_store(path: str | os.PathLike[str] | None = None, *, read_only: bool = False) -> FeatureStore:
    """Open a store, and make it if there is none.

    Parameters
    ----------
    path
        A folder or a `.toml`. None is `./featurestore.toml`, else `./.featurestore`.
    read_only
        Refuse every verb that would change the store.

    Raises
    ------
    ConfigError
        If the configuration is wrong, the folder holds something else, or a newer release wrote it.
    """
    root, settings = config.load(path, create=not read_only)
    return FeatureStore(root, settings, read_only=read_only)


class FeatureStore(Checks, Questions):
    """One store. Made by `open_store`; usable as a context manager."""

    def __init__(self, root: Path, settings: Settings, *, read_only: bool = False) -> None:
        if not read_only:
            root.mkdir(parents=True, exist_ok=True)
        self.root = root
        self._context = Context(root, settings, open_catalog(root, settings.catalog, read_only=read_only))

        if not read_only:
            for module in _listeners(settings):
                import_module(module).listen(self._context)

    @property
    def context(self) -> Context:
        """What every verb works on: for integrations, which stand above the store."""
        return self._context

    @cached_property
    def _online(self) -> OnlineReader:
        from featurestore.operations.online import OnlineReader

        return OnlineReader(self._context)

    @cached_property
    def _pusher(self) -> Pusher:
        from featurestore.operations.push import Pusher

        return Pusher(self._context)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.root)!r})"

    def close(self) -> None:
        """Close every file and connection."""
        self._context.close()

    def report_progress(self, progress: Progress) -> None:
        """Call `progress(what, done, total)` during long work, from now on."""
        self._context.progress = progress

    def report_notices(self, notice: Notice) -> None:
        """Call `notice(text)` from now on with what a change that is made may mean to others."""
        self._context.notice = notice

    # ------------------------------------------------------------------------------------ define, materialize

    def plan(self, definitions: Definitions) -> Plan:
        """Say what `apply` would change, and whom that reaches; see `operations/plan.py`."""
        from featurestore.operations.plan import plan

        return plan(self._context, definitions)

    @overload
    def apply(self, definitions: Iterable[FeatureView] | FeatureView) -> list[FeatureVersion]: ...
    @overload
    def apply(self, definitions: Iterable[FeatureSet] | FeatureSet) -> list[FeatureSetVersion]: ...
    @overload
    def apply(self, definitions: Definitions) -> list[FeatureVersion | FeatureSetVersion]: ...
    def apply(self, definitions: Any) -> Any:
        """Record feature views as feature versions, and feature sets; see `operations/apply.py`."""
        from featurestore.operations.apply import apply

        return apply(self._context, definitions)

    def check(
        self,
        definitions: Definitions = (),
        *,
        source_changes: Iterable[SourceChange | SourceSchema] = (),
        read_sources: bool = False,
    ) -> Check:
        """Say what definitions and changes of sources would do to whom, by the policy; see `operations/check.py`."""
        from featurestore.operations.check import check

        return check(self._context, definitions, source_changes, read_sources=read_sources)

    def acknowledge(
        self, check: Check, *, reason: str, until: Time | timedelta, only: Sequence[str] = ()
    ) -> list[Acknowledgement]:
        """Accept what a check blocks, until a time or for a duration (`"14d"`); see `operations/acknowledge.py`."""
        from featurestore.operations.acknowledge import acknowledge

        return acknowledge(self._context, check, reason=reason, until=until, only=only)

    def withdraw_acknowledgement(self, fingerprint: str, *, reason: str) -> list[Acknowledgement]:
        """Let an acknowledgement hold no longer; see `operations/acknowledge.py`."""
        from featurestore.operations.acknowledge import withdraw

        return withdraw(self._context, fingerprint, reason=reason)

    def acknowledgements(self) -> list[Acknowledgement]:
        """Return who accepted which impact, why and until when, in the order given."""
        from featurestore.catalog import acknowledgements

        with self._context.catalog.read() as connection:
            return acknowledgements.everything(connection)

    def materialize(self, reference: object, start: Time | None = None, end: Time | None = None) -> Snapshot:
        """Compute a version's rows in `[start, end)`, or all; see `operations/materialize.py`."""
        from featurestore.operations.materialize import materialize

        return materialize(self._context, reference, start=start, end=end)

    def refresh(self, views: object = None, until: Time | None = None, *, publish: bool = True) -> list[Refreshed]:
        """Bring every version that anyone reads up to date; see `operations/refresh.py`."""
        from featurestore.operations.refresh import refresh

        return refresh(self._context, views, until=until, publish=publish)

    def compact(self, reference: object) -> Snapshot:
        """Merge a version's runs into one with the same rows; see `operations/compact.py`."""
        from featurestore.operations.compact import compact

        return compact(self._context, reference)

    def push(self, source: str, rows: Any, id: str | None = None) -> Pushed:  # noqa: A002, ANN401 - the public name; a table of any library
        """Add rows to a push source's log and show them online; see `operations/push.py`."""
        return self._pusher.push(source, rows, id)

    def push_schema(self, source: str) -> PushSchema:
        """Return what rows pushed to a source must be: their columns with types, and which may not be null."""
        return self._pusher.schema(source)

    def retire(self, reference: object, *, reason: str, replacement: object = None) -> FeatureVersion:
        """Mark a version as not to be used any more; see `operations/retire.py`."""
        from featurestore.operations.retire import retire

        return retire(self._context, reference, reason=reason, replacement=replacement)

    # ------------------------------------------------------------------------------------ train

    def get_training_frame(
        self,
        pinned_versions: object,
        spine: Any = None,  # noqa: ANN401 - a table of any library
        *,
        timestamp: str | None = None,
        as_of: Time | None = None,
        start: Time | None = None,
        end: Time | None = None,
    ) -> TrainingFrame:
        """Join a spine with pinned feature versions, point in time; see `operations/train.py`.

        Instead of a spine, `start` and `end` take the rows of the first view named with event times in `[start, end)`.
        """
        from featurestore.operations.train import get_training_frame

        return get_training_frame(
            self._context, pinned_versions, spine, timestamp=timestamp, as_of=as_of, start=start, end=end
        )

    def explain_training_frame(self, pinned_versions: object, spine: Any = None, **options: Any) -> JoinPlan:  # noqa: ANN401
        """Say how `get_training_frame` would join the same request; see `operations/train.py`."""
        from featurestore.operations.train import explain_training_frame

        return explain_training_frame(self._context, pinned_versions, spine, **options)

    def frame(self, frame: FrameRecord | str) -> TrainingFrame:
        """Build a recorded frame again, by its id, eight or more digits of it, or its record."""
        from featurestore.operations.train import load_frame

        return load_frame(self._context, frame)

    def register_model(
        self,
        name: str,
        *,
        version: str | int,
        frame: TrainingFrame | FrameRecord | PinSet | os.PathLike[str] | str,
        inputs: Sequence[str] | None = None,
        owner: str | None = None,
        uri: str | None = None,
        git_sha: str | None = None,
        metrics: Mapping[str, Any] | None = None,
    ) -> ModelVersion:
        """Tie a model version to its frame, code and inputs; see `operations/register.py`."""
        from featurestore.operations.register import register_model

        return register_model(
            self._context,
            name,
            version=version,
            frame=frame,
            inputs=inputs,
            owner=owner,
            uri=uri,
            git_sha=git_sha,
            metrics=metrics,
        )

    def deploy(self, model: object, *, endpoint: str, replace: bool = False, share: float | None = None) -> Deployment:
        """Make a model version live on an endpoint; see `operations/deploy.py`."""
        from featurestore.operations.deploy import deploy

        return deploy(self._context, model, endpoint=endpoint, replace=replace, share=share)

    def undeploy(self, model: object, *, endpoint: str) -> Deployment:
        """End a deployment; see `operations/deploy.py`."""
        from featurestore.operations.deploy import undeploy

        return undeploy(self._context, model, endpoint=endpoint)

    def lock(self, value: object) -> PinSet:
        """Return the lock of a model version (`delay@1`), or the pins of a frame's id."""
        from featurestore.operations.register import as_model

        with self._context.catalog.read() as connection:
            if isinstance(value, str) and "@" not in value:
                return frames.find(connection, value).pins
            return models.find(connection, as_model(value)).lock

    # ------------------------------------------------------------------------------------ serve

    def publish(self, reference: object, snapshot: Snapshot | str | None = None, at: Time | None = None) -> Generation:
        """Put a version's newest rows into the online store; see `operations/publish.py`."""
        from featurestore.operations.publish import publish

        return publish(self._context, reference, snapshot=snapshot, at=at)

    def activate(self, *references: object, reason: str = "", endpoint: str | None = None) -> list[Activation]:
        """Move pointers, several in one atomic change; see `operations/activate.py`."""
        from featurestore.operations.activate import activate

        return activate(self._context, references, reason=reason, endpoint=endpoint)

    def rollback(
        self,
        pointer: object,
        *,
        to: object = None,
        endpoint: str | None = None,
        reason: str = "",
        dry_run: bool = False,
        expect: object = None,
    ) -> Rollback:
        """Return a pointer to an earlier version; see `operations/rollback.py`."""
        from featurestore.operations.rollback import rollback

        return rollback(self._context, pointer, to=to, endpoint=endpoint, reason=reason, dry_run=dry_run, expect=expect)

    def get_online_features(
        self,
        features: Sequence[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
        entities: Any,  # noqa: ANN401 - columns of any library
        at: Time | None = None,
        lock: PinSet | os.PathLike[str] | str | None = None,
    ) -> OnlineFeatures:
        """Look features up, with the answer that the server gives.

        Parameters
        ----------
        features
            References, pinned or through the default pointers.
        model, endpoint
            Instead: a model version (its lock's versions), an endpoint (its pointers), or both where several
            models are live on one endpoint.
        feature_set
            Instead: a feature set, `"fraud@v1"`, or the version applied last, `"fraud"`.
        entities
            Equal-length columns of join keys: a dict, a list of dicts, an Arrow table or a frame; row i in is row
            i out.
        at
            The time that TTLs are counted from, not before what was published; None is now.
        lock
            The lock (or its digest, or the path of its file) that the caller was built with.

        Raises
        ------
        NotFoundError, NotActiveError, NotPublishedError
            If something named is unknown, not active or not online.
        RequestError
            If the entities do not fit.
        LockMismatchError
            If `lock` is not the model's.
        """
        asked = self._online.asked(features, model=model, endpoint=endpoint, feature_set=feature_set, lock=lock)
        return self._online.read(asked, entities, at).features()

    def read_online(self, asked: Asked, entities: Any, at: Time | None = None) -> RowAnswer:  # noqa: ANN401 - as above
        """Look features up as `get_online_features` does, and leave them in the rows: what a server sends on."""
        return self._online.read(asked, entities, at)

    def following(self, every: float) -> AbstractContextManager[None]:
        """Answer online reads within the block from the catalog as it was `every` seconds ago: a server's way."""
        return self._online.following(every)

    def describe(
        self,
        features: Sequence[object] | None = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        feature_set: object = None,
    ) -> Description:
        """Return the keys that such a request takes, and the columns it gives."""
        asked = self._online.asked(features, model=model, endpoint=endpoint, feature_set=feature_set)
        return self._online.describe(asked)

    def compare_online(
        self,
        features: object = None,
        *,
        model: object = None,
        endpoint: str | None = None,
        entities: Any = None,  # noqa: ANN401 - columns of any library
        sample: int = 1_000,
        at: Time | None = None,
        seed: int = 0,
        client: Any = None,  # noqa: ANN401 - of a layer above
    ) -> OnlineComparison:
        """Compare what is answered online with the offline join of the same rows, cell by cell.

        Parameters
        ----------
        features, model, endpoint
            What to read, as `get_online_features` takes it; one reference may stand alone.
        entities
            The rows to ask for. None takes a sample of the keys that are stored, made-up ones, and nulls.
        sample
            Keys to compare; their features are joined as well.
        at
            The time of both questions; None is now.
        seed
            Another seed draws another sample.
        client
            Ask the server of a `connect`ed client about this store, instead of this process.

        Raises
        ------
        FeatureStoreError
            As `get_online_features`; CorruptError if the rows that were published are no longer there offline.
        """
        from featurestore.operations.compare_online import OnlineReads, compare_online

        reads = OnlineReads(self.describe, self.get_online_features)
        if client is not None:
            reads = OnlineReads(client.describe, partial(client.get_features, event_times=True))
        return compare_online(
            self._context,
            reads,
            features,
            model=model,
            endpoint=endpoint,
            entities=entities,
            sample=sample,
            at=at,
            seed=seed,
        )

    # ------------------------------------------------------------------------------------ work with others

    def link(self, upstream: object, downstream: object, *, reason: str = "", indirect: bool = False) -> Link:
        """Tell a dependency on a job, run, table or field of another system; see `operations/link.py`."""
        from featurestore.operations.link import link

        return link(self._context, upstream, downstream, reason=reason, indirect=indirect)


def _listeners(settings: Settings) -> list[str]:
    """Return the modules of the integrations that are told what the store does; by name, for they stand above it."""
    lineage, alerts = settings.openlineage, settings.alerts
    told = {
        "openlineage": lineage.url is not None or lineage.file is not None,
        "alerts": alerts.url is not None or bool(alerts.command),
    }
    return [f"featurestore.integrations.{name}" for name, wanted in told.items() if wanted]
