"""What the device's page shows beside its chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.completeness import Report
from cloud.core.completeness import Part
from cloud.web.console.views import percent
from cloud.web.limits import Limit
from cloud.web.pages import render
from cloud.web.queries.devices import Sensor, latest_values
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording

REASONS = ("silent", "given_up", "offline", "hole", "unexplained")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement in the table of values."""

    measurement: str
    unit: str
    label: str
    value: str
    quality: str
    stale: bool
    observed_ms: int
    limits: Sequence[Limit]


def head(sensor: Sensor, w: Wording) -> str:
    """Draw what is known of a device."""
    online = w("online" if sensor.gateway_online else "offline")
    tags = w("list.comma").join(f"{key}={value}" for key, value in sorted(sensor.tags.items()))
    facts = [
        (w("device.address"), sensor.place.address),
        (w("device.owner"), sensor.owner),
        (w("device.asset"), sensor.asset),
        (w("device.gateway"), f"{sensor.gateway} · {online}" if sensor.gateway else w("itself")),
        (w("device.profile"), sensor.profile),
        (w("device.period"), w.seconds(sensor.period_s) if sensor.period_s else ""),
        (w("device.tags"), tags),
    ]
    known = [(label, value) for label, value in facts if value]
    return render("device_head.html", w=w, sensor=sensor, facts=known)


def completeness(report: Report, w: Wording) -> str:
    """Draw how complete the last days are, and why they are not."""
    rates = {
        day.day: percent(day.part.arrived, day.part.arrived + day.part.missing)
        for day in report.days
    }
    whys = {
        day.day: w("list.comma").join(
            w(f"complete.{reason}", n=getattr(day.part, reason))
            for reason in REASONS
            if getattr(day.part, reason)
        )
        for day in report.days
    }
    days = [day for day in report.days if day.part != Part()]
    return render("completeness.html", w=w, days=days, report=report, rates=rates, whys=whys)


def values(
    sensor: Sensor,
    snapshot: Snapshot,
    limits: dict[str, list[Limit]],
    now_ms: int,
    w: Wording,
) -> str:
    """Draw the newest value of each measurement."""
    rows = [
        Row(
            measurement=value.measurement,
            unit=value.unit,
            label=w.measurement(value.measurement),
            value=w.value(value.value, value.measurement, value.unit),
            quality=w.quality(value.quality),
            stale=value.stale,
            observed_ms=value.observed_ms,
            limits=limits.get(value.measurement, []),
        )
        for value in latest_values(sensor, snapshot.latest, now_ms)
    ]
    return render("device_values.html", w=w, rows=rows, now_ms=now_ms)
