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
from cloud.cases.rows import (
    Case,
    CaseDetail,
    CaseEvent,
    CasePage,
    attach_evidence,
    case_of,
    change,
    event_of,
    find_open,
    is_evidence,
    load,
    next_id,
    trace,
)
from cloud.core import case_steps
from cloud.core.case_steps import OPEN_STATES, STEPS, State, Step
from cloud.core.gate import Decision
from cloud.core.model import Role
from cloud.errors import ConflictError, ForbiddenError, InvalidError
from cloud.state import schema
from cloud.state.values import values_of

__all__ = [
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

MOST_PER_PAGE = 500
LONGEST_NOTE = 4_000
_TRIES = 5  # losing a race this often in a row means it is no race


class Ledger:
    """The ledger as a CaseSystem (cloud/ports.py). zone: whose date stands in a case's number."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone

    def raised(
        self, connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int
    ) -> str:
        return open_or_attach(connection, alert, decision, at_ms, self._zone)

    def returned(self, connection: sa.Connection, alert: str, at_ms: int) -> None:
        sensor_normal(connection, alert, at_ms)


# --- what alerts do ----------------------------------------------------------------------------


def open_or_attach(
    connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int, zone: ZoneInfo
) -> str:
    """Open a case for an alert, or attach it to the one that is open; return the case's id.

    Doing it again for the same alert and case changes nothing.
    """
    for _ in range(_TRIES):
        case = find_open(connection, decision.asset, decision.category)
        if case is not None:
            _attach(connection, case, alert, decision, at_ms)
            return case.id
        try:
            with connection.begin_nested():
                return _open(connection, alert, decision, at_ms, zone)
        except IntegrityError as error:  # another writer opened it first: look again
            lost = error
    raise lost


def sensor_normal(connection: sa.Connection, alert_id: str, at_ms: int) -> None:
    """Note in an alert's open cases that all their sensors are back to normal.

    It proposes verification to people; a case is never closed by it.
    """
    attached, alerts = schema.case_alerts, schema.alerts
    mine = sa.select(attached.c.case).where(attached.c.alert == alert_id)
    query = sa.select(schema.cases).where(
        schema.cases.c.id.in_(mine),
        schema.cases.c.state.in_([state.value for state in OPEN_STATES]),
        schema.cases.c.sensor_normal_ms.is_(None),
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
    connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int, zone: ZoneInfo
) -> str:
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
        sensor_normal_ms=None,
        opened_ms=at_ms,
        due_ms=decision.due_ms,
        closed_ms=None,
        version=1,
    )
    connection.execute(sa.insert(schema.cases), [values_of(case)])
    attach_evidence(connection, case.id, alert.id, at_ms)
    trace(connection, case, Step.OPEN, State.OPENED, at_ms, note=alert.id)
    return case.id


def _attach(
    connection: sa.Connection, case: Case, alert: Alert, decision: Decision, at_ms: int
) -> None:
    """Add an alert to an open case, which takes the worse severity and the earlier due time."""
    if not is_evidence(connection, case.id, alert.id):
        attach_evidence(connection, case.id, alert.id, at_ms)
        worse = alert.severity if alert.severity.at_least(case.severity) else case.severity
        due_ms = min(case.due_ms or decision.due_ms, decision.due_ms)
        change(connection, case, severity=worse.value, due_ms=due_ms)
        trace(connection, case, Step.ATTACH, case.state, at_ms, note=alert.id)
    if case.sensor_normal_ms is not None and alert.returned_ms is None:
        change(connection, case, sensor_normal_ms=None)
        trace(connection, case, Step.SENSOR_ABNORMAL, case.state, at_ms, note=alert.id)


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
    """Take a case's next step; version is that of the case as the person saw it.

    Raises: NotFoundError; InvalidError for an unknown step or a missing note; ForbiddenError if the
    role may not; ConflictError if the state does not allow it, or the case has changed meanwhile.
    """
    case = load(connection, case_id, to_change=True)
    wanted = _step_of(step)
    info = STEPS[wanted]
    if info.least is None:
        raise InvalidError(f"{wanted.value!r} is nothing a person does")
    if not Role(role).includes(info.least):
        raise ForbiddenError(f"{wanted.value!r} takes the role {info.least.value}; {by} is {role}")
    if case.version != version:
        raise ConflictError(
            f"case {case_id} has changed: it is version {case.version}, not {version}; "
            f"load it again"
        )
    try:
        state = case_steps.apply(case.state, wanted)
    except case_steps.NotAllowedError as error:
        raise ConflictError(f"case {case_id}: {error}") from error
    _check_note(case, wanted, note)
    trace(connection, case, wanted, state, at_ms, by=by, note=note.strip())
    closed_ms = None if state in OPEN_STATES else at_ms
    change(connection, case, state=state.value, closed_ms=closed_ms)
    return load(connection, case_id)


def _step_of(step: Step | str) -> Step:
    try:
        return Step(step)
    except ValueError:
        steps = ", ".join(one.value for one, info in STEPS.items() if info.least)
        raise InvalidError(f"unknown step {step!r}; allowed: {steps}") from None


def _check_note(case: Case, step: Step, note: str) -> None:
    needed = STEPS[step].note
    if needed and not note.strip():
        raise InvalidError(f"{step.value!r} needs a note: {needed.en}")
    if step is Step.CLOSE and case.sensor_normal_ms is None and not note.strip():
        raise InvalidError("the sensor is not back to normal: 'close' needs a note that says why")
    if len(note) > LONGEST_NOTE:
        raise InvalidError(f"the note has {len(note)} characters; at most {LONGEST_NOTE}")


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
    limit = max(1, min(limit, MOST_PER_PAGE))
    table = schema.cases
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if states:
        query = query.where(table.c.state.in_([state.value for state in states]))
    for column, wanted in ((table.c.kind, kind), (table.c.device, device), (table.c.unit, unit)):
        if wanted:
            query = query.where(column == wanted)
    if since_ms is not None:
        query = query.where(table.c.opened_ms >= since_ms)
    if cursor:
        query = query.where(table.c.id < cursor)
    found = [case_of(row) for row in connection.execute(query)]
    more = found[limit - 1].id if len(found) > limit else None
    return CasePage(cases=found[:limit], cursor=more)


def get_case(connection: sa.Connection, case_id: str) -> CaseDetail:
    """Return a case with its trail and its alerts. Raises: NotFoundError."""
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
    )


def count_cases(connection: sa.Connection) -> dict[tuple[str, State], int]:
    """Return how many cases there are of each kind in each state."""
    table = schema.cases
    query = sa.select(table.c.kind, table.c.state, sa.func.count().label("n"))
    rows = connection.execute(query.group_by(table.c.kind, table.c.state))
    return {(row.kind, State(row.state)): row.n for row in rows}
