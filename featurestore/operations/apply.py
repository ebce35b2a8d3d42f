"""Apply: record definitions as feature versions; the same content again is a no-op."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from featurestore.catalog import sources, versions
from featurestore.errors import ConflictError
from featurestore.model.names import fold
from featurestore.operations.code import code_state
from featurestore.operations.contracts import apply_contracts
from featurestore.operations.feature_sets import apply_set, require_no_set
from featurestore.operations.plan import listed, make_plan, plan
from featurestore.operations.rulings import acknowledged, plan_rulings, refuse_blocked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from featurestore.catalog.database import Transaction
    from featurestore.model.effect import Ruling
    from featurestore.model.feature_set import FeatureSetVersion
    from featurestore.model.version import CodeState, FeatureVersion
    from featurestore.operations.context import Context
    from featurestore.operations.define import Defined
    from featurestore.operations.plan import Definitions, Plan, ViewChange

__all__ = ["apply"]

_ATTEMPTS = 5


def apply(context: Context, definitions: Definitions) -> list[FeatureVersion | FeatureSetVersion]:
    """Make each view's definition, and each feature set's content, its current version; what is not named stays.

    Returns
    -------
    list of FeatureVersion and FeatureSetVersion
        The current version of each, in the order given.

    Raises
    ------
    DefinitionError, ContractError, SourceError, NotFoundError, RequestError
        As `plan`; then nothing is applied.
    BlockedError
        If a feature that a live model reads is removed, retyped or taken from elsewhere, the policy refuses that, and
        nobody has accepted it; then nothing is applied.
    ConflictError
        If other processes keep changing the same views.
    """
    context.catalog.require_writable()
    every = listed(definitions)
    proposed = plan(context, every)
    with context.catalog.read() as connection:
        _require_allowed(context, connection, proposed, datetime.now(UTC))
    for source, _ in {item[0].name: item for defined in proposed.defined for item in defined.sources}.values():
        context.reader.keep(source)
    sets = [change.feature_set for change in proposed.sets]
    code = code_state()
    for attempt in range(_ATTEMPTS):
        try:
            with context.catalog.write() as tx:
                for change in proposed.changes:
                    versions.require_current(tx.connection, change.view, change.before)
                ruled = _require_allowed(context, tx.connection, proposed, tx.now)
                done: dict[str, FeatureVersion | FeatureSetVersion] = {
                    fold(change.view): _apply_view(tx, change, defined, code)
                    for change, defined in zip(proposed.changes, proposed.defined, strict=True)
                }
                apply_contracts(tx, proposed.defined, code)
                done |= {
                    fold(moved.feature_set.name): apply_set(tx, moved.feature_set, code) for moved in proposed.sets
                }
                applied = [done[fold(item.name)] for item in every]
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            _warn(context, ruled)
            return applied
        with context.catalog.read() as connection:
            proposed = make_plan(connection, proposed.defined, sets)
    raise AssertionError


def _require_allowed(context: Context, connection: Connection, proposed: Plan, now: datetime) -> list[Ruling]:
    """Return what the policy says of the plan; it must let it pass, or somebody must have accepted what it does."""
    rulings = plan_rulings(connection, proposed.changes, proposed.defined, context.settings.policy)
    ruled = acknowledged(connection, rulings, now)
    refuse_blocked(ruled)
    return ruled


def _warn(context: Context, ruled: Sequence[Ruling]) -> None:
    for ruling in ruled:
        if ruling.action == "warn":
            readers = [name for effect in ruling.effects if effect.action == "warn" for name in effect.reached]
            context.notice(f"{ruling.change}; what reads it stays on its version: {', '.join(readers)}")


def _apply_view(tx: Transaction, change: ViewChange, defined: Defined, code: CodeState) -> FeatureVersion:
    for source, columns in defined.sources:
        sources.save(tx, source, columns)
    view = defined.definition.view
    if change.action == "new":
        require_no_set(tx.connection, view)
    if change.action in {"new", "changed"}:
        version = versions.insert(tx, defined.definition, defined.metadata, code)
    else:
        versions.set_current(tx, view, change.version)
        versions.set_metadata(tx, view, defined.metadata)
        version = versions.find(tx.connection, view, change.version)
    if change.action != "unchanged":
        moved = {item.name: item.action for item in change.features if item.action != "unchanged"}
        tx.record("applied", "version", version.reference, action=change.action, features=moved, commit=code.commit)
    return version
