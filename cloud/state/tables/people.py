"""Accounts, sessions, and the audit of what people did."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    Text,
    text,
)

from cloud.state.tables.base import Id, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("role", String(16), nullable=False),  # viewer, operator, manager, admin
    Column("language", String(8), nullable=False, server_default="zh"),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("created_ms", BigInteger, nullable=False),
    # cloud.core.case_roles.CaseRole, with commas; "": those that come with the role
    Column("case_roles", Text, nullable=False, server_default=""),
    Column("unit", Text, nullable=False, server_default=""),  # the handling unit it belongs to
)

# Sessions of the console (cookie) and tokens of the API (bearer), hashed.
sessions = Table(
    "sessions",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("account", String(63), ForeignKey("accounts.name"), nullable=False, index=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("label", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("action", String(63), nullable=False),
    Column("subject", Text, nullable=False),
    Column("note", Text, nullable=False),
    # The same again, within a day, is counted and not written down anew.
    Column("times", BigInteger, nullable=False, server_default="1"),
    Column("last_ms", BigInteger),  # the last time; null: once
    Index("ix_audit_subject_action", "subject", "action"),
)
