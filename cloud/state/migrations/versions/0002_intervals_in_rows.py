"""Batch numbers as rows, so that a commit writes what came and not all that ever came"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_EPOCHS = sa.table(
    "epochs", sa.column("gateway"), sa.column("epoch"), sa.column("intervals", sa.JSON())
)


def upgrade() -> None:
    intervals = op.create_table(
        "epoch_intervals",
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("gateway", "epoch", "first_seq", name=op.f("pk_epoch_intervals")),
    )
    for row in op.get_bind().execute(sa.select(_EPOCHS)).all():
        if row.intervals:
            op.bulk_insert(
                intervals,
                [
                    {"gateway": row.gateway, "epoch": row.epoch, "first_seq": a, "last_seq": b}
                    for a, b in row.intervals
                ],
            )
    with op.batch_alter_table("epochs", schema=None) as batch_op:
        batch_op.drop_column("intervals")


def downgrade() -> None:
    with op.batch_alter_table("epochs", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("intervals", sa.JSON(), server_default=sa.text("'[]'"), nullable=False)
        )
    intervals = sa.table(
        "epoch_intervals",
        *map(sa.column, ("gateway", "epoch", "first_seq", "last_seq")),
    )
    kept: dict[tuple[str, str], list[list[int]]] = {}
    for row in op.get_bind().execute(sa.select(intervals).order_by(intervals.c.first_seq)):
        kept.setdefault((row.gateway, row.epoch), []).append([row.first_seq, row.last_seq])
    for (gateway, epoch), told in kept.items():
        op.execute(
            _EPOCHS.update()
            .where(_EPOCHS.c.gateway == gateway, _EPOCHS.c.epoch == epoch)
            .values(intervals=told)
        )
    op.drop_table("epoch_intervals")
