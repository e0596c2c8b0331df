"""How fast values change, per second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER, Arrivals
from cloud.core.checks import Rate
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Table

PANES = 16  # of each sixteenth of over_s the first reading is kept
KEPT = PANES + 2  # as many panes as over_s can touch
_SHIFT = 43  # bits for milliseconds; 2^20 signals fit above them


class Rates:
    """From the oldest kept reading that is not older than over_s to this one.

    Says nothing until half of over_s is behind.
    """

    def __init__(self) -> None:
        self._kept = Table(  # what is kept of a pane stands at the pane's number modulo KEPT
            {
                "at_ms": Column(np.int64, NEVER, (KEPT,)),
                "value": Column(np.float64, np.nan, (KEPT,)),
            }
        )
        self._rows = Rows(self._kept)
        self._over_ms = np.empty(0, np.int64)  # by rule
        self._either_way = np.empty(0, bool)

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        self._rows.change(leave, enter)
        checks = [rule.check for rule in self._rows.rules if isinstance(rule.check, Rate)]
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
        rule = self._rows.given["rule"][row]
        over_ms = self._over_ms[rule]
        base_ms, base = self._keep(row, at_ms, value, over_ms)
        span_ms = at_ms - base_ms
        with np.errstate(all="ignore"):
            rate = (value - base) / (span_ms / 1000)
        return yielded(
            self._rows.slots(row),
            at_ms,
            np.where(self._either_way[rule], np.abs(rate), rate),
            span_ms * 2 >= over_ms,
            arrivals.row[place],
        )

    def _keep(
        self,
        row: NDArray[np.intp],
        at_ms: NDArray[np.int64],
        value: NDArray[np.float64],
        over_ms: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Keep what is first of its pane; return for each the oldest kept within over_s."""
        since_ms = np.maximum(at_ms - over_ms, 0)
        was_ms, was = self._oldest(row, since_ms)
        pane_ms = np.maximum(over_ms // PANES, 1)
        pane = at_ms // pane_ms
        cell_ms = self._kept["at_ms"][row, pane % KEPT]
        again = (cell_ms != NEVER) & (cell_ms // pane_ms == pane)
        again[1:] |= (row[1:] == row[:-1]) & (pane[1:] == pane[:-1])
        new = ~again
        if not new.any():
            return was_ms, was
        new_ms, fresh = at_ms[new], value[new]
        self._kept["at_ms"][row[new], pane[new] % KEPT] = new_ms  # of equal cells the newest stays
        self._kept["value"][row[new], pane[new] % KEPT] = fresh
        keys = (row[new].astype(np.int64) << _SHIFT) + new_ms
        first = np.searchsorted(keys, (row.astype(np.int64) << _SHIFT) + since_ms)
        first = np.minimum(first, len(keys) - 1)
        known = was_ms != NEVER
        return np.where(known, was_ms, new_ms[first]), np.where(known, was, fresh[first])

    def _oldest(
        self, row: NDArray[np.intp], since_ms: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the oldest of what is kept that is not older; NEVER where there is none."""
        kept_ms = self._kept["at_ms"][row]
        fits = kept_ms >= since_ms[:, np.newaxis]
        cell = np.where(fits, kept_ms, np.iinfo(np.int64).max).argmin(axis=1)
        each = np.arange(len(row))
        found = np.where(fits[each, cell], kept_ms[each, cell], NEVER)
        return found, self._kept["value"][row, cell]

    def due(self, _: int) -> Arrivals:
        """See Signals.due()."""
        return nothing()

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return self._rows.memory()

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        self._rows.remember(data)
