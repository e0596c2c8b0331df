"""Joint cases 联合处置: several units on one case, each with its own task and due time.

Every function works in its caller's transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from cloud.cases.rows import change, load, trace
from cloud.cases.steps import LONGEST_UNIT, after, check_may, check_note, check_version
from cloud.core.case_roles import Actor
from cloud.core.case_steps import Step
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a unit does in a case. done_ms: None while it is to be done."""

    id: int
    unit: str
    what: str
    by: str
    at_ms: int
    due_ms: int | None
    overdue_ms: int | None
    done_ms: int | None
    done_by: str
    note: str


def invite(
    connection: sa.Connection,
    case_id: str,
    unit: str,
    what: str,
    due_ms: int | None,
    actor: Actor,
    version: int,
    at_ms: int,
) -> None:
    """Give a unit a task in a case. Raises: as steps.take()."""
    case = load(connection, case_id, to_change=True)
    check_may(actor, Step.INVITE, case)
    check_version(case, version)
    state = after(case, Step.INVITE)
    unit, what = unit.strip(), what.strip()
    if not unit or len(unit) > LONGEST_UNIT or not what:
        raise InvalidError(f"a task needs a unit, of at most {LONGEST_UNIT} characters, and what")
    check_note("the task", what)
    if due_ms is not None and due_ms <= at_ms:
        raise InvalidError("a task is due at a time that is still to come")
    table = schema.case_tasks
    row = {"case": case.id, "unit": unit, "what": what, "by": actor.name, "at_ms": at_ms}
    connection.execute(sa.insert(table), [row | {"due_ms": due_ms}])
    invited = replace(case, unit=unit)
    trace(connection, invited, Step.INVITE, state, at_ms, by=actor.name, note=what, due_ms=due_ms)
    change(connection, case)


def finish(
    connection: sa.Connection, case_id: str, task: int, actor: Actor, note: str, at_ms: int
) -> None:
    """Say that a unit's task is done, and how. Raises: as steps.take()."""
    case = load(connection, case_id, to_change=True)
    found = next((each for each in tasks_of(connection, case_id) if each.id == task), None)
    if found is None:
        raise NotFoundError(f"case {case_id} has no task {task}")
    theirs = replace(case, unit=found.unit)
    check_may(actor, Step.TASK_DONE, theirs)
    state = after(case, Step.TASK_DONE)
    if found.done_ms is not None:
        raise ConflictError(f"task {task} is done already")
    if not note.strip():
        raise InvalidError("'task done' needs a note: what was done")
    check_note("the note", note)
    table = schema.case_tasks
    connection.execute(
        sa.update(table)
        .where(table.c.id == task)
        .values(done_ms=at_ms, done_by=actor.name, note=note.strip())
    )
    trace(
        connection,
        theirs,
        Step.TASK_DONE,
        state,
        at_ms,
        by=actor.name,
        note=note.strip(),
        due_ms=found.due_ms,
    )
    change(connection, case)


def tasks_of(connection: sa.Connection, case: str) -> list[Task]:
    """Return the tasks of a case, the first given first."""
    table = schema.case_tasks
    columns = [column for column in table.c if column.name != "case"]
    query = sa.select(*columns).where(table.c.case == case).order_by(table.c.id)
    return [Task(**row._mapping) for row in connection.execute(query)]
