"""Due times in the trail of cases"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_COLUMNS = ("handle_due_ms", "verify_due_ms", "close_due_ms")


def upgrade() -> None:
    for name in _COLUMNS:  # no batch: it makes a new table, and the trail's trigger would be gone
        op.add_column("case_events", sa.Column(name, sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("case_events", name)
