"""Every table of the state database. Migrations in migrations/ make them; a test holds both equal.

Times are UTC milliseconds (BigInteger, *_ms). Readings are not here but in `blocks`, in columns,
until the sealer moves them to the series store. The tables are in cloud/state/tables/.
"""

from __future__ import annotations

from cloud.state.tables.alerts import alert_events, alerts, engine_snapshot, outbox
from cloud.state.tables.base import metadata
from cloud.state.tables.case_files import case_chain, case_files, case_heads
from cloud.state.tables.cases import (
    case_alerts,
    case_events,
    case_requests,
    case_tasks,
    case_waiting,
    cases,
)
from cloud.state.tables.commands import command_parts, commands
from cloud.state.tables.exchange import (
    case_callbacks,
    case_deliveries,
    case_links,
    case_systems,
    case_uploads,
    open311_keys,
    service_requests,
    service_updates,
)
from cloud.state.tables.hindsight import conditions, hindsight
from cloud.state.tables.holds import floods, holds
from cloud.state.tables.notify import (
    notifications,
    notify_attempts,
    notify_channels,
    notify_cursor,
    notify_floods,
    notify_stories,
)
from cloud.state.tables.people import accounts, audit, sessions
from cloud.state.tables.rules import rule_sets, rule_versions
from cloud.state.tables.sending import (
    device_periods,
    devices,
    epoch_intervals,
    epochs,
    gaps,
    gateway_states,
    gateways,
    inbox,
    inbox_readings,
    late_readings,
)
from cloud.state.tables.series import (
    blocks,
    counters,
    lake_files,
    lake_holes,
    latest_snapshot,
    quarantine,
    rollup_due,
    rollup_files,
    rollup_tiers,
    seals,
    series,
)

__all__ = [
    "accounts",
    "alert_events",
    "alerts",
    "audit",
    "blocks",
    "case_alerts",
    "case_callbacks",
    "case_chain",
    "case_deliveries",
    "case_events",
    "case_files",
    "case_heads",
    "case_links",
    "case_requests",
    "case_systems",
    "case_tasks",
    "case_uploads",
    "case_waiting",
    "cases",
    "command_parts",
    "commands",
    "conditions",
    "counters",
    "device_periods",
    "devices",
    "engine_snapshot",
    "epoch_intervals",
    "epochs",
    "floods",
    "gaps",
    "gateway_states",
    "gateways",
    "hindsight",
    "holds",
    "inbox",
    "inbox_readings",
    "lake_files",
    "lake_holes",
    "late_readings",
    "latest_snapshot",
    "metadata",
    "notifications",
    "notify_attempts",
    "notify_channels",
    "notify_cursor",
    "notify_floods",
    "notify_stories",
    "open311_keys",
    "outbox",
    "quarantine",
    "rollup_due",
    "rollup_files",
    "rollup_tiers",
    "rule_sets",
    "rule_versions",
    "seals",
    "series",
    "service_requests",
    "service_updates",
    "sessions",
]
