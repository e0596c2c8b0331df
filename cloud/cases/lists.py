"""Which cases people look for: filters, the due queue, and what a handling unit may see."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.cases.rows import Case, CasePage, case_of
from cloud.core.case_roles import Actor
from cloud.core.case_steps import OPEN_STATES, State
from cloud.errors import InvalidError
from cloud.state import schema

MOST_PER_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which cases. states: none means every state. by_due: what is due first comes first.

    for_unit: what this unit may see: its own cases, and those in which it has a task.
    """

    states: tuple[State, ...] = ()
    kind: str = ""
    device: str = ""
    unit: str = ""
    category: str = ""
    cell: str = ""
    source: str = ""
    overdue: bool = False
    singled: bool = False
    asked_for: bool = False
    by_due: bool = False
    since_ms: int | None = None
    for_unit: str = ""


EVERYTHING = Wanted()


def page(
    connection: sa.Connection, wanted: Wanted, now_ms: int, *, cursor: str = "", limit: int = 50
) -> CasePage:
    """Return cases, newest first or first due. limit: 1 to 500. Raises: InvalidError."""
    limit = max(1, min(limit, MOST_PER_PAGE))
    table = schema.cases
    query = sa.select(table).where(*_wheres(wanted, now_ms)).limit(limit + 1)
    if wanted.by_due:
        query = query.where(table.c.due_ms.is_not(None)).order_by(table.c.due_ms, table.c.id)
        if cursor:
            query = query.where(sa.tuple_(table.c.due_ms, table.c.id) > _due_cursor(cursor))
    else:
        query = query.order_by(table.c.id.desc())
        if cursor:
            query = query.where(table.c.id < cursor)
    found = [case_of(row) for row in connection.execute(query)]
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = f"{last.due_ms}.{last.id}" if wanted.by_due else last.id
    return CasePage(cases=found[:limit], cursor=more)


def sees(connection: sa.Connection, actor: Actor, case: Case) -> bool:
    """Whether a person may see a case: a handling unit's sees its own, and those it helps in."""
    if not actor.only_handles or case.unit == actor.unit:
        return True
    tasks = schema.case_tasks
    helping = sa.select(tasks.c.id).where(tasks.c.case == case.id, tasks.c.unit == actor.unit)
    return connection.scalar(helping.limit(1)) is not None


def _wheres(wanted: Wanted, now_ms: int) -> list[sa.ColumnElement[bool]]:
    table, requests = schema.cases.c, schema.case_requests.c
    states = wanted.states
    if wanted.overdue:
        states = tuple(state for state in states or State if state in OPEN_STATES)
    found: list[sa.ColumnElement[bool]] = []
    if states or wanted.overdue:
        found.append(table.state.in_([state.value for state in states]))
    same = (
        (table.kind, wanted.kind),
        (table.device, wanted.device),
        (table.unit, wanted.unit),
        (table.category, wanted.category),
        (table.cell, wanted.cell),
        (table.source, wanted.source),
    )
    found += [column == value for column, value in same if value]
    if wanted.overdue:
        found.append(table.due_ms < now_ms)
    if wanted.singled:
        found.append(table.singled_ms.is_not(None))
    if wanted.asked_for:
        found.append(sa.exists().where(requests.case == table.id, requests.decided_ms.is_(None)))
    if wanted.since_ms is not None:
        found.append(table.opened_ms >= wanted.since_ms)
    if wanted.for_unit:
        found.append(_of_unit(wanted.for_unit))
    return found


def ids_of_unit(unit: str) -> sa.Select[tuple[str]]:
    """Return a query of the cases that a handling unit may see."""
    return sa.select(schema.cases.c.id).where(_of_unit(unit))


def _of_unit(unit: str) -> sa.ColumnElement[bool]:
    table, tasks = schema.cases.c, schema.case_tasks.c
    helping = sa.exists().where(tasks.case == table.id, tasks.unit == unit)
    return sa.or_(table.unit == unit, helping)


def _due_cursor(cursor: str) -> sa.Tuple:
    due_ms, _, case = cursor.partition(".")
    if not (due_ms.isascii() and due_ms.isdigit() and len(due_ms) < 16 and case):
        raise InvalidError(f"cursor {cursor!r}: send back the `next` of the page before")
    return sa.tuple_(sa.literal(int(due_ms)), sa.literal(case))
