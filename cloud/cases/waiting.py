"""The queue at the gate: alerts that wait for a person, for time, or for a flood to pass.

Nothing is dropped: what waits is counted, and becomes a case or is refused with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud import alert_rows
from cloud.alerts import Alert
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import OPEN_STATES, State
from cloud.core.gate import Decision, GatePolicy, Wait, waits_for
from cloud.core.model import Severity
from cloud.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError
from cloud.state import schema

_URGENT = Severity.HIGH
_ENDED = [state.value for state in State if state not in OPEN_STATES]
WAITING, PASSED, REFUSED = "waiting", "passed", "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An alert at the gate."""

    alert: Alert
    why: Wait
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """An alert of a case that waited at the gate. by: who let it in; "" for time itself."""

    alert: str
    why: str
    since_ms: int
    decided_ms: int | None
    by: str
    note: str


def passed_of(connection: sa.Connection, case: str) -> list[Passed]:
    """Return which alerts of a case waited at the gate, the first first."""
    table, attached = schema.case_waiting, schema.case_alerts
    query = (
        sa.select(table)
        .join(attached, attached.c.alert == table.c.alert)
        .where(attached.c.case == case, table.c.state == PASSED)
        .order_by(table.c.since_ms, table.c.alert)
    )
    return [
        Passed(
            alert=row.alert,
            why=row.why,
            since_ms=row.since_ms,
            decided_ms=row.decided_ms,
            by=row.decided_by,
            note=row.note,
        )
        for row in connection.execute(query)
    ]


def hold(
    connection: sa.Connection, alert: Alert, decision: Decision, now_ms: int, policy: GatePolicy
) -> bool:
    """Whether an alert waits; if so, it stands in the queue."""
    table = schema.case_waiting
    state = connection.scalar(sa.select(table.c.state).where(table.c.alert == alert.id))
    if state == WAITING:
        return True
    why = waits_for(
        alert.severity,
        decision.category,
        alert.began_ms,
        now_ms,
        policy,
        confirmed=state == PASSED,
    ) or _flood(connection, alert, decision, now_ms, policy)
    if why is None:
        return False
    if state is not None:  # it waited before, and has arisen again
        connection.execute(sa.delete(table).where(table.c.alert == alert.id))
    row = {"alert": alert.id, "why": why.value, "since_ms": now_ms, "state": WAITING}
    connection.execute(sa.insert(table), [row])
    return True


def due(connection: sa.Connection, limit: int) -> list[Waiting]:
    """Return what waits, but for a person's word; the oldest first."""
    return _select(connection, schema.case_waiting.c.why != Wait.CONFIRM.value, limit)


def listed(connection: sa.Connection, limit: int = 200) -> list[Waiting]:
    """Return what waits, the oldest first."""
    return _select(connection, sa.true(), limit)


def count(connection: sa.Connection) -> dict[str, int]:
    """Return how many alerts wait, by what for."""
    table = schema.case_waiting
    query = (
        sa.select(table.c.why, sa.func.count().label("n"))
        .where(table.c.state == WAITING)
        .group_by(table.c.why)
    )
    return {row.why: row.n for row in connection.execute(query)}


def decided(connection: sa.Connection) -> dict[str, int]:
    """Return how many alerts that waited have passed, and how many were refused."""
    table = schema.case_waiting
    query = sa.select(table.c.state, sa.func.count().label("n")).group_by(table.c.state)
    found = {row.state: row.n for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in (PASSED, REFUSED)}


def oldest_ms(connection: sa.Connection) -> int | None:
    """Return since when the first of those that wait has waited; None if none does."""
    table = schema.case_waiting
    since = sa.select(sa.func.min(table.c.since_ms)).where(table.c.state == WAITING)
    found: int | None = connection.scalar(since)
    return found


def ready(
    connection: sa.Connection,
    waiting: Waiting,
    decision: Decision,
    now_ms: int,
    policy: GatePolicy,
) -> bool:
    """Whether an alert's wait is over; one that went back to normal too soon is refused."""
    alert = waiting.alert
    if waiting.why is Wait.LASTING and alert.returned_ms is not None:
        lasted_s = (alert.returned_ms - alert.began_ms) / 1000
        _decide(connection, alert.id, REFUSED, "", f"it lasted {lasted_s:g} s", now_ms)
        return False
    confirmed = waiting.why is not Wait.LASTING
    still = waits_for(
        alert.severity,
        decision.category,
        alert.began_ms,
        now_ms,
        policy,
        confirmed=confirmed,
    ) or _flood(connection, alert, decision, now_ms, policy)
    if still is None:
        _decide(connection, alert.id, PASSED, "", "", now_ms)
    return still is None


def decide(
    connection: sa.Connection, alert: str, actor: Actor, *, opens: bool, note: str, now_ms: int
) -> Alert:
    """Let an alert become a case, or refuse it with a reason, as a person who accepts cases.

    Raises: NotFoundError if it does not wait; ForbiddenError; InvalidError; ConflictError.
    """
    if not actor.roles & {CaseRole.ACCEPTOR, CaseRole.MANAGER}:
        raise ForbiddenError(f"this takes the case role acceptor; {actor.name} has it not")
    table = schema.case_waiting
    query = sa.select(table.c.state).where(table.c.alert == alert).with_for_update()
    state = connection.scalar(query)
    if state is None:
        raise NotFoundError(f"alert {alert!r} does not wait at the gate")
    if state != WAITING:
        raise ConflictError(f"alert {alert!r} has been decided on: {state}")
    if not opens and not note.strip():
        raise InvalidError("a refusal needs a note: why it is no case")
    _decide(connection, alert, PASSED if opens else REFUSED, actor.name, note, now_ms)
    return alert_rows.load(connection, alert)


def _decide(
    connection: sa.Connection, alert: str, state: str, by: str, note: str, now_ms: int
) -> None:
    table = schema.case_waiting
    connection.execute(
        sa.update(table)
        .where(table.c.alert == alert)
        .values(state=state, decided_by=by, note=note.strip(), decided_ms=now_ms)
    )


def _flood(
    connection: sa.Connection, alert: Alert, decision: Decision, now_ms: int, policy: GatePolicy
) -> Wait | None:
    """What joins an open case is no new one; what is urgent never queues."""
    cases, gate = schema.cases, policy.gate
    if alert.severity.at_least(_URGENT):
        return None
    since_ms = now_ms - round(gate.within_s * 1000)
    opened = sa.select(sa.func.count()).where(cases.c.opened_ms > since_ms)
    if (connection.scalar(opened) or 0) < gate.most:
        return None
    mine = sa.select(cases.c.id).where(
        cases.c.asset == decision.asset,
        cases.c.category == decision.category,
        cases.c.state.not_in(_ENDED),
    )
    return None if connection.scalar(mine.limit(1)) is not None else Wait.FLOOD


def _select(connection: sa.Connection, which: sa.ColumnElement[bool], limit: int) -> list[Waiting]:
    table = schema.case_waiting
    query = (
        sa.select(table)
        .where(table.c.state == WAITING, which)
        .order_by(table.c.since_ms, table.c.alert)
        .limit(limit)
    )
    return [
        Waiting(
            alert=alert_rows.load(connection, row.alert),
            why=Wait(row.why),
            since_ms=row.since_ms,
        )
        for row in connection.execute(query).all()
    ]
