"""Who was told what, and how the channels are: what the console, the API and the command show."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core.rota import How
from cloud.core.telling import What, Why
from cloud.notify.rows import Fate
from cloud.state import schema

MOST_PER_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message to one person by one way. digest: the message that told it."""

    id: int
    what: What
    alert: str
    case: str
    person: str
    channel: str
    address: str
    severity: str
    why: Why
    subject: str
    body: str
    created_ms: int
    next_ms: int
    hold: str
    state: Fate
    digest: int | None
    attempts: int
    done_ms: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt at a message; error is "" for one that succeeded."""

    at_ms: int
    channel: str
    took_ms: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """How a channel is. failures: in a row. dead_ms: since when nothing goes through it."""

    name: str
    kind: str
    failures: int
    ok_ms: int | None
    failed_ms: int | None
    error: str
    dead_ms: int | None
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Messages, the newest first. cursor: for the next page; None at the end."""

    entries: list[Entry]
    cursor: str | None


def entries(
    connection: sa.Connection,
    *,
    alert: str = "",
    person: str = "",
    states: Collection[Fate] = (),
    cursor: str = "",
    limit: int = 100,
) -> Page:
    """Return messages, the newest first. Raises: ValueError for a cursor that is none."""
    table = schema.notifications
    limit = max(1, min(limit, MOST_PER_PAGE))
    query = sa.select(table).order_by(table.c.id.desc()).limit(limit + 1)
    if alert:
        query = query.where(table.c.alert == alert)
    if person:
        query = query.where(table.c.person == person)
    if states:
        query = query.where(table.c.state.in_([state.value for state in states]))
    if cursor:
        if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 19):
            raise ValueError(f"{cursor!r} is no cursor")
        query = query.where(table.c.id < int(cursor))
    found = [_entry(row) for row in connection.execute(query)]
    more = str(found[limit - 1].id) if len(found) > limit else None
    return Page(entries=found[:limit], cursor=more)


def attempts(connection: sa.Connection, notification: int) -> list[Tried]:
    """Return every attempt at a message, the first one first."""
    table = schema.notify_attempts
    query = sa.select(table.c.at_ms, table.c.channel, table.c.took_ms, table.c.error).where(
        table.c.notification == notification
    )
    return [Tried(**row._mapping) for row in connection.execute(query.order_by(table.c.id))]


def channels(connection: sa.Connection) -> list[Channel]:
    """Return the channels by name, with how much waits for each."""
    table, messages = schema.notify_channels, schema.notifications
    waiting = connection.execute(
        sa.select(messages.c.channel, sa.func.count())
        .where(messages.c.state == Fate.WAITING.value)
        .group_by(messages.c.channel)
    )
    waits: dict[str, int] = {row[0]: row[1] for row in waiting}
    return [
        Channel(
            name=row.name,
            kind=row.kind,
            failures=row.failures,
            ok_ms=row.ok_ms,
            failed_ms=row.failed_ms,
            error=row.error,
            dead_ms=row.dead_ms,
            waiting=waits.get(row.name, 0),
        )
        for row in connection.execute(sa.select(table).order_by(table.c.name))
    ]


def _entry(row: sa.Row[tuple[object, ...]]) -> Entry:
    return Entry(
        id=row.id,
        what=What(row.what),
        alert=row.alert,
        case=row.case,
        person=row.person,
        channel=row.channel,
        address=row.address,
        severity=row.severity,
        why=Why(**{**row.why, "how": How(row.why["how"])}),
        subject=row.subject,
        body=row.body,
        created_ms=row.created_ms,
        next_ms=row.next_ms,
        hold=row.hold,
        state=Fate(row.state),
        digest=row.digest,
        attempts=row.attempts,
        done_ms=row.done_ms,
        error=row.error,
    )
