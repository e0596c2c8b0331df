"""Plain signals, from the words of docs/rules.md: one window, one moment, one value at a time.

They see all readings at once, in order of time, and know nothing of panes, blocks or watermarks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from contract.quality import UNUSABLE
from contract.quantities import Averaging
from tests.cloud.core.reference_checks import Plain


@dataclass(frozen=True)
class Spot:
    """A value of a signal; None for none, and then nothing can be told."""

    at_ms: int
    value: float | None


def is_usable(reading: Plain) -> bool:
    return reading.value is not None and not reading.quality & UNUSABLE


def in_order(readings: Sequence[Plain]) -> list[Plain]:
    return sorted({r.at_ms: r for r in reversed(readings)}.values(), key=lambda r: r.at_ms)


def mean_of(averaging: Averaging, values: list[float]) -> float | None:
    match averaging:
        case Averaging.ARITHMETIC:
            return math.fsum(values) / len(values)
        case Averaging.ENERGY:
            energy = math.fsum(10 ** (level / 10) for level in values) / len(values)
            return 10 * math.log10(energy)
        case Averaging.VECTOR:
            north = math.fsum(math.cos(math.radians(v)) for v in values)
            east = math.fsum(math.sin(math.radians(v)) for v in values)
            if math.hypot(north, east) <= 1e-9:
                return None
            return round(math.degrees(math.atan2(east, north)) % 360, 9) % 360
        case Averaging.MAXIMUM:
            return max(values)
        case Averaging.MINIMUM:
            return min(values)
        case Averaging.SUM:
            return math.fsum(values)
        case Averaging.LAST:
            return values[-1]


def percentile_of(percent: float, values: list[float]) -> float:
    """The value that so many per cent of the values do not exceed."""
    ordered = sorted(values)
    place = percent / 100 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def midnight_ms(day: datetime) -> int:
    local = datetime.combine(day.date(), time(0), day.tzinfo)
    return round(local.timestamp() * 1000)


def aligned_window(at_ms: int, span_ms: int, zone: ZoneInfo) -> tuple[int, int]:
    """When the window begins and ends that a moment lies in: side by side from midnight on."""
    day = datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(zone)
    midnight = midnight_ms(day)
    next_midnight = midnight_ms(day + timedelta(days=1))
    if span_ms == 86_400_000:
        return midnight, next_midnight
    begin = midnight
    while begin + span_ms <= at_ms:
        begin += span_ms
    return begin, min(begin + span_ms, next_midnight)


def aligned_spots(
    readings: Sequence[Plain],
    statistic: Callable[[list[float]], float | None],
    span_ms: int,
    zone: ZoneInfo,
    period_ms: float,
    valid_rate: float,
) -> list[Spot]:
    """One spot for each window that has any reading, at its end."""
    ordered = in_order(readings)
    windows = sorted({aligned_window(r.at_ms, span_ms, zone) for r in ordered})
    return [
        spot(ordered, statistic, begin, end, (end - begin) / period_ms, valid_rate)
        for begin, end in windows
    ]


def sliding_spots(
    readings: Sequence[Plain],
    statistic: Callable[[list[float]], float | None],
    span_ms: int,
    period_ms: float,
    valid_rate: float,
) -> list[Spot]:
    """One spot at the end of each twentieth of a window, by UTC, that has any reading."""
    ordered = in_order(readings)
    step_ms = span_ms // 20
    ends = sorted({(r.at_ms // step_ms + 1) * step_ms for r in ordered})
    due = span_ms / period_ms
    return [spot(ordered, statistic, end - span_ms, end, due, valid_rate) for end in ends]


def spot(
    ordered: list[Plain],
    statistic: Callable[[list[float]], float | None],
    begin: int,
    end: int,
    due: float,
    valid_rate: float,
) -> Spot:
    values = [
        r.value for r in ordered if begin <= r.at_ms < end and is_usable(r) and r.value is not None
    ]
    enough = bool(values) and len(values) >= valid_rate * max(1, round(due))
    value = statistic(values) if enough else None
    return Spot(end, None if value is None else round(value, 9))
