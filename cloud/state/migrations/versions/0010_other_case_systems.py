"""What other case systems are told, and what they say back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "case_systems",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("polled_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_case_systems")),
    )
    op.create_table(
        "case_deliveries",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("system", sa.String(length=63), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_attempt_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("done_ms", sa.BigInteger()),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("by", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_deliveries_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_deliveries")),
    )
    op.create_index("uq_case_deliveries_event", "case_deliveries", ["system", "event"], unique=True)
    unfinished = sa.text("state IN ('waiting', 'dead')")
    op.create_index(
        "ix_case_deliveries_unfinished",
        "case_deliveries",
        ["system", "case", "id"],
        sqlite_where=unfinished,
        postgresql_where=unfinished,
    )
    op.create_table(
        "case_links",
        sa.Column("system", sa.String(length=63), nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("remote", sa.Text(), server_default="", nullable=False),
        sa.Column("token", sa.Text(), server_default="", nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("given_up", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.String(length=16), server_default="", nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("updated_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_case_links_case")),
        sa.PrimaryKeyConstraint("system", "case", name=op.f("pk_case_links")),
    )
    op.create_index("ix_case_links_remote", "case_links", ["system", "remote"])
    op.create_table(
        "case_callbacks",
        sa.Column("system", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=200), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("system", "id", name=op.f("pk_case_callbacks")),
    )


def downgrade() -> None:
    op.drop_table("case_callbacks")
    op.drop_index("ix_case_links_remote", "case_links")
    op.drop_table("case_links")
    op.drop_index("ix_case_deliveries_unfinished", "case_deliveries")
    op.drop_index("uq_case_deliveries_event", "case_deliveries")
    op.drop_table("case_deliveries")
    op.drop_table("case_systems")
