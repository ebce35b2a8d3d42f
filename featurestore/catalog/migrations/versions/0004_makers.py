"""Who made each node of the graph, and from which commit; nodes of archived spines. What is known is filled in."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _code() -> tuple[Any, Any]:
    return sa.column("git_commit", sa.String()), sa.column("git_dirty", sa.Boolean())


_ASSETS = sa.table(
    "assets",
    *(sa.column(name) for name in ("id", "kind", "key", "folded", "created_at")),
    sa.column("actor"),
    *_code(),
)
_EDGES = sa.table("edges", *(sa.column(name) for name in ("upstream", "downstream", "kind", "at")))
_VIEWS = sa.table("views", sa.column("id"), sa.column("name", sa.String()))
_VERSIONS = sa.table("feature_versions", sa.column("view_id"), sa.column("number", sa.Integer()), *_code())
_SETS = sa.table("feature_sets", sa.column("id"), sa.column("name", sa.String()))
_SET_VERSIONS = sa.table(
    "feature_set_versions", sa.column("feature_set_id"), sa.column("number", sa.Integer()), *_code()
)
_MODELS = sa.table("model_versions", sa.column("model", sa.String()), sa.column("version", sa.String()), *_code())
_FRAMES = sa.table(
    "frames", *(sa.column(name) for name in ("id", "created_at", "actor")), sa.column("pins", sa.String()), *_code()
)
_CHANGES = sa.table("changes", sa.column("at"), sa.column("actor"))


def upgrade() -> None:
    """Add the columns, and fill them from what is recorded elsewhere."""
    op.add_column("assets", sa.Column("actor", sa.String(), nullable=True))
    op.add_column("assets", sa.Column("git_commit", sa.String(), nullable=True))
    op.add_column("assets", sa.Column("git_dirty", sa.Boolean(), nullable=True))
    connection = op.get_bind()
    _fill_actors(connection)
    _fill_commits(connection)
    _add_spines(connection)


def _fill_actors(connection: sa.Connection) -> None:
    """Whoever recorded a change in a transaction made the nodes of that transaction: both carry its time."""
    who = sa.select(sa.func.min(_CHANGES.c.actor)).where(_CHANGES.c.at == _ASSETS.c.created_at).scalar_subquery()
    connection.execute(sa.update(_ASSETS).values(actor=who))


def _fill_commits(connection: sa.Connection) -> None:
    number = sa.cast(_VERSIONS.c.number, sa.String())
    version = (_VIEWS.c.name + "@v" + number).label("key")
    statements = [
        (
            "version",
            sa.select(version, _VERSIONS.c.git_commit, _VERSIONS.c.git_dirty).join(
                _VIEWS, _VIEWS.c.id == _VERSIONS.c.view_id
            ),
        ),
        (
            "set",
            sa.select(
                (_SETS.c.name + "@v" + sa.cast(_SET_VERSIONS.c.number, sa.String())).label("key"),
                _SET_VERSIONS.c.git_commit,
                _SET_VERSIONS.c.git_dirty,
            ).join(_SETS, _SETS.c.id == _SET_VERSIONS.c.feature_set_id),
        ),
        (
            "model",
            sa.select(
                (_MODELS.c.model + "@" + _MODELS.c.version).label("key"), _MODELS.c.git_commit, _MODELS.c.git_dirty
            ),
        ),
        ("frame", sa.select(_FRAMES.c.id.label("key"), _FRAMES.c.git_commit, _FRAMES.c.git_dirty)),
    ]
    update = (
        sa.update(_ASSETS)
        .where(_ASSETS.c.kind == sa.bindparam("of"), _ASSETS.c.key == sa.bindparam("named"))
        .values(git_commit=sa.bindparam("made_from"), git_dirty=sa.bindparam("dirty"))
    )
    for kind, statement in statements:
        rows = [
            {"of": kind, "named": row.key, "made_from": row.git_commit, "dirty": row.git_dirty}
            for row in connection.execute(statement)
            if row.git_commit is not None
        ]
        if rows:
            connection.execute(update, rows)


def _add_spines(connection: sa.Connection) -> None:
    known: dict[str, int] = {}
    for row in connection.execute(sa.select(_FRAMES).order_by(_FRAMES.c.created_at)).all():
        pins: Any = json.loads(row.pins) if isinstance(row.pins, str) else row.pins
        spine = pins.get("spine")
        node = sa.select(_ASSETS.c.id).where(_ASSETS.c.kind == "frame", _ASSETS.c.key == row.id)
        frame = connection.execute(node).scalar()
        if spine is None or frame is None:
            continue
        digest = spine["digest"]
        if digest not in known:
            made = {"created_at": row.created_at, "actor": row.actor, "git_commit": row.git_commit}
            values = {"kind": "spine", "key": digest, "folded": digest, **made, "git_dirty": row.git_dirty}
            connection.execute(sa.insert(_ASSETS).values(values))
            found = sa.select(_ASSETS.c.id).where(_ASSETS.c.kind == "spine", _ASSETS.c.folded == digest)
            known[digest] = connection.execute(found).scalar_one()
        edge = {"upstream": known[digest], "downstream": frame, "kind": "spine of", "at": row.created_at}
        connection.execute(sa.insert(_EDGES).values(edge))
