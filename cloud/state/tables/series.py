"""What is measured: series, the hot log of blocks, and what the series stores keep count of."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from cloud.state.tables.base import Id, metadata

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("device", String(63), ForeignKey("devices.id"), nullable=False),
    Column("measurement", String(97), nullable=False),
    UniqueConstraint("device", "measurement"),
)

# The hot log: one row a commit, readings in columns (cloud/series/hot.py). The sealer deletes it.
blocks = Table(
    "blocks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("committed_ms", BigInteger, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
    sqlite_autoincrement=True,  # an id is never given twice: snapshots and tails count on it
)

# How far the sealer has come: blocks up to the highest last_block are read from the cold store.
# They stay in `blocks` for a while all the same, for repairs; a row goes when its blocks do.
seals = Table(
    "seals",
    metadata,
    Column("last_block", BigInteger, primary_key=True, autoincrement=False),
    Column("first_block", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("sealed_ms", BigInteger, nullable=False),
)

# The newest reading of every series as of a block (cloud/series/latest.py): one row, id 1.
latest_snapshot = Table(
    "latest_snapshot",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

# What is sealed. A file that is not in here is not there: a crash leaves only strays.
lake_files = Table(
    "lake_files",
    metadata,
    Column("path", Text, primary_key=True),  # relative to the lake's folder
    Column("day", String(10), nullable=False, index=True),
    Column("readings", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("first_block", BigInteger, nullable=False, server_default="0"),
    Column("last_block", BigInteger, nullable=False),
    Column("sealed_ms", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False, server_default="0"),  # told again within it
    Column("measurements", JSON, nullable=False, server_default="[]"),  # the names in it
)

# Rollups (cloud/series/rollups.py). A file that is not in here is not there, as with the lake's.
rollup_files = Table(
    "rollup_files",
    metadata,
    Column("path", Text, primary_key=True),  # relative to the rollups' folder
    Column("tier", String(8), nullable=False),  # cloud.core.rollup.Tier
    Column("period", String(10), nullable=False),
    Column("level", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)

# From when on a tier is whole: what is older was deleted as its retention says.
rollup_tiers = Table(
    "rollup_tiers",
    metadata,
    Column("tier", String(8), primary_key=True),
    Column("kept_from_ms", BigInteger, nullable=False),
)

# UTC days that must be rolled up anew from their readings; nobody reads their rollups till then.
rollup_due = Table("rollup_due", metadata, Column("day", String(10), primary_key=True))

# Readings that were sealed and are gone: a damaged file that no block could repair.
lake_holes = Table(
    "lake_holes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("path", Text, nullable=False),
    Column("day", String(10), nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("found_ms", BigInteger, nullable=False),
)

# What could not be taken, sampled and bounded; the counts are in `counters`.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True),
    Column("received_ms", BigInteger, nullable=False),
    Column("gateway", String(63), nullable=False),
    Column("topic", Text, nullable=False),
    Column("record", Integer),  # its place in the batch; null for a whole message
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("sample", LargeBinary, nullable=False),  # the message's first bytes
)

# Totals that must survive a restart, counted in the transaction they count.
counters = Table(
    "counters",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
