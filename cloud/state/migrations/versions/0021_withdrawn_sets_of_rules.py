"""Sets of rules that were withdrawn before their moment, and by whom"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("rule_sets", sa.Column("withdrawn_ms", sa.BigInteger(), nullable=True))
    op.add_column(
        "rule_sets", sa.Column("withdrawn_by", sa.Text(), nullable=False, server_default="")
    )


def downgrade() -> None:
    op.drop_column("rule_sets", "withdrawn_by")
    op.drop_column("rule_sets", "withdrawn_ms")
