"""What time does to cases: warnings, overdue, the end of a deferral, a matter that never went away.

One caller at a time; each call is one transaction of bounded length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from cloud.cases.rows import Case, case_of, find_open, load, trace
from cloud.cases.steps import POLICY, Given, perform
from cloud.core.case_steps import OPEN_STATES, State, Step
from cloud.core.gate import GatePolicy
from cloud.state import schema
from cloud.state.database import Database, retrying

OVERDUE_TOPIC = "case.overdue"
DUE_SOON_TOPIC = "case.due-soon"
PER_CALL = 100
# A case that was closed longer ago is history, whatever its sensor says.
RELAPSES_WITHIN_MS = 30 * 86_400_000

_OPEN = [state.value for state in OPEN_STATES]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """What one call did, in cases."""

    warned: int = 0
    overdue: int = 0
    resumed: int = 0
    relapsed: int = 0
    tasks: int = 0


@retrying
def tick(database: Database, now_ms: int, policy: GatePolicy = POLICY) -> Ticked:
    """Do what has come due. Call again when something was done: there may be more.

    Raises: StorageError.
    """
    if not _anything(database, now_ms, policy):
        return Ticked()
    with database.write() as connection:
        resumed = _some(connection, _resuming(now_ms))
        for case in resumed:
            perform(connection, case, Step.RESUME, "", Given(), now_ms, policy)
        overdue = _some(connection, _overdue(now_ms))
        for case in overdue:
            _tell(connection, case, Step.OVERDUE, OVERDUE_TOPIC, now_ms)
            _remember(connection, case, overdue_due_ms=case.due_ms, warned_due_ms=case.due_ms)
        warned = _some(connection, _due_soon(now_ms, policy))
        for case in warned:
            _tell(connection, case, Step.DUE_SOON, DUE_SOON_TOPIC, now_ms)
            _remember(connection, case, warned_due_ms=case.due_ms)
        relapsed = [
            case
            for case in _some(connection, _relapsing(now_ms, policy))
            if _relapse(connection, case, now_ms, policy)
        ]
        tasks = _overdue_tasks(connection, now_ms)
    return Ticked(
        warned=len(warned),
        overdue=len(overdue),
        resumed=len(resumed),
        relapsed=len(relapsed),
        tasks=tasks,
    )


def _relapse(connection: sa.Connection, case: Case, now_ms: int, policy: GatePolicy) -> bool:
    """Take a case up again, unless its matter has an open one: two may have been closed."""
    if find_open(connection, case.asset, case.category) is not None:
        return False
    note = "the sensor is still beyond its limit"
    perform(connection, case, Step.RELAPSE, "", Given(note=note), now_ms, policy)
    return True


def _anything(database: Database, now_ms: int, policy: GatePolicy) -> bool:
    """Most calls find nothing, and need no lock for it."""
    wheres = (
        _resuming(now_ms),
        _overdue(now_ms),
        _due_soon(now_ms, policy),
        _relapsing(now_ms, policy),
    )
    with database.read() as connection:
        if _late_tasks(connection, now_ms, 1):
            return True
        return any(
            connection.scalar(sa.select(schema.cases.c.id).where(where).limit(1)) is not None
            for where in wheres
        )


def _late_tasks(
    connection: sa.Connection, now_ms: int, limit: int
) -> list[tuple[int, str, int, str]]:
    """Return tasks past their due time that nobody was told of: id, unit, due time, case."""
    tasks, cases = schema.case_tasks, schema.cases
    query = (
        sa.select(tasks.c.id, tasks.c.unit, tasks.c.due_ms, tasks.c.case)
        .join_from(tasks, cases, cases.c.id == tasks.c.case)
        .where(
            tasks.c.due_ms <= now_ms,
            tasks.c.done_ms.is_(None),
            tasks.c.overdue_ms.is_(None),
            cases.c.state.in_(_OPEN),
        )
        .limit(limit)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]


def _overdue_tasks(connection: sa.Connection, now_ms: int) -> int:
    table = schema.case_tasks
    late = _late_tasks(connection, now_ms, PER_CALL)
    for task, unit, due_ms, case_id in late:
        case = load(connection, case_id, to_change=True)
        theirs = replace(case, unit=unit, due_ms=due_ms)
        _tell(connection, theirs, Step.OVERDUE, OVERDUE_TOPIC, now_ms)
        connection.execute(sa.update(table).where(table.c.id == task).values(overdue_ms=now_ms))
    return len(late)


def _some(connection: sa.Connection, where: sa.ColumnElement[bool]) -> list[Case]:
    table = schema.cases
    query = sa.select(table).where(where).order_by(table.c.id).limit(PER_CALL)
    rows = connection.execute(query.with_for_update(skip_locked=True))
    return [case_of(row) for row in rows]


def _resuming(now_ms: int) -> sa.ColumnElement[bool]:
    table = schema.cases.c
    return sa.and_(table.state == State.DEFERRED.value, table.resume_ms <= now_ms)


def _overdue(now_ms: int) -> sa.ColumnElement[bool]:
    table = schema.cases.c
    told = sa.and_(table.overdue_due_ms.is_not(None), table.overdue_due_ms == table.due_ms)
    return sa.and_(table.state.in_(_OPEN), table.due_ms <= now_ms, sa.not_(told))


def _due_soon(now_ms: int, policy: GatePolicy) -> sa.ColumnElement[bool]:
    table = schema.cases.c
    told = sa.and_(table.warned_due_ms.is_not(None), table.warned_due_ms == table.due_ms)
    soon_ms = now_ms + round(policy.warn_s * 1000)
    return sa.and_(
        table.state.in_(_OPEN), table.due_ms > now_ms, table.due_ms <= soon_ms, sa.not_(told)
    )


def _relapsing(now_ms: int, policy: GatePolicy) -> sa.ColumnElement[bool]:
    table, attached, alerts = schema.cases.c, schema.case_alerts, schema.alerts
    beyond = sa.exists().where(
        attached.c.case == table.id,
        alerts.c.id == attached.c.alert,
        alerts.c.returned_ms.is_(None),
    )
    other = schema.cases.alias("other")
    followed = sa.exists().where(
        other.c.asset == table.asset, other.c.category == table.category, other.c.state.in_(_OPEN)
    )
    return sa.and_(
        table.state == State.CLOSED.value,
        table.closed_ms <= now_ms - round(policy.grace_s * 1000),
        table.closed_ms > now_ms - RELAPSES_WITHIN_MS,
        beyond,
        sa.not_(followed),
    )


def _tell(connection: sa.Connection, case: Case, step: Step, topic: str, now_ms: int) -> None:
    trace(connection, case, step, case.state, now_ms, due_ms=case.due_ms)
    connection.execute(
        sa.insert(schema.outbox).values(
            topic=topic,
            key=case.id,
            payload={"case": case.id, "unit": case.unit, "due_ms": case.due_ms},
            created_ms=now_ms,
            done_ms=now_ms,  # nobody delivers it: other systems hear of it by the trail
        )
    )


def _remember(connection: sa.Connection, case: Case, **values: int | None) -> None:
    """Write what was told, without a new version: nobody's form is out of date for it."""
    table = schema.cases
    connection.execute(sa.update(table).where(table.c.id == case.id).values(**values))
