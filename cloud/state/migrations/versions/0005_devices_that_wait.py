"""Devices that wait for somebody, how complete their data is, and an audit that counts"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _id() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "device_periods",
        sa.Column("id", _id(), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("period_s", sa.Float(), nullable=True),
        sa.Column("measurements", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_periods")),
    )
    op.create_index(op.f("ix_device_periods_device"), "device_periods", ["device"])
    op.create_table(
        "gateway_states",
        sa.Column("id", _id(), nullable=False),
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway_states")),
    )
    op.create_index(op.f("ix_gateway_states_gateway"), "gateway_states", ["gateway"])
    op.create_table(
        "late_readings",
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("hour_ms", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", "hour_ms", name=op.f("pk_late_readings")),
    )
    op.create_table(
        "inbox",
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.BigInteger(), nullable=False),
        sa.Column("dropped", sa.BigInteger(), nullable=False),
        sa.Column("measurements", sa.JSON(), nullable=False),
        sa.Column("told", sa.JSON(), nullable=True),
        sa.Column("decided_ms", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("device", "sender", name=op.f("pk_inbox")),
    )
    op.create_table(
        "inbox_readings",
        sa.Column("id", _id(), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.String(length=63), nullable=False),
        sa.Column("received_ms", sa.BigInteger(), nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox_readings")),
    )
    op.create_index("ix_inbox_readings_device_sender", "inbox_readings", ["device", "sender"])
    with op.batch_alter_table("audit") as audit:
        audit.add_column(sa.Column("times", sa.BigInteger(), nullable=False, server_default="1"))
        audit.add_column(sa.Column("last_ms", sa.BigInteger(), nullable=True))
        audit.create_index("ix_audit_subject_action", ["subject", "action"])


def downgrade() -> None:
    with op.batch_alter_table("audit") as audit:
        audit.drop_index("ix_audit_subject_action")
        audit.drop_column("last_ms")
        audit.drop_column("times")
    op.drop_table("inbox_readings")
    op.drop_table("inbox")
    op.drop_table("late_readings")
    op.drop_table("gateway_states")
    op.drop_table("device_periods")
