"""What windows keep of their closed panes: a row a track, the newest last.

Panes are joined from the newest to the oldest, so that an answer does not depend on how readings
came in blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER
from cloud.core.signals.stretches import Stretch, joined
from cloud.core.signals.sums import Sum, Values
from cloud.core.signals.tables import Column, Places, Table

Number = TypeVar("Number", bound=np.generic)
_PAST = -2  # in place of the row of a pane that had closed before


class Kept:
    """Of each track the closed panes that the next window may reach, dense in time.

    Readings are counted in a byte a pane, until one has more than that holds.
    """

    def __init__(self, sums: Sum, step_ms: int, width: int) -> None:
        self._sums = sums
        self._step_ms = step_ms
        self._width = width
        self._numbers = [f"kept {i}" for i in range(sums.parts)]
        numbers = {name: Column(np.float64, sums.start, (width,)) for name in self._numbers}
        self.table = Table({"kept_readings": Column(np.uint8, 0, (width,)), **numbers})

    def windows(self, panes: Stretch, done_ms: NDArray[np.int64]) -> tuple[list[Values], Any]:
        """Return numbers and readings of the windows that end with these panes; keep the panes.

        done_ms: by pane, when the last one began that its track had closed before; or NEVER.
        """
        self.table.fit("kept_readings", panes.readings)
        if panes.ends().all():
            return self._of_one_each(panes, done_ms)
        return self._of_several(panes, done_ms)

    def _of_one_each(
        self, panes: Stretch, done_ms: NDArray[np.int64]
    ) -> tuple[list[Values], NDArray[np.int64]]:
        """As live readings close them: what is kept need not be put in order."""
        on = steps(panes.begin_ms, done_ms, self._step_ms, self._width)
        kept = [self.table[name][panes.track] for name in self._numbers]
        readings = self.table["kept_readings"][panes.track]
        found = join(self._sums, (panes.numbers, panes.readings), (kept, readings), on)
        self.table["kept_readings"][panes.track] = move_on(readings, on, panes.readings, 0)
        for name, part, newest in zip(self._numbers, kept, panes.numbers, strict=True):
            self.table[name][panes.track] = move_on(part, on, newest, self._sums.start)
        return found

    def _of_several(
        self, panes: Stretch, done_ms: NDArray[np.int64]
    ) -> tuple[list[Values], NDArray[np.int64]]:
        first = np.append(True, panes.track[1:] != panes.track[:-1])
        tracks = panes.track[first]
        every = joined(self._past(tracks, done_ms[first]), panes)
        place = np.flatnonzero(every.row != _PAST)
        numbers = [part[place] for part in every.numbers]
        readings = every.readings[place]
        span_ms = self._step_ms * (self._width + 1)
        for back in range(1, self._width + 1):
            at = np.maximum(place - back, 0)
            reach = (place >= back) & (every.track[at] == panes.track)
            reach &= every.begin_ms[at] > panes.begin_ms - span_ms
            if not reach.any():
                break
            for i, part in enumerate(every.numbers):
                both = self._sums.merge(numbers[i][reach], part[at[reach]])
                if self._sums.join is None:  # the newest that has a value
                    both = np.where(readings[reach] > 0, both, part[at[reach]])
                numbers[i][reach] = both
            readings[reach] += every.readings[at[reach]]
        self._keep(tracks, every)
        return numbers, readings

    def _past(self, tracks: Places, done_ms: NDArray[np.int64]) -> Stretch:
        """Return the kept panes of some tracks that have readings."""
        row, column = np.nonzero(self.table["kept_readings"][tracks])
        of = tracks[row]
        begin_ms = done_ms[row] - (self._width - 1 - column) * self._step_ms
        return Stretch(
            of,
            begin_ms,
            begin_ms + self._step_ms,
            [self.table[name][of, column] for name in self._numbers],
            self.table["kept_readings"][of, column].astype(np.int64),
            np.full(len(of), _PAST, np.intp),
        )

    def _keep(self, tracks: Places, panes: Stretch) -> None:
        """Keep of these panes what windows to come may reach, and nothing else of their tracks."""
        newest = np.flatnonzero(panes.ends())
        sizes = np.diff(np.append(-1, newest))
        back = (np.repeat(panes.begin_ms[newest], sizes) - panes.begin_ms) // self._step_ms
        near = back < self._width
        row, column = panes.track[near], self._width - 1 - back[near]
        self.table.reset(tracks)
        self.table["kept_readings"][row, column] = panes.readings[near]
        for name, part in zip(self._numbers, panes.numbers, strict=True):
            self.table[name][row, column] = part[near]


def steps(
    begin_ms: NDArray[np.int64], done_ms: NDArray[np.int64], step_ms: int, width: int
) -> NDArray[np.int64]:
    """Return by how many panes each window has moved on since the last that closed.

    done_ms: when that one began, NEVER for none. width + 1 at the most: nothing kept is within.
    """
    known = done_ms != NEVER
    on = np.where(known, (begin_ms - np.where(known, done_ms, 0)) // step_ms, width + 1)
    return np.minimum(on, width + 1)


def join(
    sums: Sum,
    newest: tuple[Sequence[Values], NDArray[np.int64]],
    kept: tuple[Sequence[Values], NDArray[Any]],
    on: NDArray[np.int64],
) -> tuple[list[Values], NDArray[np.int64]]:
    """Return the numbers and counts of readings of windows that end with a pane each.

    Args: newest: numbers and counts of those panes, shape (n,). kept: the same of those before
          them, shape (n, width). on: as of steps().
    """
    numbers, readings = list(newest[0]), newest[1]
    for column in range(kept[1].shape[1] - 1, -1, -1):
        count = np.where(column >= on - 1, kept[1][:, column], 0)
        within = count > 0
        for i, part in enumerate(kept[0]):
            both = sums.merge(numbers[i], part[:, column])
            if sums.join is None:  # the newest that has a value
                both = np.where(readings > 0, both, part[:, column])
            numbers[i] = np.where(within, both, numbers[i])
        readings = readings + count
    return numbers, readings


def move_on(
    rows: NDArray[Number], on: NDArray[np.int64], newest: NDArray[Any], empty: float
) -> NDArray[Number]:
    """Return rows moved back by so many panes each, with the one that closed at the end."""
    width = rows.shape[1]
    moved = np.empty_like(rows)
    moved[:, :-1] = rows[:, 1:]
    further = np.flatnonzero(on != 1)
    if len(further):
        column = np.arange(width) + on[further, np.newaxis]
        found = np.take_along_axis(rows[further], np.minimum(column, width - 1), axis=1)
        moved[further] = np.where(column < width, found, np.array(empty, rows.dtype))
    moved[:, -1] = newest
    return moved
