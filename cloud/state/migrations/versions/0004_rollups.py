"""Rollups of a minute, an hour and a day; the days that were sealed before are due"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "rollup_files",
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("tier", sa.String(length=8), nullable=False),
        sa.Column("period", sa.String(length=10), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("path", name=op.f("pk_rollup_files")),
    )
    op.create_table(
        "rollup_tiers",
        sa.Column("tier", sa.String(length=8), nullable=False),
        sa.Column("kept_from_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tier", name=op.f("pk_rollup_tiers")),
    )
    op.create_table(
        "rollup_due",
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_rollup_due")),
    )
    op.execute("INSERT INTO rollup_due (day) SELECT DISTINCT day FROM lake_files")


def downgrade() -> None:
    op.drop_table("rollup_due")
    op.drop_table("rollup_tiers")
    op.drop_table("rollup_files")
