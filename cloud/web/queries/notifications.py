"""Who was told what, as people see it."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from cloud.notify import log
from cloud.notify.log import Channel, Entry
from cloud.notify.rows import Fate
from cloud.web import notify_models as models
from cloud.web.models import Page


def page(
    connection: sa.Connection,
    *,
    alert: str = "",
    person: str = "",
    states: Collection[Fate] = (),
    limit: int,
    cursor: str = "",
) -> Page[models.Notification]:
    """Return messages, the newest first. Raises: ValueError for a cursor that is none."""
    found = log.entries(
        connection, alert=alert, person=person, states=states, limit=limit, cursor=cursor
    )
    return Page[models.Notification](items=list(map(_entry, found.entries)), next=found.cursor)


def attempts(connection: sa.Connection, notification: int) -> list[models.NotificationAttempt]:
    """Return every attempt at a message, the first one first."""
    return [
        models.NotificationAttempt(
            at_ms=each.at_ms, channel=each.channel, took_s=each.took_ms / 1000, error=each.error
        )
        for each in log.attempts(connection, notification)
    ]


def channels(connection: sa.Connection) -> list[models.NotifyChannel]:
    """Return the channels by name."""
    return list(map(_channel, log.channels(connection)))


def _entry(entry: Entry) -> models.Notification:
    why = entry.why
    return models.Notification(
        id=entry.id,
        what=entry.what.value,
        alert=entry.alert,
        case=entry.case,
        person=entry.person,
        channel=entry.channel,
        severity=entry.severity,
        why=models.Why(how=why.how.value, route=why.route, step=why.step + 1, rota=why.rota),
        subject=entry.subject,
        created_ms=entry.created_ms,
        due_ms=entry.next_ms,
        hold=entry.hold,
        state=entry.state.value,
        digest=entry.digest,
        attempts=entry.attempts,
        done_ms=entry.done_ms,
        error=entry.error,
    )


def _channel(channel: Channel) -> models.NotifyChannel:
    return models.NotifyChannel(
        name=channel.name,
        kind=channel.kind,
        dead=channel.dead_ms is not None,
        dead_ms=channel.dead_ms,
        failures=channel.failures,
        ok_ms=channel.ok_ms,
        failed_ms=channel.failed_ms,
        error=channel.error,
        waiting=channel.waiting,
    )
