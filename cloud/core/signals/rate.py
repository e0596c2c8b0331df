"""How fast values change, per second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER, Arrivals
from cloud.core.checks import Rate
from cloud.core.signals.port import Column, Rows, Wanted, nothing, yielded

KEPT = 16  # of each sixteenth of over_s the first reading is kept
_SHIFT = 43  # bits for milliseconds; 2^20 signals fit above them


class Rates:
    """From the oldest kept reading that is not older than over_s to this one.

    Says nothing until half of over_s is behind.
    """

    def __init__(self) -> None:
        self._rows = Rows(
            {
                "at_ms": Column(np.int64, NEVER, (KEPT + 2,)),  # rising, NEVER first
                "value": Column(np.float64, np.nan, (KEPT + 2,)),
            }
        )
        self._over_ms = np.empty(0, np.int64)
        self._either_way = np.empty(0, bool)

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        self._rows.change(leave, enter)
        checks = [o.rule.check for o in self._rows.wanted if isinstance(o.rule.check, Rate)]
        self._over_ms = np.array([round(check.over_s * 1000) for check in checks], np.int64)
        self._either_way = np.array([check.either_way for check in checks], bool)

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, place = self._rows.match(arrivals)
        usable = arrivals.usable[place] & (arrivals.at_ms[place] >= 0)
        row, place = row[usable], place[usable]
        if not len(row):
            return nothing()
        at_ms, value = arrivals.at_ms[place], arrivals.value[place]
        kept_row, kept_ms, kept = self._keep(row, at_ms, value)
        over_ms = self._over_ms[row]
        keys = (kept_row.astype(np.int64) << _SHIFT) + kept_ms
        wanted = (row.astype(np.int64) << _SHIFT) + np.maximum(at_ms - over_ms, 0)
        base = np.searchsorted(keys, wanted)
        span_ms = at_ms - kept_ms[base]
        with np.errstate(all="ignore"):
            rate = (value - kept[base]) / (span_ms / 1000)
        return yielded(
            self._rows.slot[row],
            at_ms,
            np.where(self._either_way[row], np.abs(rate), rate),
            span_ms * 2 >= over_ms,
            arrivals.row[place],
        )

    def _keep(
        self,
        row: NDArray[np.intp],
        at_ms: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.float64]]:
        """Keep what is first of its pane; return all that was and is kept, by row, then time."""
        rows = np.unique(row)
        pane_ms = np.maximum(self._over_ms // KEPT, 1)
        first = np.append(True, row[1:] != row[:-1])
        newest = self._rows["at_ms"][row, -1]
        before_ms = np.where(first, newest, np.roll(at_ms, 1))
        # The one before may not have been kept, but its pane was: by it or by one before it.
        new = (before_ms == NEVER) | (at_ms // pane_ms[row] != before_ms // pane_ms[row])
        old_ms, old = self._rows["at_ms"][rows], self._rows["value"][rows]
        was = old_ms != NEVER
        all_row = np.concatenate((np.repeat(rows, was.sum(axis=1)), row[new]))
        all_ms = np.concatenate((old_ms[was], at_ms[new]))
        all_value = np.concatenate((old[was], value[new]))
        order = np.lexsort((all_ms, all_row))
        all_row, all_ms, all_value = all_row[order], all_ms[order], all_value[order]
        self._store(rows, all_row, all_ms, all_value)
        return all_row, all_ms, all_value

    def _store(
        self,
        rows: NDArray[np.intp],
        row: NDArray[np.intp],
        at_ms: NDArray[np.int64],
        value: NDArray[np.float64],
    ) -> None:
        """Write the newest of each row, the newest last."""
        ends = np.searchsorted(row, rows, side="right")
        from_end = ends[np.searchsorted(rows, row)] - np.arange(len(row))
        stays = from_end <= KEPT + 2
        self._rows["at_ms"][rows] = NEVER
        self._rows["value"][rows] = np.nan
        self._rows["at_ms"][row[stays], -from_end[stays]] = at_ms[stays]
        self._rows["value"][row[stays], -from_end[stays]] = value[stays]

    def due(self, _: int) -> Arrivals:
        """See Signals.due()."""
        return nothing()

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return self._rows.memory()

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        self._rows.remember(data)
