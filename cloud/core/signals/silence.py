"""Silence: 1 from the moment that data is missed, 0 from the reading that ends it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER, Arrivals
from cloud.core.checks import NoData
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Table
from contract.quality import Quality

# A device that does not answer has said nothing, and a value told again is none.
_NO_DATA = np.uint16(Quality.COMMUNICATION | Quality.STALE)


class Silences:
    """Silent is what has not been heard of for the rule's number of periods.

    The moment is that of the last reading plus the periods, however late it is found out. What was
    never heard of is not silent: completeness tells of it.
    """

    def __init__(self) -> None:
        self._kept = Table({"heard_ms": Column(np.int64, NEVER), "told": Column(np.bool_, False)})
        self._rows = Rows(self._kept, {"limit_ms": Column(np.int64, 0)})

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        rows = self._rows.change(leave, enter)
        self._rows.given["limit_ms"][rows] = [limit_ms(one) for one in enter]

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, place = self._rows.match(arrivals)
        at_ms = arrivals.at_ms[place]
        data = np.isfinite(arrivals.value[place]) & ((arrivals.flags[place] & _NO_DATA) == 0)
        data &= at_ms > self._kept["heard_ms"][row]
        row, place, at_ms = row[data], place[data], at_ms[data]
        if not len(row):
            return nothing()
        order = np.lexsort((at_ms, row))  # of several series of one device
        row, place, at_ms = row[order], place[order], at_ms[order]
        first = np.append(True, row[1:] != row[:-1])
        before_ms = np.where(first, self._kept["heard_ms"][row], np.roll(at_ms, 1))
        silent = (before_ms != NEVER) & (
            at_ms - np.maximum(before_ms, 0) > self._rows.given["limit_ms"][row]
        )
        told = first & self._kept["told"][row]
        last = np.append(row[1:] != row[:-1], True)
        self._kept["heard_ms"][row[last]] = at_ms[last]
        self._kept["told"][row[last]] = False
        # What is heard for the first time ends what the record says of the time before.
        begins, ends = silent & ~told, silent | told | (before_ms == NEVER)
        missed_ms = before_ms + self._rows.given["limit_ms"][row]
        # What time has told already cannot end before it began.
        ended_ms = np.where(told, np.maximum(at_ms, missed_ms), at_ms)
        return self._yield(
            np.concatenate((row[begins], row[ends])),
            np.concatenate((missed_ms[begins], ended_ms[ends])),
            np.concatenate((np.ones(begins.sum()), np.zeros(ends.sum()))),
            arrivals.row[np.concatenate((place[begins], place[ends]))],
        )

    def due(self, watermark_ms: int) -> Arrivals:
        """See Signals.due()."""
        heard_ms = self._kept["heard_ms"]
        waits = (heard_ms != NEVER) & ~self._kept["told"]
        missed_ms = np.where(waits, heard_ms, 0) + self._rows.given["limit_ms"]
        row = np.flatnonzero(waits & (missed_ms < watermark_ms))
        self._kept["told"][row] = True
        return self._yield(row, missed_ms[row], np.ones(len(row)), np.full(len(row), -1, np.intp))

    def untold(self, slots: Sequence[int]) -> dict[int, int]:
        """Return of each of these that is not known to be silent when it was last heard of."""
        rows = self._rows.rows_of(slots)
        rows = rows[rows >= 0]
        rows = rows[(self._kept["heard_ms"][rows] != NEVER) & ~self._kept["told"][rows]]
        heard_ms = self._kept["heard_ms"][rows]
        return dict(zip(self._rows.slots(rows).tolist(), heard_ms.tolist(), strict=True))

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return self._rows.memory()

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        self._rows.remember(data)

    def _yield(
        self,
        row: NDArray[np.intp],
        at_ms: NDArray[np.int64],
        value: NDArray[np.float64],
        of: NDArray[np.intp],
    ) -> Arrivals:
        return yielded(self._rows.slots(row), at_ms, value, np.ones(len(row), bool), of)


def limit_ms(wanted: Wanted) -> int:
    """Return how long a silence must be to be missed."""
    check = wanted.rule.check
    if not isinstance(check, NoData):
        raise TypeError(f"{wanted.rule.id} does not look for silence")
    return round(max(check.periods * wanted.period_s, check.at_least_s) * 1000)
