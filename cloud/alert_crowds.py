"""Alerts in company: what begins together is grouped, and a flood marks its first and its all.

Works on a Book before it is written, and touches alerts that were there before only to mark them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from cloud.alert_topics import FLOOD_BEGAN, FLOOD_ENDED
from cloud.core import flood, grouping
from cloud.core.alert_policy import AlertPolicy
from cloud.core.flood import Bounds, Turn
from cloud.core.grouping import Member
from cloud.core.isa_18_2 import State
from cloud.state import schema
from cloud.state.chunks import chunks

if TYPE_CHECKING:
    from cloud.alert_book import Book


@dataclass(frozen=True, slots=True, kw_only=True)
class Flood:
    """More alerts at a desk than a person can answer. first_alert: first-out."""

    id: int
    desk: str
    began_ms: int
    ended_ms: int | None
    first_alert: str
    alerts: int


def gather(connection: sa.Connection, book: Book) -> None:
    """Give a book's fresh alerts their groups, and those that were raised their flood."""
    _roll_up(connection, book)
    raised = [*book.raised(), *book.given()]
    desks = Counter(book.written[alert].desk for alert in raised)
    known = {each.desk: each for each in open_floods(connection)} if desks else {}
    for desk, number in desks.items():
        mine = [alert for alert in dict.fromkeys(raised) if book.written[alert].desk == desk]
        at = known.get(desk) or _begin(connection, book, desk, mine, number)
        if at:
            _mark(connection, book, at, mine)


def end_floods(connection: sa.Connection, policy: AlertPolicy, now_ms: int) -> int:
    """End the floods that are over, and tell it; return how many."""
    ended = 0
    bounds = _bounds(policy)
    for each in open_floods(connection):
        number = len(_raised_since(connection, each.desk, now_ms - bounds.window_ms))
        if flood.turn(True, number, bounds) is Turn.ENDS:
            table = schema.floods
            connection.execute(
                sa.update(table).where(table.c.id == each.id).values(ended_ms=now_ms)
            )
            _tell(connection, FLOOD_ENDED, replace(each, ended_ms=now_ms), now_ms)
            ended += 1
    return ended


def open_floods(connection: sa.Connection) -> list[Flood]:
    """Return the floods that are not over, the oldest first."""
    table = schema.floods
    query = sa.select(table).where(table.c.ended_ms.is_(None)).order_by(table.c.id)
    return [Flood(**row._mapping) for row in connection.execute(query)]


def _roll_up(connection: sa.Connection, book: Book) -> None:
    within_m = book.policy.group_within_m
    fresh = [
        Member(
            alert=alert.id,
            rule=alert.rule,
            area=alert.area,
            began_ms=alert.began_ms,
            place=book.watched[alert.series].place if within_m else None,
        )
        for alert in book.fresh()
    ]
    fresh = [one for one in fresh if one.area or one.place]
    if not fresh:
        return
    within_ms = round(book.policy.group_within_s * 1000)
    leaders = _leaders(connection, fresh, within_ms)
    groups = grouping.roll_up(fresh, leaders, within_ms, within_m)
    for alert, group in groups.items():
        book.written[alert] = replace(book.written[alert], group_id=group)


def _leaders(connection: sa.Connection, fresh: list[Member], within_ms: int) -> Iterator[Member]:
    """Yield those that lead a group now, near in time: in an area of these, or with a place."""
    table, devices = schema.alerts, schema.devices
    rules, areas = sorted({one.rule for one in fresh}), {one.area for one in fresh} - {""}
    first_ms = min(one.began_ms for one in fresh) - within_ms
    placed = any(one.place for one in fresh)
    query = (
        sa.select(
            *(table.c.id, table.c.rule, table.c.area, table.c.began_ms),
            *(devices.c.longitude, devices.c.latitude),
        )
        .join(devices, devices.c.id == table.c.device)
        .where(table.c.began_ms >= first_ms, table.c.group_id == table.c.id)
    )
    for some in chunks(rules):
        for row in connection.execute(query.where(table.c.rule.in_(some))):
            place = (row.longitude, row.latitude)
            if row.area in areas or (placed and None not in place):
                yield Member(
                    alert=row.id,
                    rule=row.rule,
                    area=row.area,
                    began_ms=row.began_ms,
                    group=row.id,
                    place=None if None in place else place,
                )


def _begin(
    connection: sa.Connection, book: Book, desk: str, mine: list[str], number: int
) -> Flood | None:
    """Begin a flood if there is one now, and take in what was raised in its window before."""
    bounds = _bounds(book.policy)
    before = _raised_since(connection, desk, book.recorded_ms - bounds.window_ms)
    if flood.turn(False, len(before) + number, bounds) is not Turn.BEGINS:
        return None
    earlier = list(dict.fromkeys(before))
    first = earlier[0] if earlier else min(mine, key=lambda a: (book.written[a].began_ms, a))
    at = Flood(
        id=0,
        desk=desk,
        began_ms=book.recorded_ms,
        ended_ms=None,
        first_alert=first,
        alerts=0,
    )
    row = {"desk": desk, "began_ms": at.began_ms, "first_alert": first, "alerts": 0}
    made = sa.insert(schema.floods).values(**row).returning(schema.floods.c.id)
    at = replace(at, id=connection.execute(made).scalar_one())
    _tell(connection, FLOOD_BEGAN, at, book.recorded_ms)
    _mark(connection, book, at, earlier)
    return at


def _mark(connection: sa.Connection, book: Book, at: Flood, alerts: list[str]) -> None:
    """Have alerts belong to a flood, in the book or, if they are not in it, in the database.

    What was given to somebody leaves the flood that it was in.
    """
    others = [alert for alert in alerts if alert not in book.written]
    left = Counter(book.written[alert].flood for alert in set(alerts) - set(others))
    left += _floods_of(connection, others)
    arrived = len(set(alerts)) - left[at.id]
    for alert in alerts:
        if alert in book.written:
            is_first = alert == at.first_alert
            book.written[alert] = replace(book.written[alert], flood=at.id, first_out=is_first)
    table = schema.alerts
    for some in chunks(others):
        connection.execute(
            sa.update(table)
            .where(table.c.id.in_(some))
            .values(
                flood=at.id, first_out=table.c.id == at.first_alert, version=table.c.version + 1
            )
        )
    floods = schema.floods
    moved = {flood: -number for flood, number in left.items() if flood not in (None, at.id)}
    for flood_id, number in (moved | {at.id: arrived}).items():
        connection.execute(
            sa.update(floods)
            .where(floods.c.id == flood_id, floods.c.ended_ms.is_(None))
            .values(alerts=floods.c.alerts + number)
        )


def _floods_of(connection: sa.Connection, alerts: Sequence[str]) -> Counter[int | None]:
    table, found = schema.alerts, Counter[int | None]()
    for some in chunks(alerts):
        query = sa.select(table.c.flood).where(table.c.id.in_(some))
        found += Counter(connection.scalars(query))
    return found


def _raised_since(connection: sa.Connection, desk: str, since_ms: int) -> list[str]:
    """Return the alerts of a desk that people were shown since then, once for each time."""
    events, alerts = schema.alert_events, schema.alerts
    query = (
        sa.select(events.c.alert)
        .join(alerts, alerts.c.id == events.c.alert)
        .where(
            events.c.recorded_ms > since_ms,
            events.c.to_state == State.UNACK.value,
            events.c.from_state != State.UNACK.value,
            alerts.c.desk == desk,
        )
        .order_by(events.c.id)
    )
    return list(connection.scalars(query))


def _bounds(policy: AlertPolicy) -> Bounds:
    return Bounds(
        begins=policy.flood_begins,
        ends=policy.flood_ends,
        window_ms=round(policy.flood_window_s * 1000),
    )


def _tell(connection: sa.Connection, topic: str, at: Flood, now_ms: int) -> None:
    payload = {"flood": at.id, "desk": at.desk, "first_alert": at.first_alert}
    made = sa.insert(schema.outbox).values(
        topic=topic, key=f"flood.{at.id}", payload=payload, created_ms=now_ms, done_ms=now_ms
    )
    connection.execute(made)
