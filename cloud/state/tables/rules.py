"""Which rules were in force from when on, and what each version of a rule says."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from cloud.state.tables.base import Id, metadata

# Whole sets, one after the other. Of those of one moment the last that was made counts.
rule_sets = Table(
    "rule_sets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("fingerprint", String(64), nullable=False),  # of all that the rules say
    Column("files", String(64), nullable=False),  # that of the files alone, as they were then
    Column("made_ms", BigInteger, nullable=False),
    Column("effective_ms", BigInteger, nullable=False),
    Column("taken_ms", BigInteger),  # when intake began to evaluate with it
    Column("origin", String(16), nullable=False),  # cloud.rule_sets.Origin
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("applied", JSON, nullable=False),  # ids of rules that are not as the files say
    Column("data", LargeBinary, nullable=False),  # the rules, JSON in zstd
    Column("withdrawn_ms", BigInteger),  # before its moment
    Column("withdrawn_by", Text, nullable=False, server_default=""),
    Index("ix_rule_sets_effective_ms", "effective_ms", "id"),
)

# What a version says, for as long as an alert may name it.
rule_versions = Table(
    "rule_versions",
    metadata,
    Column("rule", String(63), nullable=False),
    Column("version", String(63), nullable=False),
    Column("first_set", BigInteger, nullable=False),  # rule_sets.id
    Column("first_ms", BigInteger, nullable=False),
    Column("content", Text, nullable=False),  # the rule, JSON
    PrimaryKeyConstraint("rule", "version"),
)
