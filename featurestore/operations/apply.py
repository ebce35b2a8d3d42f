"""Apply: record definitions as feature versions; the same content again is a no-op."""

from __future__ import annotations

from typing import TYPE_CHECKING

from featurestore.catalog import sources, versions
from featurestore.errors import ConflictError
from featurestore.operations.code import code_state
from featurestore.operations.plan import make_plan, plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from featurestore.catalog.database import Transaction
    from featurestore.model.version import CodeState, FeatureVersion
    from featurestore.model.view import FeatureView
    from featurestore.operations.context import Context
    from featurestore.operations.define import Defined
    from featurestore.operations.plan import ViewChange

__all__ = ["apply"]

_ATTEMPTS = 5


def apply(context: Context, views: Iterable[FeatureView] | FeatureView) -> list[FeatureVersion]:
    """Make each view's definition its current version; views that are not named stay as they are.

    Returns
    -------
    list of FeatureVersion
        The current version of each view, in the order given.

    Raises
    ------
    DefinitionError, ContractError, SourceError
        As `plan`; then nothing is applied.
    ConflictError
        If other processes keep changing the same views.
    """
    context.catalog.require_writable()
    proposed = plan(context, views)
    for source, _ in {item[0].name: item for defined in proposed.defined for item in defined.sources}.values():
        context.reader.keep(source)
    code = code_state()
    for attempt in range(_ATTEMPTS):
        try:
            with context.catalog.write() as tx:
                for change in proposed.changes:
                    versions.require_current(tx.connection, change.view, change.before)
                return [
                    _apply_view(tx, change, defined, code)
                    for change, defined in zip(proposed.changes, proposed.defined, strict=True)
                ]
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        with context.catalog.read() as connection:
            proposed = make_plan(connection, proposed.defined)
    raise AssertionError


def _apply_view(tx: Transaction, change: ViewChange, defined: Defined, code: CodeState) -> FeatureVersion:
    for source, columns in defined.sources:
        sources.save(tx, source, columns)
    view = defined.definition.view
    if change.action in {"new", "changed"}:
        version = versions.insert(tx, defined.definition, defined.metadata, code)
    else:
        versions.set_current(tx, view, change.version)
        versions.set_metadata(tx, view, defined.metadata)
        version = versions.find(tx.connection, view, change.version)
    if change.action != "unchanged":
        moved = {item.name: item.action for item in change.features if item.action != "unchanged"}
        tx.record("applied", "version", version.reference, action=change.action, features=moved)
    return version
