"""Readings as they arrive, made ready to evaluate: by series, in order of time, late ones out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.columns import Columns
from contract.quality import UNUSABLE

NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """n readings sorted by slot, then time; within a slot times rise strictly.

    slot:   shape (n,), the engine's own number of the series
    usable: shape (n,), whether the value says anything about the process
    flags:  shape (n,), uint16 of contract.quality
    row:    shape (n,), where the reading stood in the columns it came in
    """

    slot: NDArray[np.intp]
    at_ms: NDArray[np.int64]
    value: NDArray[np.float64]
    usable: NDArray[np.bool_]
    flags: NDArray[np.uint16]
    row: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.slot)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Arrivals:
        """Return some of the rows, in their order."""
        return Arrivals(
            slot=self.slot[rows],
            at_ms=self.at_ms[rows],
            value=self.value[rows],
            usable=self.usable[rows],
            flags=self.flags[rows],
            row=self.row[rows],
        )


def arrange(
    columns: Columns, slot_of: NDArray[np.int32], last_ms: NDArray[np.int64]
) -> tuple[Arrivals, Arrivals]:
    """Return the readings to evaluate, and those that came too late for it.

    Late is a reading not newer than the newest of its series so far, in the order of arrival: so
    it does not matter how arrivals are cut into blocks.

    Args:    slot_of: by series id, -1 for what nobody bound; such readings are passed over.
             last_ms: by slot, the newest reading so far, or NEVER.
    """
    within = columns.series < len(slot_of)
    slot = np.where(within, slot_of[np.where(within, columns.series, 0)], -1)
    # Sorting 16-bit keys is a radix sort, several times faster.
    key = (slot + 1).astype(np.uint16) if len(last_ms) < (1 << 16) - 1 else slot
    order = np.argsort(key, kind="stable")
    order = order[int(np.count_nonzero(slot < 0)) :]
    slot = slot[order].astype(np.intp)
    at_ms = columns.observed_ms[order]
    new = at_ms > np.maximum(_newest_before(slot, at_ms), last_ms[slot])
    value, flags = columns.value[order], columns.quality[order]
    arrivals = Arrivals(
        slot=slot,
        at_ms=at_ms,
        value=value,
        usable=((flags & np.uint16(UNUSABLE)) == 0) & np.isfinite(value),
        flags=flags,
        row=order,
    )
    if new.all():
        return arrivals, arrivals.take(slice(0))
    return arrivals.take(new), arrivals.take(~new)


def _newest_before(slot: NDArray[np.intp], at_ms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, row by row, the newest time among the rows before it of the same slot, or NEVER."""
    newest = np.full(len(slot), NEVER)
    same = slot[1:] == slot[:-1]
    newest[1:][same] = at_ms[:-1][same]
    if (at_ms > newest).all():
        return newest
    # Out of order somewhere: a running maximum over ranks, lifted so that slots do not meet.
    times, rank = np.unique(at_ms, return_inverse=True)
    group = np.concatenate(([0], np.cumsum(~same)))
    running = np.maximum.accumulate(group * len(times) + rank)
    newest[1:][same] = times[(running - group * len(times))[:-1][same]]
    return newest
