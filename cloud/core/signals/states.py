"""Signals of one reading alone: a state it says, and a value that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.checks import StateIs
from cloud.core.signals.port import Rows, Wanted, nothing, yielded
from contract.quality import UNUSABLE, Quality
from contract.quantities import quantity_of

_OTHERWISE_UNUSABLE = np.uint16(UNUSABLE & ~Quality.OVER_RANGE)


class _Each:
    """Signals without a memory: each reading makes one value."""

    def __init__(self) -> None:
        self._rows = Rows({})

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        self._rows.change(leave, enter)

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, place = self._rows.match(arrivals)
        if not len(row):
            return nothing()
        value, usable = self._judge(row, arrivals.take(place))
        return yielded(
            self._rows.slot[row],
            arrivals.at_ms[place],
            np.where(value, 1.0, 0.0),
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

    def _judge(
        self, row: NDArray[np.intp], read: Arrivals
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return whether it is so, and whether that can be said."""
        raise NotImplementedError


class States(_Each):
    """Whether a value is one of those the rule names."""

    def __init__(self) -> None:
        super().__init__()
        self._values = np.empty((0, 1))

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        super().change(leave, enter)
        named = [
            one.rule.check.values if isinstance(one.rule.check, StateIs) else ()
            for one in self._rows.wanted
        ]
        self._values = np.full((len(named), max(map(len, named), default=1)), np.nan)
        for row, values in enumerate(named):
            self._values[row, : len(values)] = values

    def _judge(
        self, row: NDArray[np.intp], read: Arrivals
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        so = (read.value[:, np.newaxis] == self._values[row]).any(axis=1)
        return so, read.usable


class Ranges(_Each):
    """Whether a value lies outside of what its quantity can be, or is flagged T by its device."""

    def __init__(self) -> None:
        super().__init__()
        self._low = self._high = np.empty(0)

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        super().change(leave, enter)
        quantities = [quantity_of(one.anchor.measurement) for one in self._rows.wanted]
        self._low = np.array([one.low for one in quantities], float)
        self._high = np.array([one.high for one in quantities], float)

    def _judge(
        self, row: NDArray[np.intp], read: Arrivals
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        flagged = (read.flags & np.uint16(Quality.OVER_RANGE)) != 0
        outside = (read.value < self._low[row]) | (read.value > self._high[row])
        says = (read.flags & _OTHERWISE_UNUSABLE) == 0
        return flagged | outside, says & (np.isfinite(read.value) | flagged)
