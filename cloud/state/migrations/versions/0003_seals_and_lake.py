"""The sealer's cursor, the latest readings, and what the lake's files hold"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seals",
        sa.Column("last_block", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("first_block", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("sealed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("last_block", name=op.f("pk_seals")),
    )
    op.create_table(
        "latest_snapshot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_latest_snapshot")),
    )
    op.create_table(
        "lake_holes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("found_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lake_holes")),
    )
    with op.batch_alter_table("lake_files", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("first_block", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(
            sa.Column("duplicates", sa.BigInteger(), nullable=False, server_default="0")
        )
        batch_op.add_column(
            sa.Column("measurements", sa.JSON(), nullable=False, server_default="[]")
        )


def downgrade() -> None:
    with op.batch_alter_table("lake_files", schema=None) as batch_op:
        batch_op.drop_column("measurements")
        batch_op.drop_column("duplicates")
        batch_op.drop_column("first_block")
    op.drop_table("lake_holes")
    op.drop_table("latest_snapshot")
    op.drop_table("seals")
