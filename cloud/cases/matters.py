"""A matter is what keeps arising on one asset: reopened, counted, singled out, merged and split.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.alerts import Alert
from cloud.cases.rows import (
    Case,
    attach_evidence,
    case_of,
    change,
    columns_of,
    find_open,
    insert_case,
    is_evidence,
    load,
    next_id,
    trace,
)
from cloud.cases.sealing import add_alert
from cloud.cases.steps import after, check_may, check_note, check_version, withdraw
from cloud.core.case_dues import fresh
from cloud.core.case_roles import Actor
from cloud.core.case_steps import State, Step
from cloud.core.gate import Decision, GatePolicy
from cloud.errors import ConflictError, InvalidError
from cloud.state import schema

DAY_MS = 86_400_000
# What says that a matter arose anew. A relapse does not: it never went away.
ARISES = (Step.OPEN, Step.REPORT, Step.REOPEN, Step.SENSOR_ABNORMAL)


def lately_closed(
    connection: sa.Connection, decision: Decision, at_ms: int, policy: GatePolicy
) -> Case | None:
    """Return the case of an asset and category that was closed within reopen_days."""
    table = schema.cases
    query = (
        sa.select(table)
        .where(
            table.c.asset == decision.asset,
            table.c.category == decision.category,
            table.c.state == State.CLOSED.value,
            table.c.closed_ms > at_ms - round(policy.reopen_days * DAY_MS),
        )
        .order_by(table.c.closed_ms.desc())
        .limit(1)
    )
    row = connection.execute(query.with_for_update()).one_or_none()
    return None if row is None else case_of(row)


def reopen(
    connection: sa.Connection, case: Case, alert: Alert, decision: Decision, at_ms: int
) -> None:
    """Open a closed case again, as its matter has arisen again; its due times begin anew."""
    if not is_evidence(connection, case.id, alert.id):
        attach_evidence(connection, case.id, alert.id, at_ms)
    dues = fresh(decision.dues)
    worse = alert.severity if alert.severity.at_least(case.severity) else case.severity
    again = replace(case, unit=decision.unit or case.unit)
    due_ms = dues.next(State.OPENED)
    trace(
        connection,
        again,
        Step.REOPEN,
        State.OPENED,
        at_ms,
        note=alert.id,
        due_ms=due_ms,
        dues=dues,
    )
    change(
        connection,
        case,
        state=State.OPENED.value,
        unit=again.unit,
        severity=worse.value,
        closed_ms=None,
        sensor_normal_ms=None,
        satisfaction=None,
        **columns_of(dues, State.OPENED),
    )


def count_occurrence(
    connection: sa.Connection, case_id: str, at_ms: int, policy: GatePolicy
) -> None:
    """Count how often a case's matter arose of late, and single the case out if that is often."""
    case = load(connection, case_id, to_change=True)
    events, cases = schema.case_events, schema.cases
    query = (
        sa.select(sa.func.count())
        .select_from(events.join(cases, cases.c.id == events.c.case))
        .where(
            cases.c.asset == case.asset,
            cases.c.category == case.category,
            cases.c.state != State.VOID.value,
            events.c.step.in_([step.value for step in ARISES]),
            events.c.at_ms > at_ms - round(policy.repeat_days * DAY_MS),
        )
    )
    times = connection.scalar(query) or 1
    often = times >= policy.repeats and case.singled_ms is None
    if often:
        trace(connection, case, Step.SINGLED_OUT, case.state, at_ms, note=str(times))
    if often or times != case.occurrences:
        singled_ms = at_ms if often else case.singled_ms
        connection.execute(
            sa.update(cases)
            .where(cases.c.id == case.id)
            .values(occurrences=times, singled_ms=singled_ms)
        )


def merge(
    connection: sa.Connection,
    case_id: str,
    into: str,
    actor: Actor,
    version: int,
    note: str,
    at_ms: int,
) -> Case:
    """Merge a case into another that is open: its evidence goes there, and it ends.

    Raises: NotFoundError; InvalidError; ForbiddenError; ConflictError, as take() in steps.py.
    """
    if case_id == into:
        raise InvalidError("a case is not merged into itself")
    # Both are locked in the order of their numbers: two who merge at once must not wait in a ring.
    locked = {each: load(connection, each, to_change=True) for each in sorted((case_id, into))}
    case, target = locked[case_id], locked[into]
    for each in (case, target):
        check_may(actor, Step.MERGE, each)
    check_version(case, version)
    state = after(case, Step.MERGE)
    after(target, Step.ABSORB)
    if target.state is State.REPORTED and case.state is not State.REPORTED:
        raise ConflictError(f"case {into} is not accepted yet, and may be refused: accept it first")
    check_note("the note", note)
    withdraw(connection, case, at_ms)
    evidence = _evidence(connection, case.id)
    for alert in evidence:
        if not is_evidence(connection, target.id, alert):
            attach_evidence(connection, target.id, alert, at_ms)
    tasks = schema.case_tasks  # what units have still to do, they do in the other case
    undone = sa.and_(tasks.c.case == case.id, tasks.c.done_ms.is_(None))
    connection.execute(sa.update(tasks).where(undone).values(case=into))
    line = f"{into} {note}".strip()
    trace(connection, case, Step.MERGE, state, at_ms, by=actor.name, note=line)
    change(
        connection,
        case,
        state=state.value,
        merged_into=into,
        closed_ms=at_ms,
        deferred_ms=None,
        resume_ms=None,
    )
    trace(connection, target, Step.ABSORB, target.state, at_ms, by=actor.name, note=case.id)
    vouched = case.state is not State.REPORTED  # else its severity is only what somebody said
    worse = case.severity if vouched and case.severity.at_least(target.severity) else None
    severity = worse or target.severity
    calm = case.sensor_normal_ms is not None or not evidence
    normal = target.sensor_normal_ms if calm else None
    change(connection, target, severity=severity.value, sensor_normal_ms=normal)
    return load(connection, into)


def split(
    connection: sa.Connection,
    case_id: str,
    moved: Collection[str],
    category: str,
    asset: str,
    actor: Actor,
    version: int,
    note: str,
    at_ms: int,
    zone: ZoneInfo,
) -> Case:
    """Take alerts out of a case into a new one of another category or asset; return that.

    Raises: NotFoundError; ForbiddenError; InvalidError if they are not its evidence, or nothing
    would be left, or the new case would be about the same; ConflictError if such a case is open.
    """
    case = load(connection, case_id, to_change=True)
    check_may(actor, Step.SPLIT, case)
    check_version(case, version)
    after(case, Step.SPLIT)
    check_note("the note", note)
    wanted = (asset or case.asset, category or case.category)
    _check_split(connection, case, moved, wanted)
    if find_open(connection, *wanted) is not None:
        raise ConflictError(f"a case of {wanted[0]} and {wanted[1]} is open: merge into that one")
    new = replace(
        case,
        id=next_id(connection, at_ms, zone),
        asset=wanted[0],
        category=wanted[1],
        state=State.OPENED,
        opened_ms=at_ms,
        due_ms=case.dues.next(State.OPENED),
        version=1,
        singled_ms=None,
        occurrences=1,
        deferred_ms=None,
        resume_ms=None,
    )
    try:
        with connection.begin_nested():
            insert_case(connection, new)
    except IntegrityError:
        raise ConflictError(f"a case of {wanted[0]} and {wanted[1]} is open already") from None
    table = schema.case_alerts
    here = sa.and_(table.c.case == case.id, table.c.alert.in_(moved))
    connection.execute(sa.update(table).where(here).values(case=new.id))
    for alert in sorted(set(moved)):
        add_alert(connection, new.id, alert)
    line = f"{case.id} {note}".strip()
    trace(connection, new, Step.OPEN, State.OPENED, at_ms, by=actor.name, note=line)
    trace(connection, case, Step.SPLIT, case.state, at_ms, by=actor.name, note=new.id)
    change(connection, case)
    return load(connection, new.id)


def _check_split(
    connection: sa.Connection, case: Case, moved: Collection[str], wanted: tuple[str, str]
) -> None:
    having = set(_evidence(connection, case.id))
    strangers = sorted(set(moved) - having)
    if strangers:
        raise InvalidError(f"alert {strangers[0]!r} is no evidence in case {case.id}")
    if not moved or not having - set(moved):
        raise InvalidError("name some of the case's alerts, and leave it at least one")
    if wanted == (case.asset, case.category):
        raise InvalidError("a case of its own needs another category, or another asset")


def _evidence(connection: sa.Connection, case: str) -> list[str]:
    table = schema.case_alerts
    return list(connection.scalars(sa.select(table.c.alert).where(table.c.case == case)))
