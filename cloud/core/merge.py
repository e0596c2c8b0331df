"""Merging sorted readings, a part of each run at a time, so that memory does not grow with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from cloud.core.columns import Columns, concatenate


def merged(runs: Sequence[Iterable[Columns]]) -> Iterator[Columns]:
    """Merge runs into one.

    Args:    runs: each an iterable of columns that continue each other, sorted by series and time.
    Returns: columns that continue each other, sorted likewise; none is empty. Equal ones stay,
             those of an earlier run first as far as they were held together.
    """
    held = [run for run in (_Run(iter(parts)) for parts in runs) if run.more()]
    while held:
        last = min(run.last() for run in held)
        yield concatenate([run.take(last) for run in held]).by_series_and_time()
        held = [run for run in held if run.more()]


def repeated(columns: Columns, before: tuple[int, int] | None = None) -> int:
    """Count the sorted rows whose series and time are those of the row before.

    Args: before: series and time of the row before the first, if there was one.
    """
    if not len(columns):
        return 0
    same = (columns.series[1:] == columns.series[:-1]) & (
        columns.observed_ms[1:] == columns.observed_ms[:-1]
    )
    first = (int(columns.series[0]), int(columns.observed_ms[0])) == before
    return int(np.count_nonzero(same)) + int(first)


def in_order(columns: Columns) -> bool:
    """Tell whether rows are sorted by series and time."""
    series, at = columns.series, columns.observed_ms
    later = (series[1:] == series[:-1]) & (at[1:] >= at[:-1])
    return bool(np.all((series[1:] > series[:-1]) | later))


class _Run:
    """One run, and the part of it that is in memory."""

    def __init__(self, parts: Iterator[Columns]) -> None:
        self._parts = parts
        self._held: Columns | None = None

    def more(self) -> bool:
        """Hold at least one row, if any is left."""
        while self._held is None or not len(self._held):
            self._held = next(self._parts, None)
            if self._held is None:
                return False
        return True

    def last(self) -> tuple[int, int]:
        held = self._rows()
        return int(held.series[-1]), int(held.observed_ms[-1])

    def take(self, last: tuple[int, int]) -> Columns:
        """Give away the rows up to and including a series and time."""
        held = self._rows()
        begin, end = np.searchsorted(held.series, [last[0], last[0] + 1])
        cut = int(begin + np.searchsorted(held.observed_ms[begin:end], last[1], side="right"))
        self._held = held.slice(cut, len(held))
        return held.slice(0, cut)

    def _rows(self) -> Columns:
        if self._held is None:
            raise ValueError("nothing is held")
        return self._held
