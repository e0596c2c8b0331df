"""What other case systems are told of cases, and what they say back."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from cloud.state.tables.base import Id, metadata

# Up to which event of the cases' trails everything has been written to case_deliveries.
case_systems = Table(
    "case_systems",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("event", BigInteger, nullable=False),
    Column("polled_ms", BigInteger, nullable=False, server_default="0"),
)

# One row per step and system. Order is kept per (system, case).
case_deliveries = Table(
    "case_deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("system", String(63), nullable=False),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False),
    Column("event", BigInteger, nullable=False),  # case_events.id
    Column("message", Text, nullable=False),  # cloud.core.case_message.Message in JSON
    Column("state", String(16), nullable=False),  # cloud.cases.deliveries.State
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger, nullable=False, server_default="0"),
    Column("created_ms", BigInteger, nullable=False),
    Column("done_ms", BigInteger),
    Column("error", Text, nullable=False, server_default=""),
    Column("by", Text, nullable=False, server_default=""),  # who gave it up, or had it tried again
    Index("uq_case_deliveries_event", "system", "event", unique=True),
    Index(
        "ix_case_deliveries_line",
        "system",
        "id",
        sqlite_where=text("done_ms IS NULL"),
        postgresql_where=text("done_ms IS NULL"),
    ),
    Index(
        "ix_case_deliveries_unfinished",
        "system",
        "case",
        "id",
        sqlite_where=text("done_ms IS NULL"),
        postgresql_where=text("done_ms IS NULL"),
    ),
)

# What a case is called elsewhere, and how it stands there.
case_links = Table(
    "case_links",
    metadata,
    Column("system", String(63), primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("remote", Text, nullable=False, server_default=""),
    Column("token", Text, nullable=False, server_default=""),
    Column("since_ms", BigInteger, nullable=False),
    Column("given_up", Text, nullable=False, server_default=""),  # why it is not told there at all
    Column("status", String(16), nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Column("updated_ms", BigInteger, nullable=False, server_default="0"),
    Index("ix_case_links_remote", "system", "remote"),
)

# Callbacks that were taken, so that none is taken twice.
case_callbacks = Table(
    "case_callbacks",
    metadata,
    Column("system", String(63), primary_key=True),
    Column("id", String(200), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
)


# --- Open311, as we serve it -------------------------------------------------------------------

# Who may file requests; of a key only the hash is kept.
open311_keys = Table(
    "open311_keys",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("key_sha256", String(64), nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
)

# What was filed. reference: the sender's own number; the same again is the same request.
service_requests = Table(
    "service_requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("key", String(63), nullable=False),  # the key's name
    Column("reference", Text, nullable=False),
    Column("address_id", Text, nullable=False),
    Column("attributes", JSON, nullable=False),
    Column("fields", JSON, nullable=False),  # who told it, and how they may be reached
    Column("at_ms", BigInteger, nullable=False),
    Index(
        "uq_service_requests_reference",
        "key",
        "reference",
        unique=True,
        sqlite_where=text("reference <> ''"),
        postgresql_where=text("reference <> ''"),
    ),
)

# What senders say of their requests afterwards (servicerequestupdates).
service_updates = Table(
    "service_updates",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("key", String(63), nullable=False),
    Column("update", Text, nullable=False),  # the sender's own number of it
    Column("status", String(8), nullable=False),
    Column("description", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("uq_service_updates_update", "key", "update", unique=True),
)

# Files for platforms. The body stays for cases.delivered_days, as what was said must be provable.
case_uploads = Table(
    "case_uploads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("system", String(63), nullable=False),
    Column("number", Integer, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("from_ms", BigInteger, nullable=False),
    Column("to_ms", BigInteger, nullable=False),
    Column("records", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),  # cloud.cases.uploads.State
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_attempt_ms", BigInteger, nullable=False, server_default="0"),
    Column("error", Text, nullable=False, server_default=""),
    Column("receipt", Text, nullable=False, server_default=""),
    Index("ix_case_uploads_system_number", "system", "number", unique=True),
)
