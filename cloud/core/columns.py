"""Readings in columns: what a block holds, what rules evaluate, what the series store seals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """n readings.

    series:      shape (n,), int32, ids of the series table
    observed_ms: shape (n,), int64, UTC milliseconds
    value:       shape (n,), float64, canonical unit; NaN for a reading that has no value
    quality:     shape (n,), uint16, contract.quality.Quality flags
    """

    series: NDArray[np.int32]
    observed_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    quality: NDArray[np.uint16]

    def __len__(self) -> int:
        return len(self.series)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Columns:
        """Return the rows named by index or by mask, in that order."""
        return Columns(
            series=self.series[rows],
            observed_ms=self.observed_ms[rows],
            value=self.value[rows],
            quality=self.quality[rows],
        )

    def slice(self, begin: int, end: int) -> Columns:
        """Return the rows from begin to before end, without copying."""
        return Columns(
            series=self.series[begin:end],
            observed_ms=self.observed_ms[begin:end],
            value=self.value[begin:end],
            quality=self.quality[begin:end],
        )

    def by_series_and_time(self) -> Columns:
        """Return the rows sorted by series, then time; equal ones keep their order."""
        return self.take(np.lexsort((self.observed_ms, self.series)))


def concatenate(parts: Sequence[Columns]) -> Columns:
    """Join columns end to end; none at all gives empty columns."""
    return Columns(
        series=np.concatenate([p.series for p in parts] or [np.empty(0, np.int32)]),
        observed_ms=np.concatenate([p.observed_ms for p in parts] or [np.empty(0, np.int64)]),
        value=np.concatenate([p.value for p in parts] or [np.empty(0, np.float64)]),
        quality=np.concatenate([p.quality for p in parts] or [np.empty(0, np.uint16)]),
    )
