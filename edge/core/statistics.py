"""One figure out of many samples: means, equivalent and percentile levels.

Samples are taken at even intervals, so that each stands for the same time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from contract.quantities import Averaging


def mean(values: Sequence[float]) -> float:
    """Return the arithmetic mean of at least one value."""
    return math.fsum(values) / len(values)


def equivalent_level(levels: Sequence[float]) -> float:
    """Return the energy mean of at least one level: 10·lg of the mean of 10^(0.1·L).

    Args:    levels: dB.
    Source:  GB 3096-2008 §3.2, GB/T 3222.1: Leq = 10·lg[(1/N)·Σ10^(0.1·Li)].
    """
    most = max(levels)  # taken out, so that no power is too large or too small for a float
    return most + 10 * math.log10(mean([10 ** (0.1 * (level - most)) for level in levels]))


def percentile_level(descending: Sequence[float], percent: int) -> float:
    """Return LN: the level that is reached or exceeded N % of the time.

    Args:    descending: at least one level, dB, the greatest first. percent: N, 1 to 100.
    Source:  GB 3096-2008, definition of 累积百分声级: the least A-weighted level within the N % of
             the time in which levels are highest. L10 is the peak, L50 the median, L90 the
             background.
    """
    return descending[-(-len(descending) * percent // 100) - 1]


def average(way: Averaging, values: Sequence[float]) -> float:
    """Return one value for many, at least one, in order of time, as their quantity averages."""
    match way:
        case Averaging.ENERGY:
            return equivalent_level(values)
        case Averaging.VECTOR:
            return mean_direction(values)
        case Averaging.MAXIMUM:
            return max(values)
        case Averaging.MINIMUM:
            return min(values)
        case Averaging.SUM:
            return math.fsum(values)
        case Averaging.LAST:
            return values[-1]
        case Averaging.ARITHMETIC:
            return mean(values)


def mean_direction(degrees: Sequence[float]) -> float:
    """Return the direction of the sum of unit vectors, 0 to 360; of at least one."""
    east = math.fsum(math.sin(math.radians(each)) for each in degrees)
    north = math.fsum(math.cos(math.radians(each)) for each in degrees)
    return math.degrees(math.atan2(east, north)) % 360
