"""What becomes of messages that could not be sent: another way, another person, and a notice."""

from __future__ import annotations

from typing import TypeAlias

import sqlalchemy as sa

from cloud.core.model import Severity
from cloud.core.rota import How
from cloud.core.telling import ABOUT_TELLING, Way, What, Why, another_way
from cloud.notify import messages, rows
from cloud.notify.messages import Words
from cloud.notify.policy import Person, Policy
from cloud.notify.post import Post
from cloud.notify.rows import Fate, Telling
from cloud.state import schema

Row: TypeAlias = sa.Row[tuple[object, ...]]
MOST = 100
LOST = (Fate.REFUSED.value, Fate.GIVEN_UP.value)


def due(policy: Policy) -> list[sa.Select[tuple[int]] | sa.Select[tuple[str]]]:
    """Return queries that find something if follow_up() would do anything."""
    table = schema.notifications
    return [
        _unprobed(policy),
        sa.select(table.c.id).where(table.c.state.in_(LOST), ~table.c.followed),
        _stuck().with_only_columns(table.c.id),
    ]


def follow_up(post: Post) -> None:
    """Try dead channels; send on by other ways what did not get through."""
    _probe(post)
    for row in post.connection.execute(_stuck().limit(MOST)).all():
        moved = _by_another_way(post, row)
        state = {"state": Fate.MOVED.value, "done_ms": post.now_ms} if moved else {}
        _set(post, row, followed=True, **state)
    table = schema.notifications
    lost = sa.select(table).where(table.c.state.in_(LOST), ~table.c.followed).limit(MOST)
    for row in post.connection.execute(lost).all():
        _set(post, row, followed=True)
        if not _by_another_way(post, row) and row.what not in ABOUT_TELLING:
            _undelivered(post, row)


def _stuck() -> sa.Select[tuple[object, ...]]:
    """Find what waits for a dead channel and has not been looked at."""
    table, channels = schema.notifications, schema.notify_channels
    return (
        sa.select(table)
        .join(channels, channels.c.name == table.c.channel)
        .where(
            table.c.state == Fate.WAITING.value,
            table.c.hold == "",
            ~table.c.followed,
            channels.c.dead_ms.is_not(None),
        )
    )


def _probe(post: Post) -> None:
    """Have a message wait for each dead channel which says that it works: then it does."""
    for row in post.connection.execute(_unprobed(post.policy)).all():
        name = str(row.name)
        person, way = _over(post.policy, name)[0]
        text = messages.say("channel.back", person.language, channel=name)
        w, base_url = post.words(person), post.policy.base_url
        telling = Telling(
            what=What.TEST,
            event=f"{name}/{post.now_ms}",
            alert="",
            person=person,
            way=way,
            severity=Severity.LOW.value,
            why=Why(how=How.DEFAULT),
            words=messages.plain(What.TEST, name, text, w, base_url),
            next_ms=post.now_ms,
        )
        for made in rows.insert(post.connection, [telling], post.now_ms):
            table = schema.notifications
            probe = sa.update(table).where(table.c.id == made)
            post.connection.execute(probe.values(followed=True))  # by no other way


def _unprobed(policy: Policy) -> sa.Select[tuple[str]]:
    """Find the dead channels that reach somebody, and that no message waits for."""
    table, channels = schema.notifications, schema.notify_channels
    used = {way.channel for person in policy.people.values() for way in person.ways}
    waits = sa.exists().where(
        table.c.channel == channels.c.name,
        table.c.state == Fate.WAITING.value,
        table.c.followed,
    )
    return sa.select(channels.c.name).where(
        channels.c.dead_ms.is_not(None), channels.c.name.in_(used), ~waits
    )


def _over(policy: Policy, channel: str) -> list[tuple[Person, Way]]:
    """Return who is reached over a channel, those first who are told when nobody else is."""
    found = [
        (person, way)
        for person in policy.people.values()
        for way in person.ways
        if way.channel == channel
    ]
    return sorted(found, key=lambda one: one[0].id not in policy.default)


def _by_another_way(post: Post, row: Row) -> bool:
    """Write a message again for a way of its person that was not tried; False if there is none."""
    person, table = post.policy.people.get(row.person), schema.notifications
    if person is None:
        return False
    tried = post.connection.execute(
        sa.select(table.c.channel, table.c.address).where(table.c.message == row.message)
    )
    used = [Way(channel=each.channel, to=each.address) for each in tried]
    way = another_way(person.ways, used, post.dead)
    if way is None:
        return False
    values = dict(row._mapping) | {
        "key": rows.digest_of(row.message, way.channel, way.to),
        "channel": way.channel,
        "address": way.to,
        "next_ms": post.now_ms if row.attempts else row.next_ms,
        "state": Fate.WAITING.value,
        "attempts": 0,
        "followed": False,
        "done_ms": None,
        "error": "",
    }
    del values["id"]
    post.connection.execute(sa.insert(table).values(**values))
    return True


def _undelivered(post: Post, row: Row) -> None:
    """Have the default, but for that person, know whom nobody reached, and with what."""
    told = post.policy.people.get(row.person)
    name = told.name if told else row.person
    people: dict[str, Words] = {}
    for each in post.policy.default:
        person = post.person(each)
        if person is None or each == row.person:
            continue
        error = row.error or row.state
        intro = messages.say("undelivered.text", person.language, person=name, error=error)
        text, w, base_url = f"{intro}\n\n{row.body}", post.words(person), post.policy.base_url
        people[each] = messages.plain(What.UNDELIVERED, name, text, w, base_url)
    post.announce(What.UNDELIVERED, f"{row.id}", people, Severity(row.severity), row.alert)


def _set(post: Post, row: Row, **values: object) -> None:
    table = schema.notifications
    post.connection.execute(sa.update(table).where(table.c.id == row.id).values(**values))
