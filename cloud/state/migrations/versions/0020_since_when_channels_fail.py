"""Since when a channel of notifications has been failing"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("notify_channels") as table:
        table.add_column(sa.Column("failing_ms", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("notify_channels") as table:
        table.drop_column("failing_ms")
