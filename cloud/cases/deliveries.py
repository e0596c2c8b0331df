"""What each other case system must still be told: one row per step of a case, kept until it is.

The trail of the cases is the truth: feed() writes down, for a system, every step that it has not
been given yet. Order is kept per (system, case): nothing is claimed behind what is not finished.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from cloud.cases.lists import ids_of_unit
from cloud.cases.messages import messages_of
from cloud.core.case_message import Message
from cloud.core.case_steps import Step
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import ledger, schema
from cloud.state.upsert import upsert

FEED = 200  # steps written down in one transaction
# A transaction may commit its step after one with a higher number: what is younger is looked
# through again.
SETTLED_MS = 600_000
UNTOLD = (Step.ELSEWHERE.value,)  # what another system said; it would come back as an echo


class State(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DONE = "done"
    DEAD = "dead"
    GIVEN_UP = "given up"


UNFINISHED = (State.WAITING.value, State.DEAD.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One step on its way. attempts: this one is counted. token: what the claim was made with."""

    id: int
    system: str
    case: str
    message: Message
    state: State
    attempts: int
    next_attempt_ms: int
    created_ms: int
    done_ms: int | None
    error: str
    by: str


def feed(connection: sa.Connection, system: str, now_ms: int) -> int:
    """Write down what a system must be told, and return how much there was.

    A system that is new is told what happens from now on; open cases from before are told when
    something happens to them, or when they are reconciled.
    """
    seen = connection.scalar(
        sa.select(schema.case_systems.c.event).where(schema.case_systems.c.name == system)
    )
    if seen is None:
        newest = connection.scalar(sa.select(sa.func.max(schema.case_events.c.id))) or 0
        row = {"name": system, "event": newest}
        connection.execute(sa.insert(schema.case_systems), [row])
        return 0
    rows = _fresh(connection, system, seen)
    write_down(connection, system, rows, now_ms)
    if len(rows) < FEED:
        _move_on(connection, system, seen, now_ms)
    return len(rows)


def has_news(connection: sa.Connection, system: str) -> bool:
    """Whether feed() would have anything to do."""
    table = schema.case_systems
    seen = connection.scalar(sa.select(table.c.event).where(table.c.name == system))
    return seen is None or bool(_fresh(connection, system, seen, 1))


def write_down(
    connection: sa.Connection,
    system: str,
    events: list[sa.Row[tuple[object, ...]]],
    now_ms: int,
) -> None:
    """Add deliveries of rows of case_events, in their order; what is there stays as it is."""
    rows = [
        {
            "system": system,
            "case": message.case,
            "event": event.id,
            "message": msgspec.json.encode(message).decode(),
            "state": State.WAITING.value,
            "created_ms": now_ms,
        }
        for event, message in zip(events, messages_of(connection, events), strict=True)
    ]
    if rows:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(make(schema.case_deliveries).on_conflict_do_nothing(), rows)


def _fresh(
    connection: sa.Connection, system: str, seen: int, limit: int = FEED
) -> list[sa.Row[tuple[object, ...]]]:
    events, told = schema.case_events, schema.case_deliveries
    is_told = sa.exists().where(told.c.system == system, told.c.event == events.c.id)
    query = (
        sa.select(events)
        .where(events.c.id > seen, events.c.step.not_in(UNTOLD), ~is_told)
        .order_by(events.c.id)
        .limit(limit)
    )
    return list(connection.execute(query))


def _move_on(connection: sa.Connection, system: str, seen: int, now_ms: int) -> None:
    events, systems = schema.case_events, schema.case_systems
    settled = sa.select(sa.func.max(events.c.id)).where(
        events.c.id > seen, events.c.at_ms <= now_ms - SETTLED_MS
    )
    newest = connection.scalar(settled)
    if newest is not None:
        connection.execute(sa.update(systems).where(systems.c.name == system).values(event=newest))


# --- delivering --------------------------------------------------------------------------------


def due(connection: sa.Connection, system: str, now_ms: int) -> Delivery | None:
    """Return the oldest delivery that may be tried now, of those that stand first of their case."""
    table = schema.case_deliveries
    earlier = table.alias("earlier")
    behind = sa.exists().where(
        earlier.c.system == table.c.system,
        earlier.c.case == table.c.case,
        earlier.c.id < table.c.id,
        earlier.c.done_ms.is_(None),
    )
    query = (
        sa.select(table)
        .where(
            table.c.system == system,
            table.c.done_ms.is_(None),  # this is what the index is of
            table.c.state == State.WAITING.value,
            table.c.next_attempt_ms <= now_ms,
            ~behind,
        )
        .order_by(table.c.id)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else delivery_of(row)


def claim(connection: sa.Connection, found: Delivery, until_ms: int) -> Delivery | None:
    """Count an attempt, and keep others away until a time; None if somebody was faster.

    Whoever dies with a claim leaves it to run out: then it is an attempt of unknown outcome.
    """
    table = schema.case_deliveries
    row = connection.execute(
        sa.update(table)
        .where(_mine(found))
        .values(attempts=table.c.attempts + 1, next_attempt_ms=until_ms)
        .returning(table)
    ).one_or_none()
    return None if row is None else delivery_of(row)


def finish(
    connection: sa.Connection, claimed: Delivery, state: State, now_ms: int, note: str = ""
) -> bool:
    """Mark a claimed delivery; False if the claim had run out and was taken by another."""
    done_ms = now_ms if state not in (State.WAITING, State.DEAD) else None
    return _mark(connection, claimed, state=state.value, done_ms=done_ms, error=note)


def postpone(connection: sa.Connection, claimed: Delivery, until_ms: int, error: str) -> bool:
    """Have a claimed delivery tried again at a time."""
    return _mark(connection, claimed, next_attempt_ms=until_ms, error=error)


def _mark(connection: sa.Connection, claimed: Delivery, **values: object) -> bool:
    table = schema.case_deliveries
    done = connection.execute(sa.update(table).where(_mine(claimed)).values(**values))
    return done.rowcount == 1


def _mine(delivery: Delivery) -> sa.ColumnElement[bool]:
    table = schema.case_deliveries
    return sa.and_(
        table.c.id == delivery.id,
        table.c.attempts == delivery.attempts,
        table.c.state == State.WAITING.value,
    )


# --- what people do ----------------------------------------------------------------------------


def unfinished(
    connection: sa.Connection, *, for_unit: str = "", limit: int = 500
) -> list[Delivery]:
    """Return what is refused or has failed, the dead first, then the oldest.

    for_unit: only of cases that this unit may see; "" for all.
    """
    table = schema.case_deliveries
    troubled = sa.or_(
        table.c.state == State.DEAD.value,
        sa.and_(table.c.state == State.WAITING.value, table.c.error != ""),
    )
    query = (
        sa.select(table)
        .where(table.c.done_ms.is_(None), troubled)
        .order_by(table.c.state, table.c.id)
        .limit(limit)
    )
    if for_unit:
        query = query.where(table.c.case.in_(ids_of_unit(for_unit)))
    return [delivery_of(row) for row in connection.execute(query)]


def counts(connection: sa.Connection, for_unit: str = "") -> dict[tuple[str, State], int]:
    """Return how many deliveries there are of each system in each state."""
    table = schema.case_deliveries
    query = sa.select(table.c.system, table.c.state, sa.func.count().label("n"))
    if for_unit:
        query = query.where(table.c.case.in_(ids_of_unit(for_unit)))
    rows = connection.execute(query.group_by(table.c.system, table.c.state))
    return {(row.system, State(row.state)): row.n for row in rows}


def require_seen(connection: sa.Connection, delivery: int, unit: str) -> None:
    """Refuse a delivery of a case that is not for this unit's eyes. Raises: NotFoundError."""
    table = schema.case_deliveries
    mine = table.c.case.in_(ids_of_unit(unit))
    found = sa.select(table.c.id).where(table.c.id == delivery, mine)
    if unit and connection.scalar(found) is None:
        raise NotFoundError(f"there is no delivery {delivery} of {unit}")


def retry(connection: sa.Connection, delivery: int, by: str, now_ms: int) -> Delivery:
    """Have a dead or a waiting delivery tried at once. Raises: NotFoundError, ConflictError."""
    found = _unfinished(connection, delivery)
    table = schema.case_deliveries
    values = {"state": State.WAITING.value, "next_attempt_ms": now_ms, "by": by}
    connection.execute(sa.update(table).where(table.c.id == delivery).values(**values))
    _audit(connection, "case_delivery.retried", found, by, found.error, now_ms)
    return _load(connection, delivery)


def give_up(
    connection: sa.Connection, delivery: int, by: str, reason: str, now_ms: int
) -> list[Delivery]:
    """Tell a system nothing of a step; if it does not know the case yet, nothing of the case.

    Returns: all that were given up. Raises: NotFoundError; ConflictError; InvalidError without a
    reason.
    """
    if not reason.strip():
        raise InvalidError("giving up needs a reason")
    found = _unfinished(connection, delivery)
    table, links = schema.case_deliveries, schema.case_links
    link = connection.execute(
        sa.select(links).where(links.c.system == found.system, links.c.case == found.case)
    ).one_or_none()
    given = [table.c.id == delivery]
    if link is None or not (link.remote or link.token):
        key = {"system": found.system, "case": found.case}
        since_ms = link.since_ms if link else now_ms
        upsert(connection, links, {**key, "since_ms": since_ms, "given_up": reason.strip()})
        given = [table.c.system == found.system, table.c.case == found.case]
    values = {"state": State.GIVEN_UP.value, "done_ms": now_ms, "error": reason.strip(), "by": by}
    rows = connection.execute(
        sa.update(table)
        .where(*given, table.c.state.in_(UNFINISHED))
        .values(**values)
        .returning(table)
    )
    _audit(connection, "case_delivery.given_up", found, by, reason.strip(), now_ms)
    return [delivery_of(row) for row in rows]


def _unfinished(connection: sa.Connection, delivery: int) -> Delivery:
    found = _load(connection, delivery)
    if found.state.value not in UNFINISHED:
        raise ConflictError(f"delivery {delivery} is {found.state.value}: there is nothing to do")
    return found


def _load(connection: sa.Connection, delivery: int) -> Delivery:
    table = schema.case_deliveries
    query = sa.select(table).where(table.c.id == delivery).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no delivery {delivery}")
    return delivery_of(row)


def _audit(
    connection: sa.Connection, action: str, found: Delivery, by: str, note: str, now_ms: int
) -> None:
    subject = f"{found.system} {found.message.id}"
    ledger.audit(connection, who=by, action=action, subject=subject, note=note, at_ms=now_ms)


def delivery_of(row: sa.Row[tuple[object, ...]]) -> Delivery:
    """Return the delivery that a row is."""
    return Delivery(
        id=row.id,
        system=row.system,
        case=row.case,
        message=msgspec.json.decode(row.message, type=Message),
        state=State(row.state),
        attempts=row.attempts,
        next_attempt_ms=row.next_attempt_ms,
        created_ms=row.created_ms,
        done_ms=row.done_ms,
        error=row.error,
        by=row.by,
    )
