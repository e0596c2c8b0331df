"""Every table of the state database. Migrations in migrations/ make them; a test holds both equal.

Times are UTC milliseconds (BigInteger, *_ms). Readings are not here but in `blocks`, in columns,
until the sealer moves them to the series store.
"""

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
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for INTEGER; PostgreSQL needs 64 bits.
_Id = BigInteger().with_variant(Integer(), "sqlite")

# --- who sends ---------------------------------------------------------------------------------

gateways = Table(
    "gateways",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("online", Boolean, nullable=False),
    Column("state_ms", BigInteger, nullable=False),  # when it last said so
    Column("born_ms", BigInteger),
    Column("agent_version", Text, nullable=False, server_default=""),
    Column("config_version", Text, nullable=False, server_default=""),
    Column("health", JSON, nullable=False),
    Column("problems", JSON, nullable=False),
)

# One row per buffer file of a gateway; bounded per gateway (cloud/state/retention.py).
epochs = Table(
    "epochs",
    metadata,
    Column("gateway", String(63), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("readings", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
)

# Which batch numbers have been committed, from first to last: design.md §3. Disjoint within an
# epoch; a commit writes only the rows that it changed.
epoch_intervals = Table(
    "epoch_intervals",
    metadata,
    Column("gateway", String(63), primary_key=True),
    Column("epoch", String(32), primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)

gaps = Table(
    "gaps",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("gateway", String(63), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("recorded_ms", BigInteger, nullable=False),
)

devices = Table(
    "devices",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("gateway", String(63), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # "" until a birth names it
    Column("profile", Text, nullable=False),
    Column("period_s", Float),
    Column("name", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("address", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("first_seen_ms", BigInteger, nullable=False),
)

# Which period a device was born with, since when: completeness counts by it. Bounded per device.
device_periods = Table(
    "device_periods",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("device", String(63), nullable=False, index=True),
    Column("from_ms", BigInteger, nullable=False),
    Column("period_s", Float),
    Column("measurements", JSON, nullable=False),  # the names its birth said it would send
)

# When gateways came and went. Bounded per gateway.
gateway_states = Table(
    "gateway_states",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("gateway", String(63), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
)

# Readings that came long after they were observed, by the UTC hour of that.
late_readings = Table(
    "late_readings",
    metadata,
    Column("device", String(63), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("readings", BigInteger, nullable=False),
)

# Devices that nobody has adopted yet, or that were refused: docs/decisions/0007.
inbox = Table(
    "inbox",
    metadata,
    Column("device", String(63), primary_key=True),
    Column("sender", String(63), primary_key=True),  # the gateway; "" where it spoke for itself
    Column("state", String(16), nullable=False),  # cloud.core.waiting.State
    Column("first_ms", BigInteger, nullable=False),
    Column("last_ms", BigInteger, nullable=False),
    Column("readings", BigInteger, nullable=False),  # that wait now
    Column("dropped", BigInteger, nullable=False),  # that there was no room for, or too old
    Column("measurements", JSON, nullable=False),
    Column("told", JSON),  # contract.messages.DeviceBirth: by its gateway, or by who adopts it
    Column("decided_ms", BigInteger),
    Column("decided_by", Text, nullable=False),
)

inbox_readings = Table(
    "inbox_readings",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("device", String(63), nullable=False),
    Column("sender", String(63), nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),  # msgpack of contract.readings.Reading, zstd
    Index("ix_inbox_readings_device_sender", "device", "sender"),
)

# --- what is measured --------------------------------------------------------------------------

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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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

# --- alerts ------------------------------------------------------------------------------------

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
    Column("version", Integer, nullable=False),
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
)

alert_events = Table(
    "alert_events",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("alert", String(32), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),  # event time
    Column("recorded_ms", BigInteger, nullable=False),
    Column("event", String(32), nullable=False),  # cloud.core.isa_18_2.Event
    Column("from_state", String(8), nullable=False),
    Column("to_state", String(8), nullable=False),
    Column("by", Text, nullable=False),  # "" for the engine
    Column("note", Text, nullable=False),
    Column("value", Float),
)

# What must still be told, written in the transaction that made it true.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("topic", String(32), nullable=False),  # "alert.raised", "alert.returned"
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

# --- cases -------------------------------------------------------------------------------------

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
    Column("id", _Id, primary_key=True),
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

# --- commands to gateways ----------------------------------------------------------------------

# Written by whoever asks; signed, sent and answered by intake's commander (cloud/commander.py).
commands = Table(
    "commands",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("gateway", String(63), nullable=False),
    Column("do", String(16), nullable=False),
    Column("what", JSON, nullable=False),  # contract.commands.What
    Column("by", Text, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # cloud.core.commanding.State
    Column("reason", Text, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Index("ix_commands_state", "state"),
    Index("ix_commands_gateway_created_ms", "gateway", "created_ms"),
)

# What a gateway answered, in parts where it is long.
command_parts = Table(
    "command_parts",
    metadata,
    Column("command", String(32), ForeignKey("commands.id"), primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("done", JSON, nullable=False),  # contract.commands.Done
)

# --- people ------------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    Column("name", String(63), primary_key=True),
    Column("password_hash", Text, nullable=False),  # argon2id
    Column("role", String(16), nullable=False),  # viewer, operator, manager, admin
    Column("language", String(8), nullable=False, server_default="zh"),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("created_ms", BigInteger, nullable=False),
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
    Column("id", _Id, primary_key=True),
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
