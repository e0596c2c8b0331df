"""Rollups: buckets of a minute, an hour and a day, and which of them a stepped query may use.

Minutes and hours are UTC's. A day is the city's, from local midnight to local midnight, because Ld,
Ln and every daily limit are.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cloud.core.averages import Rolled, merge, of_readings
from cloud.core.columns import Columns

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
# Each divides the day, or is days.
STEPS_MS = tuple(
    1_000 * seconds
    for seconds in (
        *(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_200, 1_800),
        *(3_600, 7_200, 10_800, 21_600, 43_200, 86_400),
    )
)


class Tier(StrEnum):
    """How fine a rollup is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


def bucket_starts(tier: Tier, at_ms: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return where the bucket begins that each moment lies in. shape (n,) to (n,)."""
    if tier is Tier.MINUTE:
        return at_ms - at_ms % MINUTE_MS
    if tier is Tier.HOUR:
        return at_ms - at_ms % HOUR_MS
    if not len(at_ms):
        return at_ms
    found = midnights(int(at_ms.min()), int(at_ms.max()), zone)
    return found[np.searchsorted(found, at_ms, side="right") - 1]


def bucket_of(tier: Tier, at_ms: int, zone: ZoneInfo) -> int:
    """Return where the bucket begins that a moment lies in."""
    return int(bucket_starts(tier, np.array([at_ms], np.int64), zone)[0])


def bucket_end(tier: Tier, from_ms: int, zone: ZoneInfo) -> int:
    """Return where the bucket ends that begins at from_ms."""
    if tier is Tier.MINUTE:
        return from_ms + MINUTE_MS
    if tier is Tier.HOUR:
        return from_ms + HOUR_MS
    return int(midnights(from_ms, from_ms, zone)[1])


def roll(columns: Columns, ways: NDArray[np.int8], zone: ZoneInfo) -> dict[Tier, Rolled]:
    """Roll readings up into all tiers, each from the one before where that fits.

    Args: columns: sorted by series and time, or it takes longer. ways: by series number.
    """
    rows = of_readings(columns, ways)
    minutes = merge(rows, ways, bucket_starts(Tier.MINUTE, rows.from_ms, zone))
    hours = merge(minutes, ways, bucket_starts(Tier.HOUR, minutes.from_ms, zone))
    days = bucket_starts(Tier.DAY, hours.from_ms, zone)
    if (days % HOUR_MS).any():  # a zone of half hours: an hour of UTC may lie in two days
        days = bucket_starts(Tier.DAY, minutes.from_ms, zone)
        return {
            Tier.MINUTE: minutes,
            Tier.HOUR: hours,
            Tier.DAY: merge(minutes, ways, days),
        }
    return {Tier.MINUTE: minutes, Tier.HOUR: hours, Tier.DAY: merge(hours, ways, days)}


def tier_for(from_ms: int, step_ms: int, zone: ZoneInfo) -> Tier | None:
    """Return the coarsest tier whose buckets never lie across two steps; None: readings it is.

    Steps of whole days begin at local midnight, and only where the clock is never changed.
    """
    if step_ms % DAY_MS == 0 and _days_are_even(from_ms, zone):
        return Tier.DAY
    if step_ms % HOUR_MS == 0 and from_ms % HOUR_MS == 0:
        return Tier.HOUR
    if step_ms % MINUTE_MS == 0 and from_ms % MINUTE_MS == 0:
        return Tier.MINUTE
    return None


def step_for(span_ms: int, points: int) -> int:
    """Return the least round step, in milliseconds, that needs no more points than that."""
    for step_ms in STEPS_MS:
        if step_ms * points >= span_ms:
            return step_ms
    days = -(-span_ms // (points * DAY_MS))
    return days * DAY_MS


def aligned(from_ms: int, step_ms: int, zone: ZoneInfo) -> int:
    """Return where the step begins that from_ms lies in: days at local midnight, others by UTC."""
    if step_ms % DAY_MS == 0:
        return bucket_of(Tier.DAY, from_ms, zone)
    return from_ms - from_ms % step_ms


def _days_are_even(from_ms: int, zone: ZoneInfo) -> bool:
    """Whether from_ms is a local midnight in a zone without summer time, then and now."""
    year = [datetime.fromtimestamp(from_ms / 1000, UTC) + timedelta(days) for days in (-183, 0)]
    offsets = {at.astimezone(zone).utcoffset() for at in year}
    return len(offsets) == 1 and bucket_of(Tier.DAY, from_ms, zone) == from_ms


def midnights(first_ms: int, last_ms: int, zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the local midnights from the last one at or before first_ms to past last_ms."""
    day = datetime.fromtimestamp(first_ms // 1000, UTC).astimezone(zone).date()
    found: list[int] = []
    while not found or found[-1] <= last_ms:
        found.append(_midnight_ms(day, zone))
        day += timedelta(1)
    return np.array(found, np.int64)


def _midnight_ms(day: date, zone: ZoneInfo) -> int:
    return round(datetime.combine(day, time(0), zone).timestamp() * 1000)
