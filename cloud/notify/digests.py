"""What was held told in one message, and floods that end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

import sqlalchemy as sa

from cloud.core import flood
from cloud.core.flood import Turn
from cloud.core.model import Severity
from cloud.core.rota import How
from cloud.core.telling import Way, What, Why
from cloud.notify import messages, rows
from cloud.notify.post import Post
from cloud.notify.rows import Fate, Telling
from cloud.state import schema

Row: TypeAlias = sa.Row[tuple[object, ...]]
_ORDER = {severity.value: -number for number, severity in enumerate(Severity)}


def due(now_ms: int) -> list[sa.Select[tuple[int]]]:
    """Return queries that find something if turn_floods() or make() would do anything."""
    held, floods = schema.notifications, schema.notify_floods
    return [
        sa.select(held.c.id).where(
            held.c.state == Fate.WAITING.value, held.c.hold != "", held.c.next_ms <= now_ms
        ),
        sa.select(floods.c.id).where(floods.c.ended_ms.is_(None)),
    ]


def turn_floods(post: Post) -> None:
    """End the floods that are over, with a digest; have the others' next digest at its time."""
    table, held, now_ms = schema.notify_floods, schema.notifications, post.now_ms
    for row in post.connection.execute(sa.select(table).where(table.c.ended_ms.is_(None))).all():
        if flood.turn(True, post.raised(row.person), post.policy.flood) is Turn.ENDS:
            post.connection.execute(
                sa.update(table).where(table.c.id == row.id).values(ended_ms=now_ms)
            )
            post.connection.execute(
                sa.update(held)
                .where(
                    held.c.person == row.person,
                    held.c.hold == "flood",
                    held.c.state == Fate.WAITING.value,
                )
                .values(next_ms=now_ms)
            )
            _flood_ended(post, row)
        elif row.digest_ms <= now_ms:
            later_ms = now_ms + post.policy.digest_ms
            post.connection.execute(
                sa.update(table).where(table.c.id == row.id).values(digest_ms=later_ms)
            )


def _flood_ended(post: Post, row: Row) -> None:
    person, bounds = post.person(row.person), post.policy.flood
    if person is not None:
        window = round(bounds.window_ms / 60_000)
        text = messages.say(
            "flood.ended", person.language, window=window, ends=bounds.ends, n=row.messages
        )
        base_url = post.policy.base_url
        about = messages.say("flood.count", person.language, n=row.messages)
        words = messages.plain(What.FLOOD_ENDED, about, text, post.words(person), base_url)
        post.announce(What.FLOOD_ENDED, f"{row.id}", {person.id: words})


def make(post: Post) -> None:
    """Put what is held and due into one message a person, way and reason; one alone stays."""
    table = schema.notifications
    found = post.connection.execute(
        sa.select(table)
        .where(
            table.c.state == Fate.WAITING.value, table.c.hold != "", table.c.next_ms <= post.now_ms
        )
        .order_by(table.c.id)
    ).all()
    groups: dict[tuple[str, str, str, str], list[Row]] = {}
    for row in found:
        groups.setdefault((row.person, row.channel, row.address, row.hold), []).append(row)
    for (_, _, _, hold), members in groups.items():
        if len(members) == 1 or not _digested(post, hold, members):
            ids = [row.id for row in members]
            post.connection.execute(sa.update(table).where(table.c.id.in_(ids)).values(hold=""))


def _digested(post: Post, hold: str, members: Sequence[Row]) -> bool:
    person = post.person(members[0].person)
    if person is None:
        return False
    ranked = sorted(members, key=lambda row: (_ORDER[row.severity], row.id))
    counts = Counter(row.severity for row in ranked)
    words = messages.digest(
        hold, [row.short for row in ranked], counts, post.words(person), post.policy.base_url
    )
    telling = Telling(
        what=What.DIGEST,
        event=f"{members[0].id}-{members[-1].id}",
        alert="",
        person=person,
        way=Way(channel=members[0].channel, to=members[0].address),
        severity=ranked[0].severity,
        why=_why(members[0]),
        words=words,
        next_ms=post.now_ms,
    )
    made = rows.insert(post.connection, [telling], post.now_ms)
    table, ids = schema.notifications, [row.id for row in members]
    post.connection.execute(
        sa.update(table)
        .where(table.c.id.in_(ids))
        .values(state=Fate.DIGESTED.value, digest=made[0], done_ms=post.now_ms)
    )
    return True


def _why(row: Row) -> Why:
    return Why(**{**row.why, "how": How(row.why["how"])})
