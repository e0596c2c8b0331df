"""The built-in case system: one open case per asset and category, and its trail.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud import alert_rows
from cloud.alerts import Alert
from cloud.cases import matters
from cloud.cases.lists import Wanted, page
from cloud.cases.rows import (
    Case,
    CaseDetail,
    CaseEvent,
    CasePage,
    attach_evidence,
    case_of,
    change,
    columns_of,
    event_of,
    find_open,
    insert_case,
    is_evidence,
    load,
    next_id,
    trace,
    waiting_request,
)
from cloud.cases.steps import LONGEST_NOTE, POLICY, Given, take
from cloud.core.case_dues import fresh
from cloud.core.case_roles import Actor, roles_of
from cloud.core.case_steps import OPEN_STATES, REPORTED, State, Step
from cloud.core.gate import Decision, GatePolicy
from cloud.core.model import Role
from cloud.state import schema

__all__ = [
    "LONGEST_NOTE",
    "Case",
    "CaseDetail",
    "CaseEvent",
    "CasePage",
    "Ledger",
    "count_cases",
    "get_case",
    "list_cases",
    "open_or_attach",
    "sensor_normal",
    "step",
]

_TRIES = 5  # losing a race this often in a row means it is no race


class Ledger:
    """The ledger as a CaseSystem (cloud/ports.py). zone: whose date stands in a case's number."""

    def __init__(self, zone: ZoneInfo, policy: GatePolicy = POLICY) -> None:
        self._zone = zone
        self._policy = policy

    def raised(
        self, connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int
    ) -> str:
        return open_or_attach(connection, alert, decision, at_ms, self._zone, self._policy)

    def returned(self, connection: sa.Connection, alert: str, at_ms: int) -> None:
        sensor_normal(connection, alert, at_ms)


# --- what alerts do ----------------------------------------------------------------------------


def open_or_attach(
    connection: sa.Connection,
    alert: Alert,
    decision: Decision,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy = POLICY,
) -> str:
    """Open a case for an alert, attach it to the one that is open, or reopen the one just closed.

    Return the case's id. Doing it again for the same alert and case changes nothing.
    """
    for _ in range(_TRIES):
        case = find_open(connection, decision.asset, decision.category)
        if case is not None:
            _attach(connection, case, alert, decision, at_ms, policy)
            return case.id
        try:
            with connection.begin_nested():
                return _open(connection, alert, decision, at_ms, zone, policy)
        except IntegrityError as error:  # another writer opened it first: look again
            lost = error
    raise lost


def sensor_normal(connection: sa.Connection, alert_id: str, at_ms: int) -> None:
    """Note in an alert's open cases that all their sensors are back to normal.

    It proposes verification to people; a case is never closed by it.
    """
    attached, alerts = schema.case_alerts, schema.alerts
    mine = sa.select(attached.c.case).where(attached.c.alert == alert_id)
    query = (
        sa.select(schema.cases)
        .where(
            schema.cases.c.id.in_(mine),
            schema.cases.c.state.in_([state.value for state in OPEN_STATES]),
            schema.cases.c.sensor_normal_ms.is_(None),
        )
        .order_by(schema.cases.c.id)
    )
    for case in [case_of(row) for row in connection.execute(query.with_for_update())]:
        beyond = (
            sa.select(sa.func.count())
            .select_from(attached.join(alerts, alerts.c.id == attached.c.alert))
            .where(attached.c.case == case.id, alerts.c.returned_ms.is_(None))
        )
        if connection.scalar(beyond) == 0:
            change(connection, case, sensor_normal_ms=at_ms)
            trace(connection, case, Step.SENSOR_NORMAL, case.state, at_ms, note=alert_id)


def _open(
    connection: sa.Connection,
    alert: Alert,
    decision: Decision,
    at_ms: int,
    zone: ZoneInfo,
    policy: GatePolicy,
) -> str:
    closed = matters.lately_closed(connection, decision, at_ms, policy)
    if closed is not None:
        matters.reopen(connection, closed, alert, decision, at_ms)
        matters.count_occurrence(connection, closed.id, at_ms, policy)
        return closed.id
    dues = fresh(decision.dues)
    case = Case(
        id=next_id(connection, at_ms, zone),
        asset=decision.asset,
        category=decision.category,
        title=alert.title,
        title_en=alert.title_en,
        kind=alert.kind,
        device=alert.device,
        severity=alert.severity,
        state=State.OPENED,
        unit=decision.unit,
        cell=decision.cell,
        sensor_normal_ms=None,
        opened_ms=at_ms,
        due_ms=dues.next(State.OPENED),
        secure_due_ms=dues.secure_due_ms,
        handle_due_ms=dues.handle_due_ms,
        close_due_ms=dues.close_due_ms,
        by_clock=dues.by_clock,
        closed_ms=None,
        version=1,
    )
    insert_case(connection, case)
    attach_evidence(connection, case.id, alert.id, at_ms)
    trace(connection, case, Step.OPEN, State.OPENED, at_ms, note=alert.id, due_ms=case.due_ms)
    _mention_report(connection, case, at_ms)
    matters.count_occurrence(connection, case.id, at_ms, policy)
    return case.id


def _mention_report(connection: sa.Connection, case: Case, at_ms: int) -> None:
    """Say in a new case's trail that somebody has reported the same, for a person to merge."""
    table = schema.cases
    told = sa.select(table.c.id).where(
        table.c.asset == f"{REPORTED}{case.asset}",
        table.c.category == case.category,
        table.c.state == State.REPORTED.value,
    )
    report = connection.scalar(told.limit(1))
    if report is not None:
        trace(connection, case, Step.ATTACH, case.state, at_ms, note=f"report: {report}")


def _attach(
    connection: sa.Connection,
    case: Case,
    alert: Alert,
    decision: Decision,
    at_ms: int,
    policy: GatePolicy,
) -> None:
    """Add an alert to an open case, which takes the worse severity and the earlier due time."""
    if not is_evidence(connection, case.id, alert.id):
        attach_evidence(connection, case.id, alert.id, at_ms)
        worse = alert.severity if alert.severity.at_least(case.severity) else case.severity
        dues = case.dues.hurried(fresh(decision.dues))
        columns = columns_of(dues, case.state)
        change(connection, case, severity=worse.value, **columns)
        trace(connection, case, Step.ATTACH, case.state, at_ms, note=alert.id, dues=dues)
    if case.sensor_normal_ms is not None and alert.returned_ms is None:
        change(connection, case, sensor_normal_ms=None)
        trace(connection, case, Step.SENSOR_ABNORMAL, case.state, at_ms, note=alert.id)
        matters.count_occurrence(connection, case.id, at_ms, policy)


# --- what people do ----------------------------------------------------------------------------


def step(
    connection: sa.Connection,
    case_id: str,
    step: Step | str,
    by: str,
    role: Role | str,
    version: int,
    note: str,
    at_ms: int,
) -> Case:
    """Take a step as an account of a role, with a note and nothing else. Raises: as take()."""
    actor = Actor(name=by, roles=roles_of(Role(role)))
    return take(connection, case_id, step, actor, version, Given(note=note), at_ms)


# --- what people see ---------------------------------------------------------------------------


def list_cases(
    connection: sa.Connection,
    *,
    states: Collection[State] = (),
    kind: str = "",
    device: str = "",
    unit: str = "",
    since_ms: int | None = None,
    cursor: str = "",
    limit: int = 50,
) -> CasePage:
    """Return cases, newest first. states: none means every state. limit: 1 to 500."""
    wanted = Wanted(states=tuple(states), kind=kind, device=device, unit=unit, since_ms=since_ms)
    return page(connection, wanted, 0, cursor=cursor, limit=limit)


def get_case(connection: sa.Connection, case_id: str) -> CaseDetail:
    """Return a case with its trail, its alerts and what waits. Raises: NotFoundError."""
    case = load(connection, case_id)
    events, attached, alerts = schema.case_events, schema.case_alerts, schema.alerts
    trail = sa.select(events).where(events.c.case == case_id).order_by(events.c.id)
    evidence = (
        sa.select(alerts)
        .join(attached, attached.c.alert == alerts.c.id)
        .where(attached.c.case == case_id)
        .order_by(alerts.c.id)
    )
    return CaseDetail(
        case=case,
        trail=[event_of(row) for row in connection.execute(trail)],
        alerts=[alert_rows.alert_of(row) for row in connection.execute(evidence)],
        request=waiting_request(connection, case_id),
    )


def count_cases(connection: sa.Connection) -> dict[tuple[str, State], int]:
    """Return how many cases there are of each kind in each state."""
    table = schema.cases
    query = sa.select(table.c.kind, table.c.state, sa.func.count().label("n"))
    rows = connection.execute(query.group_by(table.c.kind, table.c.state))
    return {(row.kind, State(row.state)): row.n for row in rows}
