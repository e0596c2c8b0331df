"""What the demo comes to: the figures, and whether they are as they must be. Pure."""

from __future__ import annotations

import msgspec

from contract.quantities import Kind

RETURNING = (Kind.GAS, Kind.MANHOLE)  # the scenario brings these back to normal in good time


class Buffer(msgspec.Struct, frozen=True):
    """What `gridwarden edge buffer --json` says."""

    published_readings: int
    held_readings: int


class Percentiles(msgspec.Struct, frozen=True):
    """Milliseconds; None where there was nothing to measure."""

    p50: float | None = None
    p99: float | None = None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """What `gridwarden cloud count --json` says."""

    stored: int
    duplicates: int
    alerts: dict[str, int]
    cases: dict[str, int]
    returned: dict[str, int]
    sensor_to_alert_ms: Percentiles


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The demo's last line."""

    published: int
    stored: int
    duplicates: int
    alerts: dict[str, int]
    cases: dict[str, int]
    sensor_to_alert_ms: Percentiles


def outcome(buffer: Buffer, count: Count) -> Outcome:
    """Put both sides' figures together, every kind named."""
    return Outcome(
        published=buffer.published_readings,
        stored=count.stored,
        duplicates=count.duplicates,
        alerts={kind.value: count.alerts.get(kind, 0) for kind in Kind},
        cases={kind.value: count.cases.get(kind, 0) for kind in Kind},
        sensor_to_alert_ms=count.sensor_to_alert_ms,
    )


def shortcomings(buffer: Buffer, count: Count) -> list[str]:
    """Return what is not as it must be; nothing if all is well."""
    found = []
    if buffer.published_readings == 0:
        found.append("the edge published nothing")
    if buffer.held_readings:
        found.append(f"the edge still holds {buffer.held_readings} readings")
    if count.stored != buffer.published_readings:
        found.append(f"published {buffer.published_readings} readings, stored {count.stored}")
    if count.duplicates:
        found.append(f"{count.duplicates} readings are stored twice")
    for kind in Kind:
        if not count.alerts.get(kind):
            found.append(f"no alert for {kind.value}")
        if not count.cases.get(kind):
            found.append(f"no case for {kind.value}")
    found += [
        f"no alert for {kind.value} returned to normal"
        for kind in RETURNING
        if not count.returned.get(kind)
    ]
    return found
