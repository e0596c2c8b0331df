"""Cases, their trail, and the alerts that are evidence in them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    text,
)

from cloud.state.tables.base import Id, metadata

cases = Table(
    "cases",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("asset", Text, nullable=False),  # the device's id where no asset code is known
    Column("category", String(8), nullable=False),  # GB/T 30428, "03-02"
    Column("title", Text, nullable=False),  # in Chinese
    Column("title_en", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("device", String(63), ForeignKey("devices.id"), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # cloud.core.case_steps.State
    Column("unit", Text, nullable=False),  # responsible unit 责任单位
    Column("sensor_normal_ms", BigInteger),  # proposes verification; never closes
    Column("opened_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),
    Column("closed_ms", BigInteger),
    Column("version", Integer, nullable=False),
    Index(
        "uq_cases_open",
        "asset",
        "category",
        unique=True,
        sqlite_where=text("state NOT IN ('closed', 'void')"),
        postgresql_where=text("state NOT IN ('closed', 'void')"),
    ),
    Index("ix_cases_opened_ms", "opened_ms"),
)

case_events = Table(
    "case_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("step", String(32), nullable=False),  # cloud.core.case_steps.Step
    Column("from_state", String(16), nullable=False),
    Column("to_state", String(16), nullable=False),
    Column("by", Text, nullable=False),  # "" for the product itself
    Column("note", Text, nullable=False),
)

case_alerts = Table(
    "case_alerts",
    metadata,
    Column("case", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("alert", String(32), ForeignKey("alerts.id"), primary_key=True, index=True),
    Column("attached_ms", BigInteger, nullable=False),
)
