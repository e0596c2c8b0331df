"""Who is told of alerts: messages, attempts at them, channels, and what is remembered meanwhile."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

# How far histories have been read: row 1 of alerts, row 2 of cases. Independent of the outbox that
# cases come from.
notify_cursor = Table(
    "notify_cursor",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("event", BigInteger, nullable=False),  # alert_events.id, case_events.id
)

# One message to one person by one way. Bounded in days and rows.
notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # idempotency key, sent with it
    Column("message", String(64), nullable=False, index=True),  # the same by every way of a person
    Column("what", String(16), nullable=False),  # cloud.core.telling.What
    Column("alert", String(32), nullable=False, index=True),  # "" for what is about none
    Column("case", String(32), nullable=False, server_default=""),  # cases.id, of its due time
    Column("person", String(63), nullable=False),
    Column("channel", String(63), nullable=False),
    Column("address", Text, nullable=False),  # "" where the channel knows
    Column("language", String(8), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("why", JSON, nullable=False),  # cloud.core.telling.Why
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("short", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("next_ms", BigInteger, nullable=False),  # not before
    Column("hold", String(8), nullable=False),  # why it waits for a digest: quiet, flood, group
    Column("state", String(16), nullable=False),  # cloud.notify.rows.Fate
    Column("digest", BigInteger),  # notifications.id that told it
    Column("attempts", Integer, nullable=False),
    Column("done_ms", BigInteger),
    Column("followed", Boolean, nullable=False),  # another way or person was told instead
    Column("error", Text, nullable=False),
    Index(
        "ix_notifications_waiting",
        "channel",
        "next_ms",
        sqlite_where=text("state = 'waiting'"),
        postgresql_where=text("state = 'waiting'"),
    ),
    Index("ix_notifications_person_created_ms", "person", "created_ms"),
    Index("ix_notifications_state", "state"),
)

notify_attempts = Table(
    "notify_attempts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("notification", BigInteger, ForeignKey("notifications.id"), nullable=False, index=True),
    Column("channel", String(63), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("took_ms", Integer, nullable=False),
    Column("error", Text, nullable=False),  # "" for one that succeeded
)

notify_channels = Table(
    "notify_channels",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("failures", Integer, nullable=False),  # in a row
    Column("failing_ms", BigInteger),  # the first of those failures; null: it does not fail
    Column("ok_ms", BigInteger),
    Column("failed_ms", BigInteger),
    Column("error", Text, nullable=False),
    Column("dead_ms", BigInteger),  # null: it lives
    Column("next_ms", BigInteger, nullable=False),  # a dead one is tried no sooner
    Column("told_dead", Boolean, nullable=False),  # its alert says so
)

# cloud.core.telling.Story of each alert that somebody must still be told of.
notify_stories = Table(
    "notify_stories",
    metadata,
    Column("alert", String(32), primary_key=True),
    Column("raised_ms", BigInteger),
    Column("step", Integer, nullable=False),
    Column("told", JSON, nullable=False),  # names of people
    Column("next_ms", BigInteger, index=True),  # when the next step of escalation is due
)

notify_floods = Table(
    "notify_floods",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person", String(63), nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("digest_ms", BigInteger, nullable=False),  # when the next digest is due
    Column("messages", Integer, nullable=False),  # that came in it
    Index(
        "uq_notify_floods_open",
        "person",
        unique=True,
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
)
