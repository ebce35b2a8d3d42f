"""The feature store: one object, one method a verb; each delegates to its file in `operations/` or `lineage/`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, overload

from featurestore import config
from featurestore.catalog import activations, contracts, feature_sets, frames, models, snapshots, versions
from featurestore.catalog.opening import open_catalog
from featurestore.model.times import parse_time
from featurestore.operations.context import Context, Notice, Progress
from featurestore.operations.resolve import as_reference, one_version

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    import pyarrow as pa

    from featurestore.catalog.frames import FrameRecord
    from featurestore.catalog.models import ModelVersion
    from featurestore.lineage.consumers import Consumers
    from featurestore.lineage.diff import ModelDiff
    from featurestore.lineage.history import ActiveVersion
    from featurestore.lineage.impact import Impact
    from featurestore.lineage.report import Report
    from featurestore.lineage.stale import StaleModel
    from featurestore.lineage.status import Status
    from featurestore.lineage.trained_on import TrainedOn
    from featurestore.lineage.walk import Lineage
    from featurestore.model.contract import Contract
    from featurestore.model.contract_change import ContractVersion
    from featurestore.model.description import Description
    from featurestore.model.effect import Acknowledgement
    from featurestore.model.feature_set import FeatureSet, FeatureSetVersion
    from featurestore.model.foreign import Link
    from featurestore.model.history import Activation, Change, Deployment, Generation
    from featurestore.model.pins import PinSet
    from featurestore.model.profile import Profile
    from featurestore.model.pushed import Pushed, PushSchema
    from featurestore.model.settings import Settings
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.source_change import SourceChange, SourceSchema
    from featurestore.model.version import FeatureVersion
    from featurestore.model.view import FeatureView
    from featurestore.model.violation import ContractCheck
    from featurestore.offline.frame import TrainingFrame
    from featurestore.offline.join_plan import JoinPlan
    from featurestore.online.lookup import Asked, RowAnswer
    from featurestore.online.result import OnlineFeatures
    from featurestore.operations.check import Check
    from featurestore.operations.compare_versions import VersionComparison
    from featurestore.operations.comparison import OnlineComparison
    from featurestore.operations.contracts import ContractDiff
    from featurestore.operations.detect import Detection
    from featurestore.operations.online import OnlineReader
    from featurestore.operations.plan import Definitions, Plan
    from featurestore.operations.push import Pusher
    from featurestore.operations.refresh import Refreshed
    from featurestore.operations.rollback import Rollback
    from featurestore.operations.skew import Skew
    from featurestore.operations.verify import Verification

__all__ = ["FeatureStore", "open_store"]

Time = datetime | date | str
"""A datetime, ISO 8601 text, or a duration back from now such as `"14d"`."""


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


class FeatureStore:
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

    def compare_versions(
        self,
        before: object,
        after: object,
        *,
        sample: int = 1_000,
        seed: int = 0,
        endpoint: str | None = None,
        record: bool = False,
    ) -> VersionComparison:
        """Compare two versions of a view: the same keys and times, value by value and by distribution.

        Parameters
        ----------
        before, after
            The version that is read, and the one that would be.
        sample
            Rows drawn from both together; another `seed` draws others.
        endpoint
            Whose pointer would move; None: the default one.
        record
            Keep in the history that they were compared, which `require_comparison` asks for before a pointer moves.

        Raises
        ------
        RequestError
            If they are versions of two views, or have other keys.
        NotMaterializedError
            If one has no rows.
        """
        from featurestore.operations.compare_versions import compare_versions

        return compare_versions(
            self._context, before, after, sample=sample, seed=seed, endpoint=endpoint, record=record
        )

    def skew(
        self, model: object, *, since: Time | None = None, until: Time | None = None, endpoint: str | None = None
    ) -> Skew:
        """Compare what a model was served, as servers with `log_answers` kept it, with what it was trained on.

        Parameters
        ----------
        since, until
            Questions of this time or later, and before that; None is no bound.
        endpoint
            Only what was asked through this one.

        Raises
        ------
        NotFoundError
            If no answers are kept for that time, or there is no such model.
        """
        from featurestore.operations.skew import skew

        return skew(self._context, model, since=since, until=until, endpoint=endpoint)

    def verify(self, reference: object = None) -> Verification:
        """Read all stored rows, offline and online, and compare digests; see `operations/verify.py`."""
        from featurestore.operations.verify import verify

        return verify(self._context, reference)

    # ------------------------------------------------------------------------------------ quality

    def profile(self, node: object) -> Profile:
        """Return what rows of a snapshot, source, column or training frame look like; see `operations/profile.py`."""
        from featurestore.operations.profile import profile

        return profile(self._context, node)

    def detect(self, reference: object, *, against: object = None) -> Detection:
        """Return what has changed in a version's rows, and whom it reaches; see `operations/detect.py`."""
        from featurestore.operations.detect import detect

        return detect(self._context, reference, against=against)

    # ------------------------------------------------------------------------------------ work with others

    def link(self, upstream: object, downstream: object, *, reason: str = "", indirect: bool = False) -> Link:
        """Tell a dependency on a job, run, table or field of another system; see `operations/link.py`."""
        from featurestore.operations.link import link

        return link(self._context, upstream, downstream, reason=reason, indirect=indirect)

    # ------------------------------------------------------------------------------------ guard

    def check_contract(
        self, name: str, *, file: str | os.PathLike[str] | None = None, contract: Contract | None = None
    ) -> ContractCheck:
        """Hold a source's rows, or a file's, against a contract; see `operations/check_contract.py`."""
        from featurestore.operations.check_contract import check_contract

        return check_contract(self._context, name, file=None if file is None else Path(file), contract=contract)

    def check_contracts(self, names: Sequence[str] = ()) -> list[ContractCheck]:
        """Check the contracts of these sources, or all; see `operations/check_contract.py`."""
        from featurestore.operations.check_contract import check_contracts

        return check_contracts(self._context, names)

    def approve(self, snapshot: Snapshot | str, *, reason: str) -> Snapshot:
        """Let rows in quarantine through, for a reason that is kept; see `operations/approve.py`."""
        from featurestore.operations.approve import approve

        return approve(self._context, snapshot, reason=reason)

    def read_snapshot(self, snapshot: Snapshot | str, *, limit: int | None = None) -> pa.Table:
        """Return a snapshot's rows, also of one in quarantine; see `operations/read_snapshot.py`."""
        from featurestore.operations.read_snapshot import read_snapshot

        return read_snapshot(self._context, snapshot, limit=limit)

    def declare_contract(self, source: str, contract: Contract) -> ContractVersion:
        """Make a contract the current one of a source, without its definition; see `operations/contracts.py`."""
        from featurestore.operations.contracts import declare_contract

        return declare_contract(self._context, source, contract)

    def propose_contract(self, source: str, contract: Contract) -> ContractDiff:
        """Say what declaring a contract would change; see `operations/contracts.py`."""
        from featurestore.operations.contracts import propose_contract

        with self._context.catalog.read() as connection:
            return propose_contract(connection, source, contract)

    def diff_contract(self, before: str, after: str | Contract | None = None) -> ContractDiff:
        """Compare two versions of a contract, or the current one with a proposal; see `operations/contracts.py`."""
        from featurestore.operations.contracts import diff_contract

        with self._context.catalog.read() as connection:
            return diff_contract(connection, before, after)

    def contracts(self) -> list[ContractVersion]:
        """Return every contract in its current version, by what it is about."""
        with self._context.catalog.read() as connection:
            return contracts.everything(connection)

    def contract(self, reference: str) -> ContractVersion:
        """Return one contract: `weather`, `weather@c2`, `view/airport_weather`."""
        with self._context.catalog.read() as connection:
            return contracts.find(connection, reference)

    def contract_versions(self, subject: str) -> list[ContractVersion]:
        """Return a contract in all its versions, oldest first; `subject` is `source/weather` or `view/NAME`."""
        with self._context.catalog.read() as connection:
            return contracts.versions_of(connection, subject if "/" in subject else f"source/{subject}")

    def facts(self, node: object) -> dict[str, Any]:
        """Return what another system has said of a node of its own: description, owner, columns, code."""
        from featurestore.catalog import foreign
        from featurestore.lineage.nodes import parse_node

        with self._context.catalog.read() as connection:
            return foreign.facts(connection, parse_node(connection, node))

    # ------------------------------------------------------------------------------------ trace

    def consumers(self, node: object, *, live: bool = False) -> Consumers:
        """Return the model versions and endpoints that consume a node; see `lineage/consumers.py`."""
        from featurestore.lineage.consumers import consumers

        with self._context.catalog.read() as connection:
            return consumers(connection, node, live=live)

    def lineage(self, node: object, direction: str = "up", *, depth: int | None = None) -> Lineage:
        """Return what a node comes from (`"up"`) or leads to (`"down"`); see `lineage/walk.py`."""
        from featurestore.lineage.walk import lineage

        with self._context.catalog.read() as connection:
            return lineage(connection, node, direction, depth)

    def impact(self, change: object) -> Impact:
        """Return what a change of a column, feature, version or source reaches; see `lineage/impact.py`."""
        from featurestore.lineage.impact import impact

        with self._context.catalog.read() as connection:
            return impact(connection, change)

    def trained_on(self, model: object, *, verify: bool = False) -> TrainedOn:
        """Return exactly what a model version was trained on, and whether that can be rebuilt.

        With `verify` every file that a rebuild needs is read and compared with its digest; see `lineage/trained_on.py`.
        """
        from featurestore.lineage.trained_on import files_below, trained_on

        with self._context.catalog.read() as connection:
            return trained_on(connection, model, look=files_below(self.root, verify=verify), verified=verify)

    def changes(self, since: Time | None = None, until: Time | None = None, upstream_of: object = None) -> list[Change]:
        """Return what changed, in order of commit; see `lineage/history.py`."""
        from featurestore.lineage.history import changes

        with self._context.catalog.read() as connection:
            return changes(connection, _time(since), _time(until), upstream_of)

    def stale_models(self, *, fresh: bool = False) -> list[StaleModel]:
        """Return, for every live model, what has changed since it was trained; see `lineage/stale.py`.

        With `fresh` those for which nothing has are returned too, with no reasons.
        """
        from featurestore.lineage.stale import stale_models

        with self._context.catalog.read() as connection:
            return stale_models(connection, fresh=fresh)

    def report(self, since: Time | None = None, until: Time | None = None, owner: str | None = None) -> Report:
        """Tell each owner what was found in the data, what waits in quarantine, what has changed, and what is stale.

        Parameters
        ----------
        since, until
            Findings and changes of that time; by default of the last seven days.
        owner
            Only this one.

        Raises
        ------
        NotFoundError
            If nothing and nobody has that owner.
        """
        from featurestore.lineage.report import report

        with self._context.catalog.read() as connection:
            now = datetime.now(UTC)
            return report(connection, _time(since) or now - timedelta(days=7), _time(until) or now, owner)

    def diff_models(self, before: object, after: object) -> ModelDiff:
        """Return how two model versions' features and data differ; see `lineage/diff.py`."""
        from featurestore.lineage.diff import diff_models

        with self._context.catalog.read() as connection:
            return diff_models(connection, before, after)

    def active_at(self, pointer: object, at: Time | None = None, endpoint: str | None = None) -> ActiveVersion:
        """Return which version a pointer led to at a time; see `lineage/history.py`."""
        from featurestore.lineage.history import active_at

        with self._context.catalog.read() as connection:
            return active_at(connection, pointer, _time(at) or datetime.now(UTC), endpoint)

    def status(self) -> Status:
        """Return the state of every view, model and endpoint; see `lineage/status.py`."""
        from featurestore.lineage.status import status

        with self._context.catalog.read() as connection:
            return status(connection)

    # ------------------------------------------------------------------------------------ listings

    def views(self) -> list[str]:
        """Return the names of all feature views."""
        with self._context.catalog.read() as connection:
            return versions.view_names(connection)

    def versions(self, view: object) -> list[FeatureVersion]:
        """Return a view's versions, oldest first."""
        with self._context.catalog.read() as connection:
            return versions.of_view(connection, as_reference(view).view)

    def version(self, reference: object) -> FeatureVersion:
        """Return one version; without `@vN` the one applied last."""
        with self._context.catalog.read() as connection:
            return one_version(connection, reference, current=True)

    def feature_sets(self, name: str | None = None) -> list[FeatureSetVersion]:
        """Return every feature set in the version applied last; or all versions of one, oldest first."""
        with self._context.catalog.read() as connection:
            return feature_sets.everything(connection) if name is None else feature_sets.versions_of(connection, name)

    def feature_set(self, reference: object) -> FeatureSetVersion:
        """Return one version of a feature set; without `@vN` the one applied last."""
        from featurestore.operations.feature_sets import one_set

        with self._context.catalog.read() as connection:
            return one_set(connection, reference, require_pins=False)

    def snapshots(self, reference: object) -> list[Snapshot]:
        """Return a version's snapshots, oldest first."""
        with self._context.catalog.read() as connection:
            return snapshots.history(connection, one_version(connection, reference, current=True))

    def snapshot(self, snapshot: object) -> Snapshot:
        """Return a snapshot by its id or eight or more digits of it."""
        with self._context.catalog.read() as connection:
            return snapshots.find(connection, snapshot)

    def activations(self, view: object) -> list[Activation]:
        """Return every move of a view's pointers, oldest first."""
        with self._context.catalog.read() as connection:
            return activations.history(connection, as_reference(view).view)

    def frames(self) -> list[FrameRecord]:
        """Return the records of all training frames, oldest first."""
        with self._context.catalog.read() as connection:
            return frames.everything(connection)

    def models(self) -> list[ModelVersion]:
        """Return all model versions, in order of registration."""
        with self._context.catalog.read() as connection:
            return models.everything(connection)

    def endpoints(self) -> dict[str, list[Deployment]]:
        """Return every endpoint with the models live on it."""
        with self._context.catalog.read() as connection:
            return {name: models.deployments(connection, endpoint=name) for name in models.endpoint_names(connection)}


def _listeners(settings: Settings) -> list[str]:
    """Return the modules of the integrations that are told what the store does; by name, for they stand above it."""
    lineage, alerts = settings.openlineage, settings.alerts
    told = {
        "openlineage": lineage.url is not None or lineage.file is not None,
        "alerts": alerts.url is not None or bool(alerts.command),
    }
    return [f"featurestore.integrations.{name}" for name, wanted in told.items() if wanted]


def _time(value: Time | None) -> datetime | None:
    return None if value is None else parse_time(value, now=datetime.now(UTC))
