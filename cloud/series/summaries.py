"""The statistics of one measurement, read from a store. For the API and the command line alike."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.core.averages import averaging_of
from cloud.core.rollup import DAY_MS, Tier, bucket_of
from cloud.core.schedule import DayHours
from cloud.core.statistics import Statistics, statistics
from cloud.errors import NotFoundError
from cloud.ports import SeriesStore
from cloud.state import schema

MOST_READINGS = 5_000_000  # 57 days of a reading a second: percentiles hold them all in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A measurement of a device, by the number of its series."""

    device: str
    measurement: str
    series: int
    period_s: float | None


def find(connection: sa.Connection, device: str, measurement: str) -> Subject:
    """Look a measurement up. Raises: NotFoundError, which says what there is."""
    period = connection.execute(
        sa.select(schema.devices.c.period_s).where(schema.devices.c.id == device)
    ).one_or_none()
    if period is None:
        raise NotFoundError(f"there is no device {device!r}")
    table = schema.series
    rows = connection.execute(
        sa.select(table.c.measurement, table.c.id)
        .where(table.c.device == device)
        .order_by(table.c.id)
    ).all()
    for row in rows:
        if row.measurement == measurement:
            return Subject(
                device=device, measurement=measurement, series=row.id, period_s=period.period_s
            )
    there_are = ", ".join(row.measurement for row in rows) or "none yet"
    raise NotFoundError(f"{device} has no measurement {measurement!r}; it has: {there_are}")


def summarise(
    store: SeriesStore,
    subject: Subject,
    from_ms: int,
    to_ms: int,
    *,
    zone: ZoneInfo,
    hours: DayHours,
    limit: float | None = None,
) -> Statistics:
    """Return the statistics of from_ms <= t < to_ms.

    Raises: StorageError; ValueError if the range is backwards, or holds too many readings.
    """
    if from_ms >= to_ms:
        raise ValueError("`from` must lie before `to`")
    begin_ms = bucket_of(Tier.DAY, from_ms, zone)
    days = store.stepped(subject.series, begin_ms, to_ms, DAY_MS)
    readings = sum(days.readings) + sum(days.excluded)
    if readings > MOST_READINGS:
        raise ValueError(
            f"{readings} readings in this range, more than {MOST_READINGS}; ask for a shorter one"
        )
    return statistics(
        store.range([subject.series], from_ms, to_ms),
        averaging_of(subject.measurement),
        from_ms=from_ms,
        to_ms=to_ms,
        period_s=subject.period_s,
        zone=zone,
        hours=hours,
        limit=limit,
    )
