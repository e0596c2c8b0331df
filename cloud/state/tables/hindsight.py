"""What the rule engine found, event by event, and what late readings have yet to change of it."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
)

from cloud.state.tables.base import Id, metadata

# Every event of a rule on a series, as the readings that have come make it; alerts are made of it.
conditions = Table(
    "conditions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(63), nullable=False),
    Column("series", Integer, ForeignKey("series.id"), nullable=False),
    Column("observed_ms", BigInteger, nullable=False),
    Column("alert", String(32), nullable=False),  # "" where none was open
    Column("data", LargeBinary, nullable=False),  # msgpack of a cloud.core.model.ConditionEvent
    Index("ix_conditions_series_observed_ms", "series", "observed_ms"),
    Index("ix_conditions_alert", "alert"),
)

# Devices with readings that came too late to be evaluated when they came.
hindsight = Table(
    "hindsight",
    metadata,
    Column("device", String(63), primary_key=True),
    Column("from_ms", BigInteger, nullable=False),  # the earliest of them
    Column("queued_ms", BigInteger, nullable=False),
)
