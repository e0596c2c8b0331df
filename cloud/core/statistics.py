"""The statistics of one series over a stretch of time: levels of noise, percentiles, exceedances.

Every figure tells how many readings it rests on. Percentiles interpolate between readings, and
each reading weighs the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from cloud.core.averages import average, usable
from cloud.core.columns import Columns
from cloud.core.schedule import DayHours, era_at
from contract.quality import Quality
from contract.quantities import Averaging

PERCENTS = (5, 10, 50, 90, 95)
NIGHT_PENALTY_DB = 10.0
STRETCH = 1.5  # a reading stands until the next, if that comes within so many periods
DEFAULT_PERIOD_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One statistic: its name, its value (None without readings), and how many it rests on."""

    name: str
    value: float | None
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceedance:
    """For how long the values were above a limit.

    minutes: a reading stands until the next one, for a period at most where that is late
    share:   of the time that readings stand for, 0 to 1; None without readings
    """

    limit: float
    minutes: float
    share: float | None
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """What n readings come to.

    excluded:   readings that do not count, quality: every flag that any reading has
    due:        how many readings the period asks for; None where it is not known
    valid_rate: usable / due, at most 1. Source: VDR = n/N, HJ 906-2017
    """

    readings: int
    excluded: int
    quality: Quality
    due: int | None
    valid_rate: float | None
    figures: tuple[Figure, ...]
    exceedance: Exceedance | None


def statistics(
    columns: Columns,
    averaging: Averaging,
    *,
    from_ms: int,
    to_ms: int,
    period_s: float | None,
    zone: ZoneInfo,
    hours: DayHours,
    limit: float | None = None,
) -> Statistics:
    """Return the statistics of one series' readings, sorted by time, in from_ms <= t < to_ms."""
    good = usable(columns)
    valid = columns.take(good)
    due = due_readings(from_ms, to_ms, period_s)
    if averaging is Averaging.ENERGY:
        figures = tuple(noise_figures(valid, zone, hours))
    else:
        figures = tuple(plain_figures(valid, averaging))
    return Statistics(
        readings=len(valid),
        excluded=len(columns) - len(valid),
        quality=Quality(int(np.bitwise_or.reduce(columns.quality, initial=np.uint16(0)))),
        due=due,
        valid_rate=min(1.0, len(valid) / due) if due else None,
        figures=figures,
        exceedance=None if limit is None else exceedance(columns, good, limit, period_s),
    )


def due_readings(from_ms: int, to_ms: int, period_s: float | None) -> int | None:
    """Return how many readings a period asks for in a stretch; None where it is not known."""
    return max(1, round((to_ms - from_ms) / (period_s * 1000))) if period_s else None


def noise_figures(valid: Columns, zone: ZoneInfo, hours: DayHours) -> Iterator[Figure]:
    """Yield LAeq, Lmax, Lmin, LN, Ld, Ln and Ldn of sound levels.

    LN is the level exceeded N % of the time. Ldn weighs day and night by their hours and adds
    10 dB to the night. Source: GB 3096-2008; docs/series.md.
    """
    n = len(valid)
    yield Figure(name="LAeq", value=_mean(valid, Averaging.ENERGY), readings=n)
    yield Figure(name="Lmax", value=float(valid.value.max()) if n else None, readings=n)
    yield Figure(name="Lmin", value=float(valid.value.min()) if n else None, readings=n)
    for percent in PERCENTS:
        level = float(np.percentile(valid.value, 100 - percent)) if n else None
        yield Figure(name=f"L{percent}", value=level, readings=n)
    is_day = by_day(valid.observed_ms, zone, hours)
    day, night = valid.take(is_day), valid.take(~is_day)
    ld, ln = _mean(day, Averaging.ENERGY), _mean(night, Averaging.ENERGY)
    yield Figure(name="Ld", value=ld, readings=len(day))
    yield Figure(name="Ln", value=ln, readings=len(night))
    yield Figure(name="Ldn", value=day_night_level(ld, ln, hours), readings=n)


def plain_figures(valid: Columns, averaging: Averaging) -> Iterator[Figure]:
    """Yield the average, and where the quantity has an order, its extremes and percentiles.

    PN is the value that N % of the readings do not exceed. The name of the average is its way.
    """
    n = len(valid)
    yield Figure(name=averaging.value, value=_mean(valid, averaging), readings=n)
    if averaging is Averaging.VECTOR:
        return
    yield Figure(name="min", value=float(valid.value.min()) if n else None, readings=n)
    yield Figure(name="max", value=float(valid.value.max()) if n else None, readings=n)
    if averaging in (Averaging.SUM, Averaging.LAST):
        return
    for percent in PERCENTS:
        value = float(np.percentile(valid.value, percent)) if n else None
        yield Figure(name=f"P{percent}", value=value, readings=n)


def day_night_level(ld: float | None, ln: float | None, hours: DayHours) -> float | None:
    """Return Ldn; None without both.

    Source: 10·lg{[16·10^(0.1·Ld) + 8·10^(0.1·(Ln+10))]/24}, with the hours of day and night.
    """
    if ld is None or ln is None:
        return None
    begins, ends = hours.begins, hours.ends
    day_h = ends.hour - begins.hour + (ends.minute - begins.minute) / 60
    day = day_h * 10 ** (ld / 10)
    night = (24 - day_h) * 10 ** ((ln + NIGHT_PENALTY_DB) / 10)
    return 10 * math.log10((day + night) / 24)


def by_day(observed_ms: NDArray[np.int64], zone: ZoneInfo, hours: DayHours) -> NDArray[np.bool_]:
    """Return which moments lie in the local day; the others lie in the night. (n,) to (n,)."""
    is_day = np.zeros(len(observed_ms), np.bool_)
    place = 0
    while place < len(observed_ms):
        era = era_at(int(observed_ms[place]), zone, hours)
        until = int(np.searchsorted(observed_ms, era.until_ms))
        is_day[place:until] = era.is_day
        place = until
    return is_day


def exceedance(
    columns: Columns, good: NDArray[np.bool_], limit: float, period_s: float | None
) -> Exceedance:
    """Return for how long usable values were above a limit; columns are sorted by time."""
    spans_ms = _spans(columns.observed_ms, period_s)
    above = good & (columns.value > limit)
    stood_ms = float(spans_ms[good].sum())
    above_ms = float(spans_ms[above].sum())
    return Exceedance(
        limit=limit,
        minutes=above_ms / 60_000,
        share=above_ms / stood_ms if stood_ms else None,
        readings=int(above.sum()),
    )


def _spans(observed_ms: NDArray[np.int64], period_s: float | None) -> NDArray[np.float64]:
    """Return how long each reading stands for."""
    steps = np.diff(observed_ms).astype(np.float64)
    if period_s:
        period_ms = period_s * 1000
    else:
        period_ms = float(np.median(steps)) if len(steps) else DEFAULT_PERIOD_MS
    spans = np.append(steps, period_ms)[: len(observed_ms)]
    return np.where(spans > STRETCH * period_ms, period_ms, spans)


def _mean(valid: Columns, averaging: Averaging) -> float | None:
    return average(averaging, valid.value, valid.observed_ms) if len(valid) else None
