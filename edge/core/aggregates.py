"""Statistics over periods of the clock, from the faster samples that a device gives.

Pure: samples in, readings out. A period begins and ends with the clock's own minutes and hours
(UTC; the zones of China are whole hours from it). It is closed `late_ms` after its end, so that
samples that come late or in disorder still count; later ones are left out, and counted.

The rate of valid data is valid samples by those due: by the period and the device's own interval,
not by how long the agent has run, so that a period cut by a restart tells how little it rests on.
Below `least_percent` the figures are marked INCOMPLETE. A period without any sample gives nothing:
that the device is silent has been told.
Source: HJ 906-2017 (valid-data rate n/N), GB 3095 (an hour needs 45 minutes: 75 %).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from contract.aggregates import LEVEL, OF_LEVELS, PERIODS_MS, computed_names
from contract.quality import UNUSABLE, Quality
from contract.quantities import split_measurement
from contract.readings import Reading
from edge.core.statistics import equivalent_level, mean, percentile_level

# What a figure takes over from the samples that it rests on.
TAKEN_OVER = Quality.CLOCK_UNSURE | Quality.STUCK
DECIMALS = 3

Series: TypeAlias = tuple[str, str]  # device, measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is computed of one series: over which periods, from samples every so many seconds."""

    periods: tuple[str, ...]
    every_s: float


@dataclass(slots=True)
class _Bucket:
    """The samples of one period: the valid ones, and how many there were in all."""

    values: array[float] = field(default_factory=lambda: array("d"))
    samples: int = 0
    quality: Quality = Quality.NORMAL


class Aggregates:
    """All series of one agent. late: samples that came after their period was closed.

    late_ms, least_percent: may be changed; they hold for what is closed from then on.
    """

    def __init__(
        self, wanted: Mapping[Series, Wanted], *, late_ms: int, least_percent: float
    ) -> None:
        self.late_ms, self.least_percent = late_ms, least_percent
        self._wanted: Mapping[Series, Wanted] = {}
        self._open: dict[tuple[Series, str, int], _Bucket] = {}
        self._closed_ms = 0
        self.late = 0
        self.want(wanted)

    def want(self, wanted: Mapping[Series, Wanted]) -> None:
        """Compute these from now on; what is open of those that stay is kept."""
        self._wanted = dict(wanted)
        self._open = {
            key: bucket
            for key, bucket in self._open.items()
            if key[0] in wanted and key[1] in wanted[key[0]].periods
        }

    def add(self, readings: Iterable[Reading], now_ms: int) -> None:
        """Count samples in. now_ms: UTC milliseconds, as for close()."""
        if not self._wanted:
            return
        now_ms = max(now_ms, self._closed_ms)
        for reading in readings:
            series = (reading.device, reading.measurement)
            wanted = self._wanted.get(series)
            if wanted is not None:
                for period in wanted.periods:
                    self._count(series, period, reading, now_ms)

    def close(self, now_ms: int) -> list[Reading]:
        """Return the figures of the periods that are over.

        A clock that goes back opens no period again that was closed.
        """
        self._closed_ms = now_ms = max(now_ms, self._closed_ms)
        over = [key for key in self._open if self._is_over(key[1], key[2], now_ms)]
        return [
            reading
            for series, period, from_ms in sorted(over, key=lambda key: (key[2], key[0]))
            for reading in self._figures(
                series, period, from_ms, self._open.pop((series, period, from_ms))
            )
        ]

    def _is_over(self, period: str, from_ms: int, now_ms: int) -> bool:
        return from_ms + PERIODS_MS[period] + self.late_ms <= now_ms

    def _count(self, series: Series, period: str, reading: Reading, now_ms: int) -> None:
        from_ms = reading.observed_ms - reading.observed_ms % PERIODS_MS[period]
        if self._is_over(period, from_ms, now_ms):
            self.late += 1
            return
        bucket = self._open.setdefault((series, period, from_ms), _Bucket())
        bucket.samples += 1
        if reading.value is not None and not reading.quality & UNUSABLE:
            bucket.values.append(reading.value)
            bucket.quality |= reading.quality & TAKEN_OVER

    def _figures(self, series: Series, period: str, from_ms: int, bucket: _Bucket) -> list[Reading]:
        device, measurement = series
        due = max(1, int(PERIODS_MS[period] / 1000 // self._wanted[series].every_s))
        percent = round(100 * min(len(bucket.values), due) / due, DECIMALS)
        quality = bucket.quality | Quality.COMPUTED
        enough = bool(bucket.values) and percent >= self.least_percent
        rated = quality if enough else quality | Quality.INCOMPLETE
        *names, rate = computed_names(measurement, period)
        values = _statistics(measurement, bucket.values)
        found = [
            Reading(device, name, from_ms, value, rated)
            for name, value in zip(names, values, strict=True)
        ]
        return [*found, Reading(device, rate, from_ms, percent, quality)]


def _statistics(measurement: str, values: Sequence[float]) -> list[float | None]:
    """Return them in the order of computed_names; None where there is nothing to rest on."""
    is_level = split_measurement(measurement)[0] == LEVEL
    if not values:
        return [None] * (len(OF_LEVELS) if is_level else 1)
    if not is_level:
        return [round(mean(values), DECIMALS)]
    descending = sorted(values, reverse=True)
    return [
        round(equivalent_level(values), DECIMALS),
        *(percentile_level(descending, percent) for percent in (10, 50, 90)),
        descending[0],
    ]
