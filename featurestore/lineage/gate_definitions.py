"""What a new definition of a view does to those who read its features as they are.

Applying moves no reader: models stay on the versions of their locks, pointers where they are. What it changes is the
version that comes next: the one that a retraining takes, and that `activate` moves readers to. So each reader's own
version of a feature is compared with the proposed one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from featurestore.catalog import versions
from featurestore.lineage.gate_readers import Reader, readers_of
from featurestore.model.definition import Definition, FeatureDefinition
from featurestore.model.effect import Effect, ProposedChange, Route, Ruling
from featurestore.model.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Connection

    from featurestore.model.policy import Policy
    from featurestore.model.version import FeatureVersion

__all__ = ["ProposedVersion", "definition_rulings", "same_feature"]


@dataclass(frozen=True, slots=True)
class ProposedVersion:
    """A version that applying makes, or makes current again.

    Attributes
    ----------
    reference
        `view@vN`.
    definition
        What it computes.
    touched
        The features that differ from the version that is current now.
    """

    reference: str
    definition: Definition
    touched: tuple[str, ...]

    @property
    def view(self) -> str:
        """The view's name."""
        return self.definition.view


def same_feature(old: Definition, new: Definition, name: str) -> bool:
    """Return whether two definitions compute one feature alike.

    Features of equal text are equal, whatever a newer parser makes of the text.
    """
    before, after = old.feature(name), new.feature(name)
    if before is None or after is None:
        return before is after
    same_text = bool(old.computation.text) and old.computation.text == new.computation.text
    compared = replace(after, identity=before.identity) if same_text else after
    return old.feature_fingerprint(before) == new.feature_fingerprint(compared)


def definition_rulings(connection: Connection, proposed: Sequence[ProposedVersion], policy: Policy) -> list[Ruling]:
    """Return what each changed feature does to whom reads it, by the policy; one that nobody reads is left away."""
    touched = [item for item in proposed if item.touched]
    if not touched:
        return []
    known = versions.of_views(connection, [item.view for item in touched])
    readers: dict[str, list[Reader]] = defaultdict(list)
    for reader in readers_of(connection, [version for each in known.values() for version in each]):
        readers[fold(reader.version)].append(reader)
    rulings = []
    for item in touched:
        grouped: dict[ProposedChange, list[tuple[Reader, FeatureVersion]]] = defaultdict(list)
        for version in known.get(fold(item.view), ()):
            for change, reader in _felt(item, version, readers[fold(version.reference)]):
                grouped[change].append((reader, version))
        rulings += [Ruling(change, _effects(change, felt, policy)) for change, felt in grouped.items()]
    return rulings


def _felt(
    proposed: ProposedVersion, version: FeatureVersion, readers: Iterable[Reader]
) -> list[tuple[ProposedChange, Reader]]:
    """Return what the readers of one version would find changed."""
    changes: Mapping[str, ProposedChange | None] = {
        name: _change(proposed, version, name) for name in proposed.touched if version.definition.feature(name)
    }
    found = []
    for reader in readers:
        for name in reader.features:
            change = changes.get(name)
            if change is not None:
                unpinned = reader.kind == "pointer" or reader.reads == "pointer"
                if unpinned and change.kind == "feature_recomputed":
                    change = replace(change, kind="feature_recomputed_unpinned")
                found.append((change, reader))
    return found


def _change(proposed: ProposedVersion, version: FeatureVersion, name: str) -> ProposedChange | None:
    """Return what a feature of a version becomes, or None if it stays the same."""
    old, new = version.definition, proposed.definition
    before, after = old.feature(name), new.feature(name)
    if before is None or (after is not None and same_feature(old, new, name)):
        return None
    subject, fingerprint = f"{proposed.view}:{name}", old.feature_fingerprint(before)
    if after is None:
        return ProposedChange("feature_removed", subject, fingerprint, "", proposed.reference)
    kind, why = _kind(old, new, before, after)
    return ProposedChange(kind, subject, fingerprint, new.feature_fingerprint(after), proposed.reference, why)


def _kind(old: Definition, new: Definition, before: FeatureDefinition, after: FeatureDefinition) -> tuple[str, str]:
    if old.keys != new.keys:
        keys = [", ".join(f"{key} {type_}" for key, type_ in each.keys) for each in (old, new)]
        return "feature_rekeyed", f"keys {keys[0]} -> {keys[1]}"
    if before.type != after.type:
        kind = "feature_widened" if before.type.widens_to(after.type) else "feature_retyped"
        return kind, f"type {before.type} -> {after.type}"
    read = [sorted({f"{source}.{column}" for source, column, how in each.reads if how == "DIRECT"})
            for each in (before, after)]  # fmt: skip
    if before.exact and after.exact and read[0] and read[1] and not set(read[0]) & set(read[1]):
        return "feature_repurposed", f"its values come from {', '.join(read[1])}, and came from {', '.join(read[0])}"
    return (
        "feature_recomputed",
        "" if before.default == after.default else f"default {before.default} -> {after.default}",
    )


def _effects(
    change: ProposedChange, felt: Sequence[tuple[Reader, FeatureVersion]], policy: Policy
) -> tuple[Effect, ...]:
    by_reader: dict[tuple[str, str, str], list[Reader]] = defaultdict(list)
    for reader, _ in felt:
        by_reader[reader.kind, reader.name, reader.reach].append(reader)
    effects = [_effect(change, readers, policy) for readers in by_reader.values()]
    return tuple(sorted(effects, key=lambda effect: (effect.reach != "live", effect.reader)))


def _effect(change: ProposedChange, readers: Sequence[Reader], policy: Policy) -> Effect:
    first = readers[0]
    severity = policy.severity_of(change.kind)
    if first.kind == "pointer" and severity == "breaking" and change.kind not in policy.severity:
        severity = "risky"  # nothing moves until `activate`, and nobody is known to rely on it
    held = ", ".join(sorted({reader.version for reader in readers}))
    breaks: tuple[str, ...] = ()
    if _cannot_follow(change.kind):
        breaks = (f"moving it to {change.version}",)
        if first.kind == "model":
            breaks = (f"retraining on {change.version}", f"moving it to {change.version}")
    feature = change.subject.partition(":")[2]
    routes = tuple(
        Route(change.subject, f"{reader.version}:{feature}", "DIRECT", exact=True, reader=reader.name,
              endpoint=reader.endpoint, reads=reader.reads)
        for reader in readers
    )  # fmt: skip
    return Effect(
        f"{first.kind}/{first.name}",
        first.owner,
        tuple(dict.fromkeys(reader.endpoint for reader in readers if reader.endpoint)),
        first.reach,
        severity,
        policy.action(severity, first.reach),
        breaks,
        f"it stays on {held}",
        routes,
    )


def _cannot_follow(kind: str) -> bool:
    """Return whether a model cannot be taken to the new version as it is."""
    return kind in {"feature_removed", "feature_retyped", "feature_rekeyed", "feature_repurposed"}
