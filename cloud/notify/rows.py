"""The rows of messages, attempts, channels and stories."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

import sqlalchemy as sa

from cloud.core.telling import Story, Way, What, Why
from cloud.notify.messages import Words
from cloud.notify.policy import Person
from cloud.state import schema
from cloud.state.chunks import chunks


class Fate(StrEnum):
    """What became of a message."""

    WAITING = "waiting"
    SENT = "sent"
    DIGESTED = "digested"  # told in another message
    MOVED = "moved"  # sent by another way, as its channel is dead or refused it
    REFUSED = "refused"
    GIVEN_UP = "given up"
    SKIPPED = "skipped"  # it was over long before it could be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """A message to be written, before it has a row. event: what makes it one of its kind."""

    what: What
    event: str
    alert: str
    case: str = ""
    person: Person
    way: Way
    severity: str
    why: Why
    words: Words
    next_ms: int
    hold: str = ""
    fate: Fate = Fate.WAITING
    note: str = ""

    @property
    def message(self) -> str:
        """The same by every way of the person."""
        return digest_of(self.alert or self.case, self.event, self.what, self.person.id)

    @property
    def key(self) -> str:
        return digest_of(self.message, self.way.channel, self.way.to)


def digest_of(*parts: str) -> str:
    """Return 32 hex digits that stand for these words, the same after every restart."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def insert(connection: sa.Connection, tellings: Iterable[Telling], now_ms: int) -> list[int]:
    """Write messages, each once however often it is planned; return the ids of the new ones."""
    table, made = schema.notifications, []
    for each in tellings:
        known = connection.scalar(sa.select(table.c.id).where(table.c.key == each.key))
        if known is None:
            row = sa.insert(table).values(**_values(each, now_ms)).returning(table.c.id)
            made.append(connection.execute(row).scalar_one())
    return made


def _values(telling: Telling, now_ms: int) -> Mapping[str, object]:
    return {
        "key": telling.key,
        "message": telling.message,
        "what": telling.what.value,
        "alert": telling.alert,
        "case": telling.case,
        "person": telling.person.id,
        "channel": telling.way.channel,
        "address": telling.way.to,
        "language": telling.person.language,
        "severity": telling.severity,
        "why": asdict(telling.why) | {"how": telling.why.how.value},
        "subject": telling.words.subject,
        "body": telling.words.body,
        "short": telling.words.short,
        "created_ms": now_ms,
        "next_ms": telling.next_ms,
        "hold": telling.hold,
        "state": telling.fate.value,
        "attempts": 0,
        "done_ms": None if telling.fate is Fate.WAITING else now_ms,
        "followed": False,
        "error": telling.note,
    }


def story(connection: sa.Connection, alert: str) -> Story:
    """Return what is remembered of an alert."""
    table = schema.notify_stories
    row = connection.execute(sa.select(table).where(table.c.alert == alert)).one_or_none()
    if row is None:
        return Story()
    return Story(raised_ms=row.raised_ms, step=row.step, told=tuple(row.told))


def remember(connection: sa.Connection, alert: str, story: Story, next_ms: int | None) -> None:
    """Write what is remembered of an alert; nothing is forgotten as a row."""
    table = schema.notify_stories
    connection.execute(sa.delete(table).where(table.c.alert == alert))
    if story != Story():
        values = {
            "alert": alert,
            "raised_ms": story.raised_ms,
            "step": story.step,
            "told": list(story.told),
            "next_ms": next_ms,
        }
        connection.execute(sa.insert(table).values(**values))


def enter_channels(connection: sa.Connection, kinds: Mapping[str, str]) -> None:
    """Have a row for every configured channel, and none for others."""
    table = schema.notify_channels
    connection.execute(sa.delete(table).where(table.c.name.not_in(kinds)))
    known = set(connection.scalars(sa.select(table.c.name)))
    for name, kind in kinds.items():
        if name not in known:
            row = {"failures": 0, "error": "", "next_ms": 0, "told_dead": False}
            connection.execute(sa.insert(table).values(name=name, kind=kind, **row))


def dead_channels(connection: sa.Connection) -> frozenset[str]:
    """Return the channels that do not work."""
    table = schema.notify_channels
    return frozenset(
        connection.scalars(sa.select(table.c.name).where(table.c.dead_ms.is_not(None)))
    )


def tidy(connection: sa.Connection, now_ms: int, keep_ms: int, keep_rows: int) -> int:
    """Forget the oldest messages that are done, with their attempts; return how many."""
    table, attempts = schema.notifications, schema.notify_attempts
    ids = sa.select(table.c.id).order_by(table.c.id.desc()).offset(keep_rows).limit(1)
    last = connection.scalar(ids) or 0
    old = sa.and_(
        table.c.state != Fate.WAITING.value,
        sa.or_(table.c.id <= last, table.c.created_ms < now_ms - keep_ms),
    )
    gone: Collection[int] = connection.scalars(sa.select(table.c.id).where(old)).all()
    for some in chunks(list(gone)):
        connection.execute(sa.delete(attempts).where(attempts.c.notification.in_(some)))
        connection.execute(sa.delete(table).where(table.c.id.in_(some)))
    floods = schema.notify_floods
    connection.execute(sa.delete(floods).where(floods.c.ended_ms < now_ms - keep_ms))
    return len(gone)
