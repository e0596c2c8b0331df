"""Open311 as we serve it: keys, what was filed, what was said afterwards"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "open311_keys",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_open311_keys")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_open311_keys_key_sha256")),
    )
    op.create_table(
        "service_requests",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("address_id", sa.Text(), nullable=False),
        sa.Column("attributes", sa.JSON(), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_service_requests_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_requests")),
    )
    op.create_index("ix_service_requests_case", "service_requests", ["case"])
    told = sa.text("reference <> ''")
    op.create_index(
        "uq_service_requests_reference",
        "service_requests",
        ["key", "reference"],
        unique=True,
        sqlite_where=told,
        postgresql_where=told,
    )
    op.create_table(
        "service_updates",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("case", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=63), nullable=False),
        sa.Column("update", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["case"], ["cases.id"], name=op.f("fk_service_updates_case")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_updates")),
    )
    op.create_index("ix_service_updates_case", "service_updates", ["case"])
    op.create_index("uq_service_updates_update", "service_updates", ["key", "update"], unique=True)


def downgrade() -> None:
    op.drop_table("service_updates")
    op.drop_table("service_requests")
    op.drop_table("open311_keys")
