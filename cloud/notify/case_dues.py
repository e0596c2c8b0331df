"""Cases that are due soon or overdue become messages, read from their trails by a cursor."""

from __future__ import annotations

import sqlalchemy as sa

from cloud.cases.rows import case_of
from cloud.core.case_steps import OPEN_STATES, Step
from cloud.core.telling import Rung, What, who
from cloud.core.telling import Step as Told
from cloud.notify.messages import CaseFacts
from cloud.notify.post import Post
from cloud.state import schema

CURSOR = 2  # the row of notify_cursor
MOST = 100
ROUTE = "cases"  # as why.route says it
OF = {Step.DUE_SOON.value: What.DUE_SOON, Step.OVERDUE.value: What.OVERDUE}

_EVENTS, _CURSOR = schema.case_events, schema.notify_cursor


def start(connection: sa.Connection) -> None:
    """The first time, begin with what happens from now on."""
    if connection.scalar(sa.select(_CURSOR.c.id).where(_CURSOR.c.id == CURSOR)) is None:
        newest = connection.scalar(sa.select(sa.func.max(_EVENTS.c.id))) or 0
        connection.execute(sa.insert(_CURSOR).values(id=CURSOR, event=newest))


def wait(connection: sa.Connection) -> bool:
    """Whether there are lines that were not read."""
    newest = connection.scalar(sa.select(sa.func.max(_EVENTS.c.id))) or 0
    return newest > _read_to(connection)


def read_on(post: Post) -> bool:
    """Plan what follows from the next lines of cases' trails; return whether there may be more."""
    connection = post.connection
    if connection.dialect.name == "postgresql":
        # Ids are given before they are committed: wait for those that are being written.
        connection.exec_driver_sql("LOCK TABLE case_events IN SHARE MODE")
    after = _read_to(connection)
    newest = connection.scalar(sa.select(sa.func.max(_EVENTS.c.id))) or 0
    query = sa.select(_EVENTS).where(
        _EVENTS.c.id > after, _EVENTS.c.id <= newest, _EVENTS.c.step.in_(OF)
    )
    found = connection.execute(query.order_by(_EVENTS.c.id).limit(MOST)).all()
    for line in found:
        _tell(post, line)
    more = len(found) == MOST
    to = found[-1].id if more else newest
    if to > after:
        mine = sa.update(_CURSOR).where(_CURSOR.c.id == CURSOR)
        connection.execute(mine.values(event=to))
    return more


def _read_to(connection: sa.Connection) -> int:
    query = sa.select(_CURSOR.c.event).where(_CURSOR.c.id == CURSOR)
    return connection.scalar(query) or 0


def _tell(post: Post, line: sa.Row[tuple[object, ...]]) -> None:
    """Tell of a line; what is over by now, or was long ago, is only written down."""
    what = OF[line.step]
    names = post.policy.cases.get(what, ())
    if not names:
        return
    cases, devices, policy = schema.cases, schema.devices, post.policy
    case = case_of(post.connection.execute(sa.select(cases).where(cases.c.id == line.case)).one())
    device = post.connection.execute(
        sa.select(devices).where(devices.c.id == case.device)
    ).one_or_none()
    address = case.address or (device.address if device else "")
    name = (device.name or device.id) if device else ""
    facts = CaseFacts(
        case=case.id,
        title=case.title,
        title_en=case.title_en,
        where=" · ".join(part for part in (name, address, case.asset) if part),
        unit=line.unit,
        severity=case.severity.value,
        state=case.state.value,
        due_ms=line.due_ms or line.at_ms,
    )
    rung = Rung(route=ROUTE, step=Told(after_s=0, tell=names))
    people = who((rung,), 0, line.unit, policy.rotas, policy.default, post.local)
    old = line.at_ms < post.now_ms - policy.too_old_ms
    over = old and case.state not in OPEN_STATES
    post.tell_of_case(what, f"case/{line.id}", people, facts, late=over)
