"""Alerts, their history, and the outbox of what must still be told."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    false,
    text,
)

from cloud.state.tables.base import Id, metadata

# The rule engine's memory up to and including a block; blocks after it are replayed at start.
engine_snapshot = Table(
    "engine_snapshot",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("block", BigInteger, nullable=False),
    Column("rules", String(64), nullable=False),  # fingerprint of the rules it was made under
    Column("data", LargeBinary, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("rule", String(63), nullable=False),
    Column("rule_version", String(63), nullable=False),
    Column("rule_source", Text, nullable=False),
    Column("rule_source_zh", Text, nullable=False, server_default=""),
    Column("title", Text, nullable=False),  # the rule's, in Chinese, as it stood then
    Column("title_en", Text, nullable=False),
    Column("category", String(8), nullable=False),  # GB/T 30428; "" makes no case
    Column("device", String(63), ForeignKey("devices.id"), nullable=False),
    Column("series", Integer, ForeignKey("series.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("measurement", String(97), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("state", String(8), nullable=False),  # cloud.core.isa_18_2.State
    Column("limit_value", Float, nullable=False),
    Column("first_value", Float, nullable=False),
    Column("began_ms", BigInteger, nullable=False),  # first reading beyond the limit
    Column("due_ms", BigInteger, nullable=False),  # began_ms plus the on-delay
    Column("observed_ms", BigInteger, nullable=False),  # the reading that fulfilled the delay
    Column("recorded_ms", BigInteger, nullable=False),  # when the commit made it known
    Column("returned_ms", BigInteger),  # last back to normal
    Column("acknowledged_ms", BigInteger),
    Column("acknowledged_by", Text),
    Column("ended_ms", BigInteger),  # NORM
    # Found in late readings after it was over; nobody was told.
    Column("historical", Boolean, nullable=False, server_default=false()),
    Column("refuted_ms", BigInteger),  # when late readings showed that it never was
    Column("version", Integer, nullable=False),
    Column("assignee", Text, nullable=False, server_default=""),
    Column("area", Text, nullable=False, server_default=""),  # "tag=value" that it rolls up by
    Column("desk", Text, nullable=False, server_default=""),  # whose flood it counts in
    Column("group_id", String(32), nullable=False, server_default=""),  # its group's first alert
    Column("flood", BigInteger),  # floods.id
    Column("first_out", Boolean, nullable=False, server_default=text("false")),
    Column("held_by", String(32), nullable=False, server_default=""),  # holds.id
    Column("told_ms", BigInteger, nullable=False, server_default="0"),  # last raised or reminded
    Column("reminder_s", Float, nullable=False, server_default="0"),  # the rule's, as it stood then
    Column("realarm_s", Float, nullable=False, server_default="0"),
    Column("next_ms", BigInteger),  # when a reminder or a re-alarm is due
    # One occurrence at a time of a rule on a series, however many messages arrive at once.
    Index(
        "uq_alerts_open",
        "rule",
        "series",
        unique=True,
        sqlite_where=text("state <> 'NORM'"),
        postgresql_where=text("state <> 'NORM'"),
    ),
    Index("ix_alerts_began_ms", "began_ms"),
    Index("ix_alerts_device", "device"),
    Index("ix_alerts_group_id", "group_id"),
    Index("ix_alerts_flood", "flood"),
    Index(
        "ix_alerts_next_ms",
        "next_ms",
        sqlite_where=text("next_ms IS NOT NULL"),
        postgresql_where=text("next_ms IS NOT NULL"),
    ),
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert", String(32), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),  # event time
    Column("recorded_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),  # cloud.alert_rows: Event or Remark
    Column("from_state", String(8), nullable=False),
    Column("to_state", String(8), nullable=False),
    Column("by", Text, nullable=False),  # "" for the engine
    Column("note", Text, nullable=False),
    Column("value", Float),
    Index("ix_alert_events_recorded_ms", "recorded_ms"),
)

# What must still be told, written in the transaction that made it true.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("topic", String(32), nullable=False),  # "alert.raised" …: cloud/alert_topics.py
    Column("key", String(63), nullable=False),  # order is kept per key
    Column("payload", JSON, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Index(
        "ix_outbox_waiting",
        "id",
        sqlite_where=text("done_ms IS NULL"),
        postgresql_where=text("done_ms IS NULL"),
    ),
)
