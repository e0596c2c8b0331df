"""Series of the installation's own parts: gateways and channels, whose alerts are of them.

They stand beside the devices' under names that no device can have; nothing is stored of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core.model import ConditionBegan, ConditionEnded
from cloud.core.rules import Rule
from cloud.state import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A part, as it is entered beside the devices. kind: of cloud.core.topology.OWN_KINDS."""

    device: str
    kind: str
    name: str
    measurement: str
    gateway: str = ""


def began(
    rule: Rule, device: str, series: int, *, from_ms: int, due_ms: int, now_ms: int
) -> ConditionBegan:
    """Say that a part's rule of its own is broken: its series is at 0."""
    return ConditionBegan(
        rule=rule.id,
        rule_version=rule.version,
        device=device,
        series=series,
        severity=rule.severity,
        began_ms=from_ms,
        due_ms=due_ms,
        observed_ms=now_ms,
        value=0.0,
        limit=rule.limit,
    )


def ended(rule: Rule, device: str, series: int, *, at_ms: int, now_ms: int) -> ConditionEnded:
    """Say that the part is well again: its series is at 1."""
    return ConditionEnded(
        rule=rule.id,
        device=device,
        series=series,
        ended_ms=at_ms,
        observed_ms=now_ms,
        value=1.0,
    )


def number(connection: sa.Connection, own: Own, now_ms: int) -> int:
    """Return a part's series, entering it on first use."""
    devices, series = schema.devices, schema.series
    mine = (series.c.device == own.device) & (series.c.measurement == own.measurement)
    known = connection.scalar(sa.select(series.c.id).where(mine))
    if known is not None:
        return int(known)
    row = {
        "id": own.device,
        "gateway": own.gateway,
        "kind": own.kind,
        "profile": "",
        "name": own.name,
        "asset": "",
        "owner": "",
        "address": "",
        "tags": {},
        "first_seen_ms": now_ms,
    }
    if connection.scalar(sa.select(devices.c.id).where(devices.c.id == own.device)) is None:
        connection.execute(sa.insert(devices).values(**row))
    found = (connection.scalar(sa.select(sa.func.max(series.c.id))) or 0) + 1
    line = {"id": found, "device": own.device, "measurement": own.measurement}
    connection.execute(sa.insert(series).values(**line))
    return found
