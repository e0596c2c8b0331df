"""Channels that tell nobody: one alert each while they are dead, like one of a gateway."""

from __future__ import annotations

import sqlalchemy as sa

from cloud import own_series
from cloud.alert_book import AlertChange, Book
from cloud.core.alert_policy import AlertPolicy
from cloud.core.isa_18_2 import State
from cloud.core.topology import CHANNEL, CHANNEL_RULE, WORKING, channel_id
from cloud.own_series import Own
from cloud.state import schema

_CHANNELS = schema.notify_channels
_TURNED = _CHANNELS.c.told_dead != _CHANNELS.c.dead_ms.is_not(None)


class Channels:
    """What has been made of channels that died or came back. Follows the database."""

    def __init__(self, policy: AlertPolicy) -> None:
        self._policy = policy
        self._looked = False  # at what was configured away meanwhile

    def is_due(self, connection: sa.Connection) -> bool:
        """Whether step() would do anything."""
        turned = sa.select(_CHANNELS.c.name).where(_TURNED).limit(1)
        if connection.execute(turned).first() is not None:
            return True
        return not self._looked and bool(_standing(connection))

    def step(self, connection: sa.Connection, now_ms: int) -> list[AlertChange]:
        """Raise an alert of each dead channel; return those of what works, or is not there."""
        self._looked = True
        dead = {
            row.name: row.dead_ms
            for row in connection.execute(
                sa.select(_CHANNELS).where(_CHANNELS.c.dead_ms.is_not(None))
            )
        }
        connection.execute(
            sa.update(_CHANNELS).where(_TURNED).values(told_dead=_CHANNELS.c.dead_ms.is_not(None))
        )
        standing = _standing(connection)
        began = [name for name in dead if channel_id(name) not in standing]
        ended = set(standing) - {channel_id(name) for name in dead}
        if not began and not ended:
            return []
        numbers = {name: _series(connection, name, now_ms) for name in began}
        series = {*numbers.values(), *(standing[device] for device in ended)}
        book = Book.load(connection, series, now_ms, self._policy)
        for name in began:
            device, at_ms = channel_id(name), dead[name]
            event = own_series.began(
                CHANNEL_RULE, device, numbers[name], from_ms=at_ms, due_ms=at_ms, now_ms=now_ms
            )
            book.began(event, CHANNEL_RULE)
        for device in sorted(ended):
            number = standing[device]
            book.ended(own_series.ended(CHANNEL_RULE, device, number, at_ms=now_ms, now_ms=now_ms))
        book.write(connection)
        return book.changes


def _standing(connection: sa.Connection) -> dict[str, int]:
    """Return the series of the alerts that have not returned, by device."""
    table = schema.alerts
    query = sa.select(table.c.device, table.c.series).where(
        table.c.rule == CHANNEL_RULE.id,
        table.c.state != State.NORM.value,
        table.c.returned_ms.is_(None),
    )
    return {row.device: row.series for row in connection.execute(query)}


def _series(connection: sa.Connection, channel: str, now_ms: int) -> int:
    own = Own(device=channel_id(channel), kind=CHANNEL, name=channel, measurement=WORKING)
    return own_series.number(connection, own, now_ms)
