"""What the rule engine found, as rows: the record that late readings are held against."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
import sqlalchemy as sa

from cloud.alert_book import AlertChange
from cloud.core.hindsight import Pair, Recorded
from cloud.core.isa_18_2 import State
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, ConditionRose
from cloud.state import schema
from cloud.state.chunks import chunks

PRUNED_AT_ONCE = 5_000


class _Began(msgspec.Struct, frozen=True, array_like=True, tag=True):
    event: ConditionBegan


class _Rose(msgspec.Struct, frozen=True, array_like=True, tag=True):
    event: ConditionRose


class _Ended(msgspec.Struct, frozen=True, array_like=True, tag=True):
    event: ConditionEnded


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Began | _Rose | _Ended).decode


def append(
    connection: sa.Connection,
    events: Sequence[ConditionEvent],
    changes: Iterable[AlertChange],
) -> None:
    """Record events in their order, with the alerts that they changed."""
    if not events:
        return
    changed = {(change.rule, change.series, change.at_ms): change.alert for change in changes}
    is_open = open_alerts(connection, {event.series for event in events})
    write(
        connection,
        [
            Recorded(
                event=event,
                alert=changed.get((event.rule, event.series, event.observed_ms))
                or is_open.get((event.rule, event.series), ""),
            )
            for event in events
        ],
    )


def write(connection: sa.Connection, record: Iterable[Recorded]) -> None:
    """Add events to the record."""
    rows = [
        {
            "rule": one.event.rule,
            "series": one.event.series,
            "observed_ms": one.event.observed_ms,
            "alert": one.alert,
            "data": _encode(_wrapped(one.event)),
        }
        for one in record
    ]
    if rows:
        connection.execute(sa.insert(schema.conditions), rows)


def since(connection: sa.Connection, series: Collection[int], from_ms: int) -> list[Recorded]:
    """Return what is recorded of some series from a time on, in its order."""
    table = schema.conditions
    query = (
        sa.select(table.c.alert, table.c.data)
        .where(table.c.series.in_(series), table.c.observed_ms >= from_ms)
        .order_by(table.c.observed_ms, table.c.id)
    )
    return [_recorded(*row) for row in connection.execute(query)]


def raised_before(
    connection: sa.Connection, series: Collection[int], before_ms: int
) -> dict[Pair, Recorded]:
    """Return the conditions that held just before a time, with the events that began them."""
    table = schema.conditions
    place = sa.func.row_number().over(
        partition_by=(table.c.rule, table.c.series),
        order_by=(table.c.observed_ms.desc(), table.c.id.desc()),
    )
    ranked = (
        sa.select(table.c.alert, table.c.data, place.label("place"))
        .where(table.c.series.in_(series), table.c.observed_ms < before_ms)
        .subquery()
    )
    last = sa.select(ranked.c.alert, ranked.c.data).where(ranked.c.place == 1)
    found = [_recorded(*row) for row in connection.execute(last)]
    return {one.pair: one for one in found if not isinstance(one.event, ConditionEnded)}


def begun_before(connection: sa.Connection, pairs: Collection[Pair], before_ms: int) -> list[int]:
    """Return when the conditions began that each pair had last before a time."""
    table = schema.conditions
    found: list[int] = []
    for rule, series in pairs:
        query = (
            sa.select(table.c.alert, table.c.data)
            .where(table.c.rule == rule, table.c.series == series, table.c.observed_ms < before_ms)
            .order_by(table.c.observed_ms.desc(), table.c.id.desc())
        )
        for row in connection.execute(query):
            event = _recorded(*row).event
            if isinstance(event, ConditionBegan):
                found.append(event.began_ms)
                break
    return found


def of_alert(connection: sa.Connection, alert: str) -> list[ConditionEvent]:
    """Return the events that an alert is made of, in their order."""
    table = schema.conditions
    query = (
        sa.select(table.c.alert, table.c.data)
        .where(table.c.alert == alert)
        .order_by(table.c.observed_ms, table.c.id)
    )
    return [_recorded(*row).event for row in connection.execute(query)]


def forget(connection: sa.Connection, pair: Pair, from_ms: int) -> None:
    """Take a pair's events from a time on out of the record."""
    table = schema.conditions
    connection.execute(
        sa.delete(table).where(
            table.c.rule == pair[0], table.c.series == pair[1], table.c.observed_ms >= from_ms
        )
    )


def prune(connection: sa.Connection, before_ms: int, most: int = PRUNED_AT_ONCE) -> int:
    """Forget conditions that had ended before a time, and return how many events.

    What holds stays whole, and so does what belongs to an alert that has later events. Of a long
    record a piece is forgotten at a time. most: events looked at.
    """
    table = schema.conditions
    later = table.alias("later")
    has_later = sa.exists().where(
        later.c.alert == table.c.alert, later.c.alert != "", later.c.observed_ms >= before_ms
    )
    query = (
        sa.select(table.c.id, table.c.rule, table.c.series, table.c.alert, table.c.data)
        .where(table.c.observed_ms < before_ms, ~has_later)
        .order_by(table.c.series, table.c.rule, table.c.observed_ms, table.c.id)
        .limit(most)
    )
    doomed: list[int] = []
    running: list[int] = []
    kept: set[str] = set()  # alerts of which something stays
    of: dict[int, str] = {}
    last: tuple[str, int] | None = None
    for row in connection.execute(query):
        pair, of[row.id] = (row.rule, row.series), row.alert
        if pair != last:
            kept |= {of[number] for number in running}
            running, last = [], pair
        running.append(row.id)
        if isinstance(_decode(row.data).event, ConditionEnded):
            doomed += running
            running = []
    kept |= {of[number] for number in running}
    gone = [number for number in doomed if not of[number] or of[number] not in kept]
    for some in chunks(gone):
        connection.execute(sa.delete(table).where(table.c.id.in_(some)))
    return len(gone)


def open_alerts(connection: sa.Connection, series: Collection[int]) -> dict[Pair, str]:
    """Return the open alert of each rule and series that has one."""
    table = schema.alerts
    found: dict[Pair, str] = {}
    for some in chunks(sorted(series)):
        rows = connection.execute(
            sa.select(table.c.rule, table.c.series, table.c.id).where(
                table.c.series.in_(some), table.c.state != State.NORM.value
            )
        )
        found |= {(row.rule, row.series): row.id for row in rows}
    return found


def _wrapped(event: ConditionEvent) -> _Began | _Rose | _Ended:
    if isinstance(event, ConditionBegan):
        return _Began(event)
    return _Rose(event) if isinstance(event, ConditionRose) else _Ended(event)


def _recorded(alert: str, data: bytes) -> Recorded:
    return Recorded(event=_decode(data).event, alert=alert)
