"""What our cases are called in other systems, and how they stand there."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from cloud.cases import rows
from cloud.core.case_message import Link, Status, Theirs, Told
from cloud.core.case_steps import OPEN_STATES, Step
from cloud.state import schema

CHECKED_AT_ONCE = 500


def link_of(connection: sa.Connection, system: str, case: str, now_ms: int) -> tuple[Link, str]:
    """Return a case's link, made now if there is none, and why it was given up: "" if it is not."""
    table = schema.case_links
    row = connection.execute(
        sa.select(table).where(table.c.system == system, table.c.case == case)
    ).one_or_none()
    if row is None:
        values = {"system": system, "case": case, "since_ms": now_ms}
        connection.execute(sa.insert(table), [values])
        return Link(case=case, since_ms=now_ms), ""
    return _link(row), row.given_up


def remember(connection: sa.Connection, system: str, case: str, told: Told) -> None:
    """Keep what the other side calls a case."""
    known = {name: value for name in ("remote", "token") if (value := getattr(told, name))}
    if known:
        table = schema.case_links
        mine = sa.and_(table.c.system == system, table.c.case == case)
        connection.execute(sa.update(table).where(mine).values(**known))


def open_links(connection: sa.Connection, system: str) -> list[Link]:
    """Return the links of cases that are not closed there, as far as we know."""
    table = schema.case_links
    query = (
        sa.select(table)
        .where(
            table.c.system == system,
            table.c.status != Status.CLOSED.value,
            sa.or_(table.c.remote != "", table.c.token != ""),
        )
        .order_by(table.c.updated_ms, table.c.case)
        .limit(CHECKED_AT_ONCE)
    )
    return [_link(row) for row in connection.execute(query)]


def take_status(
    connection: sa.Connection, system: str, found: Sequence[Theirs], now_ms: int
) -> int:
    """Note how cases stand elsewhere; return how many stand otherwise than before.

    It is written in the case's trail and closes nothing: people verify (核查).
    """
    return sum(_take_one(connection, system, each, now_ms) for each in found)


def _take_one(connection: sa.Connection, system: str, theirs: Theirs, now_ms: int) -> bool:
    table = schema.case_links
    mine = [table.c.system == system]
    mine.append(table.c.case == theirs.case if theirs.case else table.c.remote == theirs.remote)
    row = connection.execute(sa.select(table).where(*mine).with_for_update()).one_or_none()
    if row is None or theirs.updated_ms < row.updated_ms:  # not ours, or overtaken by a later one
        return False
    if (row.status, row.note) == (theirs.status.value, theirs.note):
        return False
    values = {
        "status": theirs.status.value,
        "note": theirs.note,
        "updated_ms": theirs.updated_ms or row.updated_ms,
        "remote": row.remote or theirs.remote,
    }
    connection.execute(sa.update(table).where(*mine).values(**values))
    first = not row.status and theirs.status is Status.OPEN and not theirs.note
    case = rows.load(connection, row.case)
    if not first and case.state in OPEN_STATES:  # that it was taken there is no news
        note = f"{system}: {theirs.status.value}" + (f": {theirs.note}" if theirs.note else "")
        rows.trace(connection, case, Step.ELSEWHERE, case.state, now_ms, note=note)
    return True


def _link(row: sa.Row[tuple[object, ...]]) -> Link:
    return Link(case=row.case, remote=row.remote, token=row.token, since_ms=row.since_ms)
