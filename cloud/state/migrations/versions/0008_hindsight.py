"""What the rule engine found, and what late readings have yet to change of it"""

from __future__ import annotations

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_ALERT = (
    "id",
    "rule",
    "rule_version",
    "device",
    "series",
    "severity",
    "began_ms",
    "due_ms",
    "observed_ms",
    "first_value",
    "limit_value",
    "returned_ms",
)


def upgrade() -> None:
    op.create_table(
        "conditions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("rule", sa.String(length=63), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("observed_ms", sa.BigInteger(), nullable=False),
        sa.Column("alert", sa.String(length=32), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series"], ["series.id"], name=op.f("fk_conditions_series")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conditions")),
    )
    op.create_index("ix_conditions_series_observed_ms", "conditions", ["series", "observed_ms"])
    op.create_index("ix_conditions_alert", "conditions", ["alert"])
    op.create_table(
        "hindsight",
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("from_ms", sa.BigInteger(), nullable=False),
        sa.Column("queued_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("device", name=op.f("pk_hindsight")),
    )
    op.add_column(
        "alerts",
        sa.Column("historical", sa.Boolean(), nullable=False, server_default=sa.false()),
    )
    op.add_column("alerts", sa.Column("refuted_ms", sa.BigInteger(), nullable=True))
    _record_alerts()


def downgrade() -> None:
    op.drop_column("alerts", "refuted_ms")
    op.drop_column("alerts", "historical")
    op.drop_table("hindsight")
    op.drop_index("ix_conditions_alert", "conditions")
    op.drop_index("ix_conditions_series_observed_ms", "conditions")
    op.drop_table("conditions")


def _record_alerts() -> None:
    """Record what is known of the conditions that alerts were raised for so far."""
    connection = op.get_bind()
    alerts = sa.table("alerts", *(sa.column(name) for name in _ALERT))
    rows = connection.execute(sa.select(alerts).order_by(alerts.c.began_ms)).all()
    conditions = sa.table(
        "conditions",
        *(sa.column(name) for name in ("rule", "series", "observed_ms", "alert", "data")),
    )
    for row in rows:
        began = {
            "rule": row.rule,
            "rule_version": row.rule_version,
            "device": row.device,
            "series": row.series,
            "severity": row.severity,
            "began_ms": row.began_ms,
            "due_ms": row.due_ms,
            "observed_ms": row.observed_ms,
            "value": row.first_value,
            "limit": row.limit_value,
        }
        events = [("_Began", began)]
        if row.returned_ms is not None:
            at_ms = max(row.returned_ms, row.observed_ms)
            ended = {
                "rule": row.rule,
                "device": row.device,
                "series": row.series,
                "ended_ms": row.returned_ms,
                "observed_ms": at_ms,
                "value": float("nan"),
            }
            events.append(("_Ended", ended))
        for kind, event in events:
            connection.execute(
                conditions.insert().values(
                    rule=row.rule,
                    series=row.series,
                    observed_ms=event["observed_ms"],
                    alert=row.id,
                    data=msgspec.msgpack.encode([kind, event]),
                )
            )
