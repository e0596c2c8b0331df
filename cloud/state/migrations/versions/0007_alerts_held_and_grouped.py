"""Holds, floods, and what alerts are assigned to, grouped by and reminded at"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

NEW_COLUMNS: tuple[sa.Column[Any], ...] = (
    sa.Column("assignee", sa.Text(), nullable=False, server_default=""),
    sa.Column("area", sa.Text(), nullable=False, server_default=""),
    sa.Column("desk", sa.Text(), nullable=False, server_default=""),
    sa.Column("group_id", sa.String(length=32), nullable=False, server_default=""),
    sa.Column("flood", sa.BigInteger(), nullable=True),
    sa.Column("first_out", sa.Boolean(), nullable=False, server_default=sa.text("false")),
    sa.Column("held_by", sa.String(length=32), nullable=False, server_default=""),
    sa.Column("told_ms", sa.BigInteger(), nullable=False, server_default="0"),
    sa.Column("reminder_s", sa.Float(), nullable=False, server_default="0"),
    sa.Column("realarm_s", sa.Float(), nullable=False, server_default="0"),
    sa.Column("next_ms", sa.BigInteger(), nullable=True),
)
NOT_ENDED = sa.text("ended_ms IS NULL")
DUE = sa.text("next_ms IS NOT NULL")


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("alert", sa.String(length=32), nullable=False),
        sa.Column("rule", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("tag", sa.String(length=63), nullable=False),
        sa.Column("tag_value", sa.Text(), nullable=False),
        sa.Column("silence_only", sa.Boolean(), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_ms", sa.BigInteger(), nullable=False),
        sa.Column("begun", sa.Boolean(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    op.create_index(
        "ix_holds_open", "holds", ["from_ms"], sqlite_where=NOT_ENDED, postgresql_where=NOT_ENDED
    )
    op.create_table(
        "floods",
        sa.Column("id", _id(), nullable=False),
        sa.Column("desk", sa.Text(), nullable=False),
        sa.Column("began_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_ms", sa.BigInteger(), nullable=True),
        sa.Column("first_alert", sa.String(length=32), nullable=False),
        sa.Column("alerts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_floods")),
    )
    op.create_index(
        "uq_floods_open",
        "floods",
        ["desk"],
        unique=True,
        sqlite_where=NOT_ENDED,
        postgresql_where=NOT_ENDED,
    )
    for column in NEW_COLUMNS:
        op.add_column("alerts", column)
    op.create_index("ix_alerts_group_id", "alerts", ["group_id"])
    op.create_index("ix_alerts_flood", "alerts", ["flood"])
    op.create_index(
        "ix_alerts_next_ms", "alerts", ["next_ms"], sqlite_where=DUE, postgresql_where=DUE
    )
    op.create_index("ix_alert_events_recorded_ms", "alert_events", ["recorded_ms"])


def downgrade() -> None:
    op.drop_index("ix_alert_events_recorded_ms", "alert_events")
    for index in ("ix_alerts_next_ms", "ix_alerts_flood", "ix_alerts_group_id"):
        op.drop_index(index, "alerts")
    for column in reversed(NEW_COLUMNS):
        op.drop_column("alerts", column.name)
    op.drop_table("floods")
    op.drop_table("holds")
