"""Values as whole numbers and how many decimals they have: exact to the bit, or not at all.

61.3 is 613 with one decimal. Whole numbers pack into a byte where doubles take eight, and
dividing by a power of ten gives the very same double back, for both numbers are exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_DECIMALS = 6
POWERS = 10.0 ** np.arange(MOST_DECIMALS + 1)
_LARGEST = 2.0**31


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaled:
    """n values. Where `exact`, the value is scaled / 10 ** decimals, to the bit."""

    scaled: NDArray[np.int32]
    decimals: NDArray[np.uint8]
    exact: NDArray[np.bool_]


def scale(series: NDArray[np.int32], value: NDArray[np.float64]) -> Scaled:
    """Find each series' decimals, as few as do for all its values that have them.

    Args: series: shape (n,), equal ones together. value: shape (n,); NaN is never exact.
    """
    if not len(series):
        return Scaled(
            scaled=np.empty(0, np.int32),
            decimals=np.empty(0, np.uint8),
            exact=np.empty(0, np.bool_),
        )
    starts = np.flatnonzero(np.r_[True, series[1:] != series[:-1]])
    needed = np.maximum.reduceat(_needed(value), starts)
    decimals = np.repeat(needed, np.diff(np.r_[starts, len(series)]))
    whole, exact = _try(value, POWERS[decimals])
    return Scaled(scaled=np.where(exact, whole, 0).astype(np.int32), decimals=decimals, exact=exact)


def unscale(scaled: NDArray[np.int32], decimals: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return the values that scale() took apart."""
    return np.asarray(scaled / POWERS[decimals], np.float64)


def _needed(value: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return how many decimals each value has; 0 for one that has too many."""
    needed = np.zeros(len(value), np.uint8)
    left = np.flatnonzero(np.isfinite(value))
    for decimals in range(MOST_DECIMALS + 1):
        if not len(left):
            break
        exact = _try(value[left], POWERS[decimals])[1]
        needed[left[exact]] = decimals
        left = left[~exact]
    return needed


def _try(
    value: NDArray[np.float64], power: NDArray[np.float64] | np.float64
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    with np.errstate(invalid="ignore", over="ignore"):
        whole = np.rint(value * power)
        same = (whole / power == value) & (np.abs(whole) < _LARGEST)
    return whole, same & ~((value == 0) & np.signbit(value))  # a whole number has no -0.0
