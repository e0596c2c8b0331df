"""Files for platforms, with their receipts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_uploads",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=63), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("to_ms", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("receipt", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_uploads")),
        sa.UniqueConstraint("name", name=op.f("uq_case_uploads_name")),
    )
    op.create_index(
        "ix_case_uploads_system_number", "case_uploads", ["system", "number"], unique=True
    )
    op.create_index(
        "ix_case_deliveries_line",
        "case_deliveries",
        ["system", "id"],
        sqlite_where=sa.text("done_ms IS NULL"),
        postgresql_where=sa.text("done_ms IS NULL"),
    )
    _unfinished("done_ms IS NULL")  # SQLite sees no other one to be of use for what is asked


def downgrade() -> None:
    op.drop_index("ix_case_deliveries_line", "case_deliveries")
    _unfinished("state IN ('waiting', 'dead')")
    op.drop_index("ix_case_uploads_system_number", "case_uploads")
    op.drop_table("case_uploads")


def _unfinished(where: str) -> None:
    op.drop_index("ix_case_deliveries_unfinished", "case_deliveries")
    op.create_index(
        "ix_case_deliveries_unfinished",
        "case_deliveries",
        ["system", "case", "id"],
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
