"""Cases, their trail, and the alerts that are evidence in them."""

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
    Column("device", String(63), ForeignKey("devices.id")),  # null: a person told it
    Column("severity", String(16), nullable=False),
    Column("state", String(16), nullable=False),  # cloud.core.case_steps.State
    Column("unit", Text, nullable=False),  # responsible unit 责任单位
    Column("sensor_normal_ms", BigInteger),  # proposes verification; never closes
    Column("opened_ms", BigInteger, nullable=False),
    # The next of the due times below that is not met; null while it is deferred.
    Column("due_ms", BigInteger),
    Column("secure_due_ms", BigInteger),  # the place made safe; null where that is no matter
    Column("handle_due_ms", BigInteger),
    Column("verify_due_ms", BigInteger),  # set when it is handled
    Column("close_due_ms", BigInteger),
    Column("by_clock", Boolean, nullable=False, server_default=text("true")),  # else working time
    Column("secured_ms", BigInteger),
    Column("deferred_ms", BigInteger),  # since when it waits
    Column("resume_ms", BigInteger),  # when it goes on by itself
    Column("warned_due_ms", BigInteger),  # the due time that people were warned of
    Column("overdue_due_ms", BigInteger),  # the due time that was missed and told
    Column("closed_ms", BigInteger),
    Column("version", Integer, nullable=False),
    Column("source", String(16), nullable=False, server_default="alert"),  # or how a person told it
    Column("cell", String(63), nullable=False, server_default=""),  # of the area grid
    Column("occurrences", Integer, nullable=False, server_default="1"),  # of the matter, of late
    Column("singled_ms", BigInteger),  # since when it stands out as recurring
    Column("merged_into", String(32)),
    Column("satisfaction", Integer),  # 1 to 5, given at closure
    Column("latitude", Float),
    Column("longitude", Float),
    Column("address", Text, nullable=False, server_default=""),
    Column("description", Text, nullable=False, server_default=""),
    Column("tags", JSON, nullable=False, server_default="{}"),  # of a person's report
    Index(
        "uq_cases_open",
        "asset",
        "category",
        unique=True,
        sqlite_where=text("state NOT IN ('closed', 'refused', 'void', 'merged')"),
        postgresql_where=text("state NOT IN ('closed', 'refused', 'void', 'merged')"),
    ),
    Index("ix_cases_opened_ms", "opened_ms"),
    Index("ix_cases_state_due_ms", "state", "due_ms"),
    Index("ix_cases_asset_category", "asset", "category"),
)

# The trail: written once, never changed or deleted; a trigger in the database refuses it.
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
    Column("about", String(32), nullable=False, server_default=""),  # the step asked for
    Column("unit", Text, nullable=False, server_default=""),  # responsible when it happened
    Column("due_ms", BigInteger),  # the due time that the step met or missed
    # The due times as they stand after it; null before it is opened, and in lines of before 0019.
    Column("handle_due_ms", BigInteger),
    Column("verify_due_ms", BigInteger),
    Column("close_due_ms", BigInteger),
)

# 回退, 作废, 延期, 缓办: asked for by one, decided by another. At most one of a case waits.
case_requests = Table(
    "case_requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("step", String(32), nullable=False),
    Column("by", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("until_ms", BigInteger),
    Column("decided_ms", BigInteger),
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("approved", Boolean),
    Index(
        "uq_case_requests_waiting",
        "case",
        unique=True,
        sqlite_where=text("decided_ms IS NULL"),
        postgresql_where=text("decided_ms IS NULL"),
    ),
)

# 联合处置: what several units do in one case, each by its own due time.
case_tasks = Table(
    "case_tasks",
    metadata,
    Column("id", Id, primary_key=True),
    Column("case", String(32), ForeignKey("cases.id"), nullable=False, index=True),
    Column("unit", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger),
    Column("overdue_ms", BigInteger),
    Column("done_ms", BigInteger),
    Column("done_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
)

# Alerts at the gate: what waits for a person's confirmation, or for the flood to pass.
case_waiting = Table(
    "case_waiting",
    metadata,
    Column("alert", String(32), ForeignKey("alerts.id"), primary_key=True),
    Column("why", String(16), nullable=False),  # "confirm", "duration", "flood"
    Column("since_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),  # "waiting", "passed", "refused"
    Column("decided_ms", BigInteger),
    Column("decided_by", Text, nullable=False, server_default=""),
    Column("note", Text, nullable=False, server_default=""),
    Index("ix_case_waiting_state", "state", "since_ms"),
)

case_alerts = Table(
    "case_alerts",
    metadata,
    Column("case", String(32), ForeignKey("cases.id"), primary_key=True),
    Column("alert", String(32), ForeignKey("alerts.id"), primary_key=True, index=True),
    Column("attached_ms", BigInteger, nullable=False),
)
