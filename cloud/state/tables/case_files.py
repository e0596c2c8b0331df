"""What people add to cases, and the chain that seals a case's evidence."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text

from cloud.state.tables.base import Id, metadata

# The content is not here but in the data folder, under files/, by its SHA-256.
case_files = Table(
    "case_files",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("type", String(32), nullable=False),  # cloud.core.file_types.FileType
    Column("size", BigInteger, nullable=False),  # bytes
    Column("sha256", String(64), nullable=False),
    Column("by", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Index("ix_case_files_sha256", "sha256"),
)

# cloud/core/chain.py. Written once, as the trail: a trigger refuses to change or delete a row.
case_chain = Table(
    "case_chain",
    metadata,
    Column("case", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("kind", String(8), nullable=False),  # cloud.core.chain.Kind
    Column("ref", String(32), nullable=False),  # the row that it seals
    Column("seal", String(64), nullable=False),
)

case_heads = Table(
    "case_heads",
    metadata,
    Column("case", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("entries", Integer, nullable=False),
    Column("seal", String(64), nullable=False),
)
