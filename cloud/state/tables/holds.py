"""What keeps alerts from being raised, and when there were too many of them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Text, text

from cloud.state.tables.base import Id, metadata

# Shelving, maintenance, out of service, suppression by design: cloud.core.holds.Hold.
holds = Table(
    "holds",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),  # cloud.core.holds.HoldKind
    Column("alert", String(32), nullable=False),  # "" in these is any
    Column("rule", String(63), nullable=False),
    Column("device", String(63), nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("tag", String(63), nullable=False),
    Column("tag_value", Text, nullable=False),
    Column("silence_only", Boolean, nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("until_ms", BigInteger),  # null: until somebody ends it
    Column("reason", Text, nullable=False),
    Column("made_by", Text, nullable=False),  # "" for the product itself
    Column("made_ms", BigInteger, nullable=False),
    Column("begun", Boolean, nullable=False),  # its alerts have been told
    Column("ended_ms", BigInteger),
    Column("ended_by", Text, nullable=False),
    Index(
        "ix_holds_open",
        "from_ms",
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
)

floods = Table(
    "floods",
    metadata,
    Column("id", Id, primary_key=True),
    Column(
        "desk", Text, nullable=False
    ),  # the value of alerts.desk_tag; "" where there is one desk
    Column("began_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger),
    Column("first_alert", String(32), nullable=False),  # first-out
    Column("alerts", Integer, nullable=False),  # that belong to it
    Index(
        "uq_floods_open",
        "desk",
        unique=True,
        sqlite_where=text("ended_ms IS NULL"),
        postgresql_where=text("ended_ms IS NULL"),
    ),
)
