"""The catalog's tables.

Rows are added, never altered, but for a few current facts named `current_*`, `retired`, `until`, `dropped_at` and
`withdrawn_at`, what is said of views and sources, and the Iceberg snapshot of what leaves quarantine.
Times are microseconds since 1970 UTC in 64-bit integers: exact, and the same in every database.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
)

from featurestore.model.times import from_micros, to_micros

__all__ = ["begins", "metadata"]


class Moment(TypeDecorator[datetime]):
    """A UTC-aware datetime, kept as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:  # noqa: ANN401, ARG002
        """Return what is stored."""
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Any) -> datetime | None:  # noqa: ANN401, ARG002
        """Return what was meant."""
        return None if value is None else from_micros(value)


def begins(column: Column[str], text: str) -> ColumnElement[bool]:
    """Return the condition that a column of digits begins with a text, as a range of its index."""
    start = text.lower()
    return and_(column >= start, column < start + "\U0010ffff")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", Integer, primary_key=True, autoincrement=True)


def _at(name: str = "at") -> Column[datetime]:
    return Column(name, Moment, nullable=False)


def _reference(column: str, target: str, *, nullable: bool = False, type_: Any = Integer) -> Column[Any]:  # noqa: ANN401
    return Column(column, type_, ForeignKey(target), nullable=nullable)


def _code() -> tuple[Column[str], Column[bool]]:
    return Column("git_commit", String), Column("git_dirty", Boolean)


# --- the store itself, where its catalog is not in its folder

store = Table("store", metadata, Column("id", String(32), primary_key=True), _at("created_at"))

# --- the graph: every thing is an asset, every dependency an edge; neither is ever altered

assets = Table(
    "assets",
    metadata,
    _id(),
    Column("kind", String, nullable=False),
    Column("key", String, nullable=False),
    Column("folded", String, nullable=False),
    _at("created_at"),
    Column("actor", String),
    *_code(),
    UniqueConstraint("kind", "folded"),
    Index(None, "folded"),
    sqlite_autoincrement=True,
)

edges = Table(
    "edges",
    metadata,
    _reference("upstream", "assets.id"),
    _reference("downstream", "assets.id"),
    Column("kind", String, nullable=False),
    _at(),
    UniqueConstraint("upstream", "downstream", "kind"),
    Index(None, "downstream", "upstream"),
)

column_edges = Table(
    "column_edges",
    metadata,
    _reference("upstream", "assets.id"),
    _reference("downstream", "assets.id"),
    Column("kind", String, nullable=False),
    _at(),
    UniqueConstraint("upstream", "downstream", "kind"),
    Index(None, "downstream", "upstream"),
)

# --- other systems: what they last said of their jobs and tables, and what was imported from them

foreign_facts = Table(
    "foreign_facts",
    metadata,
    Column("asset_id", Integer, ForeignKey("assets.id"), primary_key=True, autoincrement=False),
    Column("current_facts", JSON, nullable=False),
)

imports = Table(
    "imports",
    metadata,
    Column("digest", String(64), primary_key=True),
    _at(),
)

# --- definitions

sources = Table(
    "sources",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
    Column("kind", String, nullable=False),
    Column("location", JSON, nullable=False),
    Column("owner", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("columns", JSON, nullable=False),
)

views = Table(
    "views",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
    Column("current_version", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("on_violation", String),
)

feature_versions = Table(
    "feature_versions",
    metadata,
    _id(),
    _reference("view_id", "views.id"),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("definition", JSON, nullable=False),
    Column("author", String, nullable=False),
    _at("created_at"),
    *_code(),
    Column("retired", Text),
    Column("replacement", String),
    UniqueConstraint("view_id", "number"),
    UniqueConstraint("view_id", "fingerprint"),
)

feature_sets = Table(
    "feature_sets",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
    Column("current_version", Integer, nullable=False),
    Column("owner", String, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
)

feature_set_versions = Table(
    "feature_set_versions",
    metadata,
    _id(),
    _reference("feature_set_id", "feature_sets.id"),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("features", JSON, nullable=False),
    Column("author", String, nullable=False),
    _at("created_at"),
    *_code(),
    UniqueConstraint("feature_set_id", "number"),
    UniqueConstraint("feature_set_id", "fingerprint"),
)

# --- what is promised of rows at a boundary

contracts = Table(
    "contracts",
    metadata,
    _id(),
    Column("subject", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
    Column("current_version", Integer, nullable=False),
)

contract_versions = Table(
    "contract_versions",
    metadata,
    _id(),
    _reference("contract_id", "contracts.id"),
    Column("number", Integer, nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("content", JSON, nullable=False),
    Column("changes", JSON, nullable=False),
    Column("author", String, nullable=False),
    _at("created_at"),
    *_code(),
    UniqueConstraint("contract_id", "number"),
    UniqueConstraint("contract_id", "fingerprint"),
)

# --- rows at rest

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", String(32), primary_key=True),
    _reference("version_id", "feature_versions.id"),
    Column("rows", BigInteger, nullable=False),
    Column("runs", JSON, nullable=False),
    Column("schema", JSON, nullable=False),
    Column("iceberg_snapshot_id", String),
    _at("created_at"),
)

heads = Table(
    "heads",
    metadata,
    _id(),
    _reference("version_id", "feature_versions.id"),
    _reference("snapshot_id", "snapshots.id", type_=String(32)),
    _at(),
    Index(None, "version_id", "id"),
    sqlite_autoincrement=True,
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    _reference("snapshot_id", "snapshots.id", type_=String(32)),
    _reference("version_id", "feature_versions.id"),
    _reference("head_id", "heads.id", nullable=True),
    Column("contracts", JSON, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("actor", String, nullable=False),
    _at(),
    Index(None, "snapshot_id", "id"),
    Index(None, "version_id"),
    sqlite_autoincrement=True,
)

releases = Table(
    "releases",
    metadata,
    Column("quarantine_id", Integer, ForeignKey("quarantine.id"), primary_key=True, autoincrement=False),
    Column("action", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("became", String(32), ForeignKey("snapshots.id")),
    Column("actor", String, nullable=False),
    _at(),
)

profiles = Table(
    "profiles",
    metadata,
    _id(),
    Column("kind", String, nullable=False),
    Column("name", String, nullable=False),
    Column("identity", String, nullable=False),
    Column("rows_digest", String(32)),
    Column("rows", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    _at(),
    UniqueConstraint("kind", "name", "identity"),
    Index(None, "name", "rows_digest"),
    sqlite_autoincrement=True,
)

frames = Table(
    "frames",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("pins", JSON, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    *_code(),
    _at("created_at"),
)

pins = Table(
    "pins",
    metadata,
    _reference("frame_id", "frames.id", type_=String(32)),
    _reference("version_id", "feature_versions.id"),
    _reference("snapshot_id", "snapshots.id", type_=String(32)),
    UniqueConstraint("frame_id", "version_id", "snapshot_id"),
    Index(None, "snapshot_id"),
)

# --- models and where they are live

model_versions = Table(
    "model_versions",
    metadata,
    _id(),
    Column("model", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
    Column("version", String, nullable=False),
    _reference("frame_id", "frames.id", type_=String(32)),
    Column("lock", JSON, nullable=False),
    Column("owner", String, nullable=False),
    Column("uri", String),
    Column("metrics", JSON, nullable=False),
    Column("actor", String, nullable=False),
    *_code(),
    _at("created_at"),
)

endpoints = Table(
    "endpoints",
    metadata,
    _id(),
    Column("name", String, nullable=False),
    Column("folded", String, nullable=False, unique=True),
)

deployments = Table(
    "deployments",
    metadata,
    _id(),
    _reference("endpoint_id", "endpoints.id"),
    _reference("model_version_id", "model_versions.id"),
    Column("share", Float),
    Column("actor", String, nullable=False),
    _at(),
    Column("until", Moment),
    Index(None, "endpoint_id"),
    Index(None, "model_version_id"),
    sqlite_autoincrement=True,
)

# --- rows and pointers that are live

generations = Table(
    "generations",
    metadata,
    _id(),
    Column("name", String, nullable=False, unique=True),
    _reference("version_id", "feature_versions.id"),
    _reference("snapshot_id", "snapshots.id", type_=String(32)),
    Column("as_of", BigInteger),
    Column("rows", BigInteger, nullable=False),
    Column("held", Boolean, nullable=False),
    _at(),
    Column("dropped_at", Moment),
    Index(None, "version_id", "id"),
    sqlite_autoincrement=True,
)

activations = Table(
    "activations",
    metadata,
    _id(),
    _reference("view_id", "views.id"),
    Column("feature", String),
    _reference("endpoint_id", "endpoints.id", nullable=True),
    _reference("deployment_id", "deployments.id", nullable=True),
    _reference("version_id", "feature_versions.id"),
    Column("action", String, nullable=False),
    Column("below", Integer),
    Column("reason", Text, nullable=False),
    Column("actor", String, nullable=False),
    _at(),
    Index(None, "view_id", "endpoint_id", "id"),
    sqlite_autoincrement=True,
)

# --- who accepted what a change does, until when

acknowledgements = Table(
    "acknowledgements",
    metadata,
    _id(),
    Column("fingerprint", String(64), nullable=False),
    Column("change_digest", String(64), nullable=False),
    Column("change", JSON, nullable=False),
    Column("reached", JSON, nullable=False),
    Column("reason", Text, nullable=False),
    Column("actor", String, nullable=False),
    _at(),
    _at("until"),
    Column("withdrawn_at", Moment),
    Index(None, "change_digest"),
    Index(None, "fingerprint"),
    sqlite_autoincrement=True,
)

# --- what happened, in the order of commits

changes = Table(
    "changes",
    metadata,
    _id(),
    _at(),
    Column("kind", String, nullable=False),
    Column("asset_kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    Index(None, "at"),
    Index(None, "asset_kind", "subject"),
    sqlite_autoincrement=True,
)
