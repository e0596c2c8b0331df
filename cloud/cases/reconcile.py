"""Our cases held against what another system has: what differs, and what is done about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from cloud.cases import deliveries, links
from cloud.cases.deliveries import UNFINISHED, UNTOLD
from cloud.core.case_message import Status, Theirs, Told
from cloud.core.case_steps import OPEN_STATES, State
from cloud.ports import OtherCaseSystem
from cloud.state import schema
from cloud.state.database import Database


class Kind(StrEnum):
    """What may differ."""

    UNTOLD = "not told"  # open here, and the other side was never told
    LOST = "missing there"  # told, and not there any more
    UNLINKED = "number unknown"  # there, and we did not know under which number
    DOUBLED = "there twice"
    CLOSED_THERE = "closed there, open here"
    OPEN_THERE = "open there, closed here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One. repaired: what was done about it; "" if nothing, or if nothing can be done from here."""

    kind: Kind
    case: str
    remote: str
    repaired: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What was compared, and what differs. asked: whether the other side could be asked at all."""

    cases: int
    asked: bool
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ours:
    case: str
    is_open: bool
    remote: str
    is_told: bool
    waits: bool
    given_up: bool
    status: str


def reconcile(
    database: Database,
    name: str,
    system: OtherCaseSystem,
    since_ms: int,
    now_ms: int,
    *,
    repair: bool,
) -> Reconciled:
    """Compare the cases opened since a time. What still waits to be told is no difference.

    Raises: TransportError, RejectedError from the other side; StorageError.
    """
    listed = system.listing(since_ms, now_ms + 60_000)
    with database.read() as connection:
        ours = _ours(connection, name, since_ms)
    found = _compare(ours, listed)
    if repair:
        with database.write() as connection:
            found = [_repair(connection, name, each, now_ms) for each in found]
    return Reconciled(cases=len(ours), asked=listed is not None, differences=tuple(found))


def _ours(connection: sa.Connection, name: str, since_ms: int) -> list[_Ours]:
    cases, told, table = schema.cases, schema.case_deliveries, schema.case_links
    mine = sa.and_(told.c.case == cases.c.id, told.c.system == name)
    linked = sa.and_(table.c.case == cases.c.id, table.c.system == name)
    query = (
        sa.select(
            cases.c.id,
            cases.c.state,
            table.c.remote,
            table.c.given_up,
            table.c.status,
            sa.exists().where(mine).label("told"),
            sa.exists().where(mine, told.c.state.in_(UNFINISHED)).label("waits"),
        )
        .join(table, linked, isouter=True)
        .where(cases.c.opened_ms >= since_ms)
        .order_by(cases.c.id)
    )
    return [
        _Ours(
            case=row.id,
            is_open=State(row.state) in OPEN_STATES,
            remote=row.remote or "",
            is_told=bool(row.told),
            waits=bool(row.waits),
            given_up=bool(row.given_up),
            status=row.status or "",
        )
        for row in connection.execute(query)
    ]


def _compare(ours: Sequence[_Ours], listed: Sequence[Theirs] | None) -> list[Difference]:
    by_case: dict[str, list[Theirs]] = defaultdict(list)
    by_remote = {theirs.remote: theirs for theirs in listed or ()}
    for theirs in listed or ():
        by_case[theirs.case].append(theirs)
    found: list[Difference] = []
    for one in ours:
        if one.waits or one.given_up:
            continue
        if not one.is_told:
            if one.is_open:
                found.append(_difference(Kind.UNTOLD, one))
        elif listed is not None:
            there = by_case[one.case] or [t for t in [by_remote.get(one.remote)] if t]
            found += _with_theirs(one, there)
    return found


def _with_theirs(one: _Ours, there: Sequence[Theirs]) -> list[Difference]:
    if not there:
        return [_difference(Kind.LOST, one)] if one.remote else []
    first = min(there, key=lambda theirs: (theirs.remote != one.remote, theirs.updated_ms))
    found = [_difference(Kind.DOUBLED, one, t.remote) for t in there if t is not first]
    if not one.remote:
        found.append(_difference(Kind.UNLINKED, one, first.remote))
    if first.status is Status.CLOSED and one.is_open and one.status != Status.CLOSED.value:
        found.append(_difference(Kind.CLOSED_THERE, one, first.remote))
    if first.status is Status.OPEN and not one.is_open:
        found.append(_difference(Kind.OPEN_THERE, one, first.remote))
    return found


def _difference(kind: Kind, one: _Ours, remote: str = "") -> Difference:
    return Difference(kind=kind, case=one.case, remote=remote or one.remote)


def _repair(connection: sa.Connection, name: str, found: Difference, now_ms: int) -> Difference:
    done = ""
    match found.kind:
        case Kind.UNTOLD:
            _tell_opening(connection, name, found.case, now_ms)
            done = "told from its opening"
        case Kind.LOST:
            _forget(connection, name, found.case)
            _tell_opening(connection, name, found.case, now_ms)
            done = "told again"
        case Kind.UNLINKED:
            links.remember(connection, name, found.case, Told(remote=found.remote))
            done = "number noted"
        case Kind.CLOSED_THERE:
            status = Theirs(
                remote=found.remote, status=Status.CLOSED, case=found.case, updated_ms=now_ms
            )
            links.take_status(connection, name, [status], now_ms)
            done = "noted in the trail"
        case Kind.DOUBLED | Kind.OPEN_THERE:
            pass  # theirs to close
    return Difference(kind=found.kind, case=found.case, remote=found.remote, repaired=done)


def _forget(connection: sa.Connection, name: str, case: str) -> None:
    table, told = schema.case_links, schema.case_deliveries
    mine = sa.and_(table.c.system == name, table.c.case == case)
    connection.execute(sa.update(table).where(mine).values(remote="", token="", status=""))
    connection.execute(sa.delete(told).where(told.c.system == name, told.c.case == case))


def _tell_opening(connection: sa.Connection, name: str, case: str, now_ms: int) -> None:
    """Write the whole trail down to be told, from its beginning."""
    events = schema.case_events
    query = (
        sa.select(events)
        .where(events.c.case == case, events.c.step.not_in(UNTOLD))
        .order_by(events.c.id)
    )
    deliveries.write_down(connection, name, list(connection.execute(query)), now_ms)
