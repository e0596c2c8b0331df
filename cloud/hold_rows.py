"""The rows of holds: what keeps alerts from being raised."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, replace

import sqlalchemy as sa

from cloud.alert_topics import HOLD_BEGAN, HOLD_ENDED
from cloud.core.holds import Hold, HoldKind
from cloud.errors import NotFoundError
from cloud.state import schema
from cloud.state.values import values_of

MOST_PER_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldPage:
    """Holds, the newest made first. cursor: for the next page; None at the end."""

    holds: list[Hold]
    cursor: str | None


def new_id(made_ms: int) -> str:
    """Return an id that sorts by the time it was made."""
    packed = max(made_ms, 0).to_bytes(6, "big") + secrets.token_bytes(6)
    return base64.b32hexencode(packed).decode().rstrip("=").lower()


def hold_of(row: sa.Row[tuple[object, ...]]) -> Hold:
    """Return the hold that a row of `holds` is."""
    return Hold(**{**row._mapping, "kind": HoldKind(row.kind)})


def insert(connection: sa.Connection, hold: Hold) -> None:
    """Write a new hold; if it has begun, its beginning is told."""
    connection.execute(sa.insert(schema.holds), [values_of(hold)])
    if hold.begun:
        _tell(connection, HOLD_BEGAN, hold, hold.made_ms)


def begin(connection: sa.Connection, hold: Hold, now_ms: int) -> None:
    """Note that a hold's alerts have been told of it."""
    table = schema.holds
    connection.execute(sa.update(table).where(table.c.id == hold.id).values(begun=True))
    _tell(connection, HOLD_BEGAN, hold, now_ms)


def end(connection: sa.Connection, hold: Hold, now_ms: int, by: str = "") -> Hold:
    """End a hold, and tell it. by: "" where its time was up."""
    ended = replace(hold, ended_ms=now_ms, ended_by=by)
    table = schema.holds
    connection.execute(
        sa.update(table).where(table.c.id == hold.id).values(ended_ms=now_ms, ended_by=by)
    )
    if hold.begun:
        _tell(connection, HOLD_ENDED, ended, now_ms)
    return ended


def set_until(connection: sa.Connection, hold: str, until_ms: int | None) -> None:
    """Change when a hold ends by itself."""
    table = schema.holds
    connection.execute(sa.update(table).where(table.c.id == hold).values(until_ms=until_ms))


def load(connection: sa.Connection, hold: str, *, to_change: bool = False) -> Hold:
    """Return one hold. Raises: NotFoundError."""
    query = sa.select(schema.holds).where(schema.holds.c.id == hold)
    row = connection.execute(query.with_for_update() if to_change else query).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no hold {hold!r}")
    return hold_of(row)


def not_ended(connection: sa.Connection) -> list[Hold]:
    """Return the holds that are in force, planned, or due to be ended."""
    table = schema.holds
    query = sa.select(table).where(table.c.ended_ms.is_(None)).order_by(table.c.id)
    return [hold_of(row) for row in connection.execute(query)]


def some(connection: sa.Connection, wanted: set[str]) -> dict[str, Hold]:
    """Return these holds, by id."""
    table = schema.holds
    query = sa.select(table).where(table.c.id.in_(wanted))
    return {row.id: hold_of(row) for row in connection.execute(query)}


def page(
    connection: sa.Connection,
    *,
    kinds: tuple[HoldKind, ...] = (),
    ended: bool | None = None,
    cursor: str = "",
    limit: int = 100,
) -> HoldPage:
    """Return holds, the newest made first. ended: None is both."""
    table = schema.holds
    limit = max(1, min(limit, MOST_PER_PAGE))
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if kinds:
        query = query.where(table.c.kind.in_([kind.value for kind in kinds]))
    if ended is not None:
        query = query.where(table.c.ended_ms.is_not(None) == ended)
    if cursor:
        query = query.where(table.c.id < cursor)
    found = [hold_of(row) for row in connection.execute(query)]
    more = found[limit - 1].id if len(found) > limit else None
    return HoldPage(holds=found[:limit], cursor=more)


def in_force_between(connection: sa.Connection, from_ms: int, until_ms: int) -> list[Hold]:
    """Return the holds that were in force at any moment of a time, whatever became of them."""
    table = schema.holds
    query = sa.select(table).where(
        table.c.from_ms < until_ms,
        sa.or_(table.c.ended_ms.is_(None), table.c.ended_ms > from_ms),
        sa.or_(table.c.until_ms.is_(None), table.c.until_ms > from_ms),
    )
    return [hold_of(row) for row in connection.execute(query.order_by(table.c.id))]


def _tell(connection: sa.Connection, topic: str, hold: Hold, now_ms: int) -> None:
    made = sa.insert(schema.outbox).values(
        topic=topic, key=hold.id, payload=values_of(hold), created_ms=now_ms, done_ms=now_ms
    )
    connection.execute(made)
