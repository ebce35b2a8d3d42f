"""Profiles: what the rows of snapshots, runs, sources and training frames look like."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make their table."""
    op.create_table(
        "profiles",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("rows_digest", sa.String(length=32), nullable=True),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profiles")),
        sa.UniqueConstraint("kind", "name", "identity", name=op.f("uq_profiles_kind_name_identity")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_profiles_name_rows_digest"), "profiles", ["name", "rows_digest"], unique=False)
