"""What a pane keeps of its readings, by the statistic that is wanted: one or two numbers.

Panes merge into windows. A window's value is rounded to nine decimals: the energy mean of levels
of 60 dB is 60 dB, and not a little above.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.quantities import Averaging

DECIMALS = 9
_TENTH = np.log(10) / 10

Values = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """How readings become a pane's numbers, panes a window's, and those a value.

    parts:  how many numbers a pane keeps; start: what each is without readings
    of:     values to the numbers that join, one array a part
    join:   what joins them; None: the newest takes the place of the one before
    finish: (numbers, readings) to the value
    """

    parts: int = 1
    start: float = 0.0
    of: Callable[[Values], tuple[Values, ...]]
    join: np.ufunc | None = np.add
    finish: Callable[[list[Values], Counts], Values]

    def gather(self, into: list[Values], places: NDArray[np.intp], values: Values) -> None:
        """Join values to the numbers at places, in their order: exact, however they are cut."""
        for numbers, part in zip(into, self.of(values), strict=True):
            if self.join is None:
                numbers[places] = part  # of equal places the last one stays
            else:
                self.join.at(numbers, places, part)

    def merge(self, newer: Values, older: Values) -> Values:
        """Join the numbers of older panes to those of newer ones."""
        if self.join is None:
            return newer
        joined: Values = self.join(newer, older)
        return joined

    def value(self, numbers: list[Values], readings: Counts) -> Values:
        """Return the windows' values, NaN where there are no readings."""
        with np.errstate(all="ignore"):
            found = self.finish(numbers, readings)
        return np.where(readings > 0, np.round(found, DECIMALS), np.nan)


def _compass(values: Values) -> tuple[Values, ...]:
    angle = np.radians(values)
    return np.cos(angle), np.sin(angle)


def _direction(numbers: list[Values], _: Counts) -> Values:
    """Return the direction of summed unit vectors; none where they cancel out."""
    north, east = numbers
    found: Values = np.round(np.degrees(np.arctan2(east, north)) % 360, DECIMALS) % 360
    return np.where(np.hypot(north, east) > 1e-9, found, np.nan)


def _same(values: Values) -> tuple[Values, ...]:
    return (values,)


def _first(numbers: list[Values], _: Counts) -> Values:
    return numbers[0]


MINIMUM = Sum(start=np.inf, of=_same, join=np.minimum, finish=_first)
MAXIMUM = Sum(start=-np.inf, of=_same, join=np.maximum, finish=_first)
# Percentiles rest on the samples; their panes only count.
COUNT = Sum(parts=0, of=lambda _: (), finish=lambda _, n: n.astype(np.float64))

MEANS: dict[Averaging, Sum] = {
    Averaging.ARITHMETIC: Sum(of=_same, finish=lambda sums, n: sums[0] / n),
    Averaging.ENERGY: Sum(
        of=lambda levels: (np.exp(levels * _TENTH),),
        finish=lambda sums, n: np.log(sums[0] / n) / _TENTH,
    ),
    Averaging.VECTOR: Sum(parts=2, of=_compass, finish=_direction),
    Averaging.MAXIMUM: MAXIMUM,
    Averaging.MINIMUM: MINIMUM,
    Averaging.SUM: Sum(of=_same, finish=_first),
    Averaging.LAST: Sum(of=_same, join=None, finish=_first),
}
