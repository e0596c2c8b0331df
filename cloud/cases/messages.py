"""Steps of cases as messages to others: the trail's line, with the case as it stands."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from cloud.core.case_message import Message
from cloud.core.case_steps import OPEN_STATES, State
from cloud.state import schema


def messages_of(
    connection: sa.Connection, events: Sequence[sa.Row[tuple[object, ...]]]
) -> list[Message]:
    """Return the messages of rows of case_events, in their order."""
    wanted = {event.case for event in events}
    cases, devices = schema.cases, schema.devices
    query = (
        sa.select(
            cases,
            sa.func.coalesce(cases.c.latitude, devices.c.latitude).label("lat"),
            sa.func.coalesce(cases.c.longitude, devices.c.longitude).label("long"),
            devices.c.address.label("device_address"),
        )
        .join(devices, devices.c.id == cases.c.device, isouter=True)
        .where(cases.c.id.in_(wanted))
    )
    found = {row.id: row for row in connection.execute(query)}
    alerts = _alerts(connection, wanted)
    return [_message(event, found[event.case], alerts[event.case]) for event in events]


def _message(
    event: sa.Row[tuple[object, ...]], case: sa.Row[tuple[object, ...]], alerts: list[str]
) -> Message:
    return Message(
        id=f"{event.case}.{event.id}",
        case=event.case,
        step=event.step,
        from_state=event.from_state,
        to_state=event.to_state,
        is_open=State(event.to_state) in OPEN_STATES,
        by=event.by,
        note=event.note,
        at_ms=event.at_ms,
        title=case.title,
        title_en=case.title_en,
        asset=case.asset,
        category=case.category,
        kind=case.kind,
        device=case.device or "",
        severity=case.severity,
        unit=case.unit,
        opened_ms=case.opened_ms,
        due_ms=case.due_ms,
        closed_ms=case.closed_ms,
        latitude=case.lat,
        longitude=case.long,
        address=case.address or case.device_address or "",
        alerts=tuple(alerts),
    )


def _alerts(connection: sa.Connection, wanted: set[str]) -> dict[str, list[str]]:
    table = schema.case_alerts
    rows = connection.execute(
        sa.select(table.c.case, table.c.alert)
        .where(table.c.case.in_(wanted))
        .order_by(table.c.attached_ms, table.c.alert)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        found[row.case].append(row.alert)
    return found
