"""What is known of an alert by those who tell it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud import alert_rows
from cloud.alert_rows import Alert
from cloud.core.gate import GatePolicy
from cloud.core.telling import Subject
from cloud.core.topology import CHANNEL
from cloud.notify.messages import Facts
from cloud.state import schema
from contract.quantities import unit_of

_UNITS = GatePolicy().units  # of devices whose owner is not known, as cases have it


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """An alert as routes and messages see it.

    follows: it belongs to the group of another alert of its rule in its area.
    """

    alert: Alert
    subject: Subject
    facts: Facts
    follows: bool

    @property
    def historical(self) -> bool:
        """Whether it was found in late readings: it wakes nobody."""
        return bool(getattr(self.alert, "historical", False)) or self.refuted

    @property
    def refuted(self) -> bool:
        """Whether late readings showed that it never was."""
        return getattr(self.alert, "refuted_ms", None) is not None


def known(
    connection: sa.Connection,
    alert_id: str,
    value: float | None = None,
    by: str = "",
    note: str = "",
) -> Known:
    """Read an alert and its device. Raises: NotFoundError."""
    alert = alert_rows.load(connection, alert_id)
    devices = schema.devices
    device = connection.execute(sa.select(devices).where(devices.c.id == alert.device)).one()
    unit = responsible(device.owner, alert.kind)
    return Known(
        alert=alert,
        subject=Subject(
            severity=alert.severity, kind=alert.kind, unit=unit, rule=alert.rule, tags=device.tags
        ),
        facts=Facts(
            alert=alert.id,
            title=alert.title,
            title_en=alert.title_en,
            device=alert.device,
            device_name=device.name or alert.device,
            address=device.address,
            unit=unit,
            kind=alert.kind,
            measurement=alert.measurement,
            measured_in=unit_of(alert.measurement),
            severity=alert.severity.value,
            value=alert.first_value if value is None else value,
            limit=alert.limit_value,
            began_ms=alert.began_ms,
            returned_ms=alert.returned_ms,
            source=alert.rule_source,
            source_zh=alert.rule_source_zh,
            by=by,
            part_of=_one_with(connection, alert),
            note=note or _failure(connection, device.name, alert),
        ),
        follows=alert.group_id not in ("", alert.id),
    )


def _failure(connection: sa.Connection, channel: str, alert: Alert) -> str:
    """Return what a channel says that is not back; "" for other alerts."""
    if alert.kind != CHANNEL or alert.returned_ms is not None:
        return ""
    table = schema.notify_channels
    row = connection.execute(sa.select(table).where(table.c.name == channel)).one_or_none()
    return f"{row.failures} × {row.error}" if row else ""


def _one_with(connection: sa.Connection, alert: Alert) -> str:
    """Return the alert whose condition a refuted one's was; "" for none: it never was."""
    if alert.refuted_ms is None:
        return ""
    table = schema.alerts
    until_ms = alert.began_ms if alert.returned_ms is None else alert.returned_ms
    query = sa.select(table.c.id).where(
        table.c.rule == alert.rule,
        table.c.series == alert.series,
        table.c.refuted_ms.is_(None),
        table.c.began_ms <= max(until_ms, alert.began_ms),
        sa.or_(table.c.returned_ms.is_(None), table.c.returned_ms > alert.began_ms),
    )
    return connection.scalar(query.limit(1)) or ""


def responsible(owner: str, kind: str) -> str:
    """Return the unit that is responsible for a device."""
    return owner or _UNITS.get(kind, "")
