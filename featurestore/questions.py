"""Questions: what a store answers from its catalog alone. A part of `FeatureStore`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from featurestore.catalog import activations, feature_sets, frames, models, snapshots, versions
from featurestore.model.times import parse_time
from featurestore.operations.context import Context
from featurestore.operations.resolve import as_reference, one_version

if TYPE_CHECKING:
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
    from featurestore.model.feature_set import FeatureSetVersion
    from featurestore.model.history import Activation, Change, Deployment
    from featurestore.model.snapshot import Snapshot
    from featurestore.model.times import Time
    from featurestore.model.version import FeatureVersion


__all__ = ["Questions"]


class Questions:
    """The questions that a store answers, and the listings of what it holds."""

    root: Path
    _context: Context

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


def _time(value: Time | None) -> datetime | None:
    return None if value is None else parse_time(value, now=datetime.now(UTC))
