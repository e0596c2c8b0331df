"""The newest reading of every series, kept as readings come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cloud.core.columns import Columns, concatenate

_NEVER = -(2**62)


class Newest:
    """Rows by series number; the cost of an addition does not grow with the series known."""

    def __init__(self) -> None:
        self._rows = _empty(0)

    def add(self, columns: Columns, upto_ms: int) -> None:
        """Note what is newer than what is known; of equal times, the last one told.

        upto_ms: what claims to be later is from the future, and would hide all that follows.
        """
        columns = columns.take(columns.observed_ms <= upto_ms)
        if not len(columns):
            return
        columns = columns.by_series_and_time()
        last = np.r_[columns.series[1:] != columns.series[:-1], True]
        columns = columns.take(last)
        self._grow(int(columns.series[-1]) + 1)
        newer = columns.observed_ms >= self._rows.observed_ms[columns.series]
        columns = columns.take(newer)
        self._rows.series[columns.series] = columns.series
        self._rows.observed_ms[columns.series] = columns.observed_ms
        self._rows.value[columns.series] = columns.value
        self._rows.quality[columns.series] = columns.quality

    def of(self, series: NDArray[np.int32]) -> Columns:
        """Return the newest reading of each series that has one, in the order asked for."""
        known = series[(series >= 0) & (series < len(self._rows))]
        return self._rows.take(known[self._rows.observed_ms[known] != _NEVER])

    def all(self) -> Columns:
        """Return all that is known, by series."""
        return self._rows.take(self._rows.observed_ms != _NEVER)

    def _grow(self, size: int) -> None:
        if size > len(self._rows):
            self._rows = concatenate(
                [self._rows, _empty(max(size, 2 * len(self._rows)) - len(self._rows))]
            )


def _empty(size: int) -> Columns:
    return Columns(
        series=np.zeros(size, np.int32),
        observed_ms=np.full(size, _NEVER, np.int64),
        value=np.full(size, np.nan),
        quality=np.zeros(size, np.uint16),
    )
