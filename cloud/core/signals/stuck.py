"""Values that do not move: 1 while one has stood still for the rule's time, else 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER, Arrivals
from cloud.core.checks import Stuck
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Table


class Stucks:
    """A value moves when it differs by more than the tolerance from the usable one before it.

    A gap is taken for a movement: nobody knows what the value did meanwhile.
    """

    def __init__(self) -> None:
        self._kept = Table(
            {
                "at_ms": Column(np.int64, NEVER),
                "value": Column(np.float64, np.nan),
                "moved_ms": Column(np.int64, NEVER),
            }
        )
        self._rows = Rows(self._kept, {"gap_ms": Column(np.int64, 0)})
        self._for_ms = np.empty(0, np.int64)  # by rule
        self._tolerance = np.empty(0)

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        rows = self._rows.change(leave, enter)
        self._rows.given["gap_ms"][rows] = [one.gap_ms for one in enter]
        checks = [rule.check for rule in self._rows.rules if isinstance(rule.check, Stuck)]
        self._for_ms = np.array([round(check.for_s * 1000) for check in checks], np.int64)
        self._tolerance = np.array([check.tolerance for check in checks], float)

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, place = self._rows.match(arrivals)
        usable = arrivals.usable[place]
        row, place = row[usable], place[usable]
        if not len(row):
            return nothing()
        at_ms, value = arrivals.at_ms[place], arrivals.value[place]
        rule, gap_ms = self._rows.given["rule"][row], self._rows.given["gap_ms"][row]
        first = np.append(True, row[1:] != row[:-1])
        before_ms = np.where(first, self._kept["at_ms"][row], np.roll(at_ms, 1))
        before = np.where(first, self._kept["value"][row], np.roll(value, 1))
        still = np.abs(value - before) <= self._tolerance[rule]  # NaN before the first one: moved
        moved = ~still | (at_ms - np.maximum(before_ms, 0) > gap_ms)
        since_ms = np.where(moved, at_ms, np.where(first, self._kept["moved_ms"][row], NEVER))
        since_ms = _carried(since_ms, first)
        last = np.append(row[1:] != row[:-1], True)
        self._kept["at_ms"][row[last]] = at_ms[last]
        self._kept["value"][row[last]] = value[last]
        self._kept["moved_ms"][row[last]] = since_ms[last]
        stuck = at_ms - since_ms >= self._for_ms[rule]
        return yielded(
            self._rows.slots(row),
            at_ms,
            np.where(stuck, 1.0, 0.0),
            np.ones(len(row), bool),
            arrivals.row[place],
        )

    def due(self, _: int) -> Arrivals:
        """See Signals.due()."""
        return nothing()

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return self._rows.memory()

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        self._rows.remember(data)


def _carried(since_ms: NDArray[np.int64], first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Fill what is NEVER with the last that is not, within stretches that begin with `first`."""
    known = (since_ms != NEVER) | first
    place = np.maximum.accumulate(np.where(known, np.arange(len(since_ms)), 0))
    return since_ms[place]
