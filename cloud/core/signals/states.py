"""Signals of one reading alone: a state it says, and a value that cannot be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.checks import StateIs
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Places, Table
from contract.quality import UNUSABLE, Quality
from contract.quantities import quantity_of

_OTHERWISE_UNUSABLE = np.uint16(UNUSABLE & ~Quality.OVER_RANGE)

# Whether it is so, and whether that can be said, of readings that rows read, one each.
Judge: TypeAlias = Callable[[Rows, Places, Arrivals], tuple[NDArray[np.bool_], NDArray[np.bool_]]]
# By column of Rows.given, what it wants to know of a signal.
Told: TypeAlias = Mapping[str, Callable[[Wanted], float]]


class Each:
    """Signals without a memory: each reading makes one value."""

    def __init__(self, judge: Judge, told: Told | None = None) -> None:
        self._judge = judge
        self._told = told or {}
        self._rows = Rows(Table({}), {name: Column(np.float64, np.nan) for name in self._told})

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        rows = self._rows.change(leave, enter)
        for name, tell in self._told.items():
            self._rows.given[name][rows] = [tell(one) for one in enter]

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, place = self._rows.match(arrivals)
        if not len(row):
            return nothing()
        so, usable = self._judge(self._rows, row, arrivals.take(place))
        return yielded(
            self._rows.slots(row),
            arrivals.at_ms[place],
            np.where(so, 1.0, 0.0),
            usable,
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


def states() -> Each:
    """Return signals of whether a value is one of those the rule names."""
    return Each(_is_named)


def ranges() -> Each:
    """Return signals of values outside of what their quantity can be, or flagged T."""
    return Each(
        _is_outside,
        {
            "low": lambda one: quantity_of(one.anchor.measurement).low,
            "high": lambda one: quantity_of(one.anchor.measurement).high,
        },
    )


def _is_named(
    rows: Rows, row: Places, read: Arrivals
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    named = [rule.check.values if isinstance(rule.check, StateIs) else () for rule in rows.rules]
    values = np.full((len(named), max(map(len, named), default=1)), np.nan)
    for place, of in enumerate(named):
        values[place, : len(of)] = of
    so = (read.value[:, np.newaxis] == values[rows.given["rule"][row]]).any(axis=1)
    return so, read.usable


def _is_outside(
    rows: Rows, row: Places, read: Arrivals
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    flagged = (read.flags & np.uint16(Quality.OVER_RANGE)) != 0
    outside = (read.value < rows.given["low"][row]) | (read.value > rows.given["high"][row])
    says = (read.flags & _OTHERWISE_UNUSABLE) == 0
    return flagged | outside, says & (np.isfinite(read.value) | flagged)
