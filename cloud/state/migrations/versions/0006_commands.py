"""Commands to gateways, and what they answered"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("gateway", sa.String(length=63), nullable=False),
        sa.Column("do", sa.String(length=16), nullable=False),
        sa.Column("what", sa.JSON(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_ms", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commands")),
    )
    op.create_index("ix_commands_state", "commands", ["state"])
    op.create_index("ix_commands_gateway_created_ms", "commands", ["gateway", "created_ms"])
    op.create_table(
        "command_parts",
        sa.Column("command", sa.String(length=32), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("done", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["command"], ["commands.id"], name=op.f("fk_command_parts_command")
        ),
        sa.PrimaryKeyConstraint("command", "part", name=op.f("pk_command_parts")),
    )


def downgrade() -> None:
    op.drop_table("command_parts")
    op.drop_index("ix_commands_gateway_created_ms", "commands")
    op.drop_index("ix_commands_state", "commands")
    op.drop_table("commands")
