"""What is known of foreign nodes, and which events of other systems were imported."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make their tables."""
    op.create_table(
        "foreign_facts",
        sa.Column("asset_id", sa.Integer(), nullable=False),
        sa.Column("current_facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_foreign_facts_asset_id")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_foreign_facts")),
    )
    op.create_table(
        "imports",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_imports")),
    )
