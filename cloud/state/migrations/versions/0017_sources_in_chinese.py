"""Where an alert's limit is from, in Chinese too"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "alerts", sa.Column("rule_source_zh", sa.Text(), server_default="", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("alerts", "rule_source_zh")
