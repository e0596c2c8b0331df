"""Is this value plausible? A strange one is data with a flag: never an exception, never dropped."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from contract.quality import Quality
from contract.readings import Reading

Ranges = Mapping[str, tuple[float, float]]


def validate(readings: Sequence[Reading], ranges: Ranges) -> Sequence[Reading]:
    """Flag what cannot be.

    Args:    readings: of one device. ranges: [lowest, highest] plausible value by measurement, in
             canonical units; a measurement without one is not checked for range.
    Returns: as many readings, in the same order. A value outside its range is kept and flagged
             OVER_RANGE; one that is no finite number becomes None with FAULT; None without a
             reason gets FAULT. Zero is a value like any other.
    """
    if all(_is_plausible(reading, ranges) for reading in readings):
        return readings
    return [_flagged(reading, ranges) for reading in readings]


def _is_plausible(reading: Reading, ranges: Ranges) -> bool:
    value = reading.value
    if value is None:
        return reading.quality is not Quality.NORMAL
    low, high = ranges.get(reading.measurement, _ANY)
    return low <= value <= high and math.isfinite(value)


def _flagged(reading: Reading, ranges: Ranges) -> Reading:
    if _is_plausible(reading, ranges):
        return reading
    value, quality = reading.value, reading.quality
    if value is None or not math.isfinite(value):
        value, quality = None, quality | Quality.FAULT
    else:
        quality |= Quality.OVER_RANGE
    return Reading(reading.device, reading.measurement, reading.observed_ms, value, quality)


_ANY = (-math.inf, math.inf)
