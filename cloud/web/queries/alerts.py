"""Alerts as people see them: cloud/alerts.py's, with the device's name and the unit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa

from cloud import alert_crowds, alerts, hold_rows
from cloud.alert_rows import Alert, AlertEvent, alert_of
from cloud.core.holds import Hold
from cloud.core.isa_18_2 import State
from cloud.state import schema
from cloud.state.values import values_of
from cloud.web import models
from cloud.web.queries.devices import names_of
from contract.quantities import unit_of

OPEN = tuple(state for state in State if state is not State.NORM)


def page(
    connection: sa.Connection,
    *,
    states: Collection[State] = (),
    kind: str = "",
    device: str = "",
    since_ms: int | None = None,
    records: Collection[alerts.Record] = (),
    group: str = "",
    flood: int | None = None,
    assignee: str | None = None,
    limit: int,
    cursor: str = "",
) -> models.Page[models.Alert]:
    """Return alerts, the latest begun first."""
    found = alerts.list_alerts(
        connection,
        states=states,
        kind=kind,
        device=device,
        since_ms=since_ms,
        records=records,
        group=group,
        flood=flood,
        assignee=assignee,
        cursor=cursor,
        limit=limit,
    )
    return models.Page[models.Alert](items=views(connection, found.alerts), next=found.cursor)


def one(connection: sa.Connection, alert: str) -> models.AlertDetail:
    """Return an alert with its events, oldest first, and its cases. Raises: NotFoundError."""
    found = alerts.get_alert(connection, alert)
    view = views(connection, [found.alert])[0]
    return models.AlertDetail(
        **view.model_dump(),
        events=[_event(event) for event in found.events],
        cases=found.cases,
    )


def some(connection: sa.Connection, wanted: Collection[str]) -> list[models.Alert]:
    """Return these alerts."""
    table = schema.alerts
    rows = connection.execute(sa.select(table).where(table.c.id.in_(wanted)).order_by(table.c.id))
    return views(connection, map(alert_of, rows))


def views(connection: sa.Connection, found: Iterable[Alert]) -> list[models.Alert]:
    """Return alerts as people see them, in the same order."""
    rows = list(found)
    names = names_of(connection, {alert.device for alert in rows})
    held = hold_rows.some(connection, {alert.held_by for alert in rows} - {""})
    return [_view(alert, names, held.get(alert.held_by)) for alert in rows]


def hold_view(hold: Hold) -> models.Hold:
    """Return a hold as people see it."""
    return models.Hold(**values_of(hold))  # type: ignore[arg-type]


def floods(connection: sa.Connection) -> list[models.Flood]:
    """Return the floods that are not over."""
    return [models.Flood(**values_of(each)) for each in alert_crowds.open_floods(connection)]  # type: ignore[arg-type]


def counts(connection: sa.Connection) -> dict[tuple[str, str], int]:
    """Return how many open alerts there are by (state, severity)."""
    table = schema.alerts
    rows = connection.execute(
        sa.select(table.c.state, table.c.severity, sa.func.count())
        .where(table.c.state != State.NORM.value)
        .group_by(table.c.state, table.c.severity)
    )
    return {(state, severity): number for state, severity, number in rows}


def _view(alert: Alert, names: Mapping[str, str], hold: Hold | None) -> models.Alert:
    return models.Alert(
        id=alert.id,
        rule=alert.rule,
        title=alert.title,
        title_en=alert.title_en,
        rule_version=alert.rule_version,
        rule_source=alert.rule_source,
        rule_source_zh=alert.rule_source_zh or alert.rule_source,
        device=alert.device,
        device_name=names.get(alert.device) or alert.device,
        kind=alert.kind,
        measurement=alert.measurement,
        unit=unit_of(alert.measurement),
        severity=alert.severity.value,
        state=alert.state.value,
        limit=alert.limit_value,
        first_value=alert.first_value,
        began_ms=alert.began_ms,
        due_ms=alert.due_ms,
        recorded_ms=alert.recorded_ms,
        returned_ms=alert.returned_ms,
        acknowledged_ms=alert.acknowledged_ms,
        acknowledged_by=alert.acknowledged_by,
        ended_ms=alert.ended_ms,
        historical=alert.historical,
        refuted_ms=alert.refuted_ms,
        version=alert.version,
        assignee=alert.assignee,
        group=alert.group_id,
        flood=alert.flood,
        first_out=alert.first_out,
        hold=hold_view(hold) if hold else None,
    )


def _event(event: AlertEvent) -> models.AlertEvent:
    return models.AlertEvent(
        at_ms=event.at_ms,
        event=event.event.value,
        from_state=event.from_state.value,
        to_state=event.to_state.value,
        by=event.by,
        note=event.note,
        value=event.value,
    )
