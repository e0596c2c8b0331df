"""Commands to gateways, and what was answered."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from cloud.state.tables.base import metadata

# Written by whoever asks; signed, sent and answered by intake's commander (cloud/commander.py).
commands = Table(
    "commands",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("gateway", String(63), nullable=False),
    Column("do", String(16), nullable=False),
    Column("what", JSON, nullable=False),  # contract.commands.What
    Column("by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # cloud.core.commanding.State
    Column("reason", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_commands_state", "state"),
    Index("ix_commands_gateway_created_ms", "gateway", "created_ms"),
)

# What a gateway answered, in parts where it is long.
command_parts = Table(
    "command_parts",
    metadata,
    Column("command", String(32), ForeignKey("commands.id"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("done", JSON, nullable=False),  # contract.commands.Done
)
