"""Who sends: gateways, what has come of them, and devices that wait to be adopted."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from cloud.state.tables.base import Id, metadata

gateways = Table(
    "gateways",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("online", Boolean, nullable=False),
    Column("state_ms", BigInteger, nullable=False),  # when it last said so
    Column("born_ms", BigInteger),
    Column("agent_version", Text, nullable=False, server_default=""),
    Column("config_version", Text, nullable=False, server_default=""),
    Column("health", JSON, nullable=False),
    Column("problems", JSON, nullable=False),
)

# One row per buffer file of a gateway; bounded per gateway (cloud/state/retention.py).
epochs = Table(
    "epochs",
    metadata,
    Column("gateway", String(63), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("readings", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

# Which batch numbers have been committed, from first to last: design.md §3. Disjoint within an
# epoch; a commit writes only the rows that it changed.
epoch_intervals = Table(
    "epoch_intervals",
    metadata,
    Column("gateway", String(63), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", Id, primary_key=True),
    Column("gateway", String(63), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("gateway", String(63), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # "" until a birth names it
    Column("profile", Text, nullable=False),
    Column("period_s", Float),
    Column("name", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("address", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
)

# Which period a device was born with, since when: completeness counts by it. Bounded per device.
device_periods = Table(
    "device_periods",
    metadata,
    Column("id", Id, primary_key=True),
    Column("device", String(63), nullable=False, index=True),
    Column("from_ms", BigInteger, nullable=False),
    Column("period_s", Float),
    Column("measurements", JSON, nullable=False),  # the names its birth said it would send
)

# When gateways came and went. Bounded per gateway.
gateway_states = Table(
    "gateway_states",
    metadata,
    Column("id", Id, primary_key=True),
    Column("gateway", String(63), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
)

# Readings that came long after they were observed, by the UTC hour of that.
late_readings = Table(
    "late_readings",
    metadata,
    Column("device", String(63), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("readings", BigInteger, nullable=False),
)

# Devices that nobody has adopted yet, or that were refused: docs/decisions/0007.
inbox = Table(
    "inbox",
    metadata,
    Column("device", String(63), primary_key=True),
    Column("sender", String(63), primary_key=True),  # the gateway; "" where it spoke for itself
    Column("state", String(16), nullable=False),  # cloud.core.waiting.State
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),  # that wait now
    Column("dropped", BigInteger, nullable=False),  # that there was no room for, or too old
    Column("measurements", JSON, nullable=False),
    Column("told", JSON),  # contract.messages.DeviceBirth: by its gateway, or by who adopts it
    Column("decided_ms", BigInteger),
    Column("decided_by", Text, nullable=False),
)

inbox_readings = Table(
    "inbox_readings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("device", String(63), nullable=False),
    Column("sender", String(63), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # msgpack of contract.readings.Reading, zstd
    Index("ix_inbox_readings_device_sender", "device", "sender"),
)
