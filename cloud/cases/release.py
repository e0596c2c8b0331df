"""What waits at the gate becomes cases: when its time has come, or when a person says so."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.alerts import Alert
from cloud.cases import waiting
from cloud.cases.ledger import Ledger
from cloud.cases.outbox import device_of
from cloud.core.case_roles import Actor
from cloud.core.gate import Decision, GatePolicy
from cloud.core.gate import decide as decide_at_gate
from cloud.ports import CaseSystem
from cloud.state.database import Database, retrying

PER_CALL = 20


@retrying
def release(database: Database, case_system: CaseSystem, policy: GatePolicy, now_ms: int) -> int:
    """Let in what has waited long enough; return how many became cases. Call it again and again.

    Raises: StorageError.
    """
    with database.read() as connection:
        if not waiting.due(connection, 1):
            return 0
    released = 0
    with database.write() as connection:
        for each in waiting.due(connection, PER_CALL):
            decision = _decision(connection, each.alert, now_ms, policy)
            if waiting.ready(connection, each, decision, now_ms, policy):
                _let_in(connection, case_system, each.alert, decision, now_ms)
                released += 1
    return released


def confirm(
    connection: sa.Connection,
    alert: str,
    actor: Actor,
    *,
    opens: bool,
    note: str,
    now_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy,
) -> str:
    """Decide on an alert that waits; return its case, or "" if it was refused.

    Raises: as waiting.decide().
    """
    found = waiting.decide(connection, alert, actor, opens=opens, note=note, now_ms=now_ms)
    if not opens:
        return ""
    decision = _decision(connection, found, now_ms, policy)
    return _let_in(connection, Ledger(zone, policy), found, decision, now_ms)


def _decision(connection: sa.Connection, alert: Alert, now_ms: int, policy: GatePolicy) -> Decision:
    device = device_of(connection, alert.device)
    return decide_at_gate(alert.severity, alert.category, device, now_ms, policy)


def _let_in(
    connection: sa.Connection,
    case_system: CaseSystem,
    alert: Alert,
    decision: Decision,
    now_ms: int,
) -> str:
    case = case_system.raised(connection, alert, decision, now_ms)
    if alert.returned_ms is not None:
        case_system.returned(connection, alert.id, now_ms)
    return case
