"""Windows of many series by panes: readings in, closed windows out, in columns.

A pane gathers the readings of a stretch of the clock. It closes with the first reading of a later
one, or when a watermark passes its end, and its window with it: that pane and the ones before it
that lie within the window. A reading of a pane that has closed comes too late.

The sums of a pane are made reading by reading, those of a window from its newest pane to its
oldest, so no answer depends on how the readings came in blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER
from cloud.core.signals.grids import Grid, Moments
from cloud.core.signals.kept import join, move_on, steps
from cloud.core.signals.sums import Sum, Values

Places = NDArray[np.intp]
BY_WATERMARK = -1
_COLUMNS = ("begin_ms", "end_ms", "done_ms", "readings", "kept_readings")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """n windows that closed, sorted by track, then time.

    begin_ms, end_ms: of the pane that closed; the window ends with it
    value:    of the window; NaN where it has no usable reading
    readings: how many usable ones it has
    row:      the first reading of the pane that followed, in the arrays that were given;
              BY_WATERMARK where there was none
    """

    track: Places
    begin_ms: Moments
    end_ms: Moments
    value: Values
    readings: NDArray[np.int64]
    row: Places


@dataclass(slots=True)
class _Stretch:
    """m panes, sorted by track, then time; numbers: of cloud.core.signals.sums.Sum."""

    track: Places
    begin_ms: Moments
    end_ms: Moments
    numbers: list[Values]
    readings: NDArray[np.int64]
    row: Places

    def take(self, rows: NDArray[np.bool_] | Places) -> _Stretch:
        return _Stretch(
            self.track[rows],
            self.begin_ms[rows],
            self.end_ms[rows],
            [part[rows] for part in self.numbers],
            self.readings[rows],
            self.row[rows],
        )


def _joined(first: _Stretch, second: _Stretch) -> _Stretch:
    """Put panes together; of one track the first's come first."""
    track = np.concatenate((first.track, second.track))
    both = _Stretch(
        track,
        np.concatenate((first.begin_ms, second.begin_ms)),
        np.concatenate((first.end_ms, second.end_ms)),
        [np.concatenate(parts) for parts in zip(first.numbers, second.numbers, strict=True)],
        np.concatenate((first.readings, second.readings)),
        np.concatenate((first.row, second.row)),
    )
    return both.take(np.argsort(track, kind="stable"))


@dataclass(slots=True)
class Panes:
    """The panes of some tracks (series, as their windows count them), one row a track.

    The open pane, and for windows of several panes the closed ones that the next window may
    reach, newest last, dense in time from done_ms back.
    """

    grid: Grid
    sums: Sum
    begin_ms: Moments = field(default_factory=lambda: np.empty(0, np.int64))
    end_ms: Moments = field(default_factory=lambda: np.empty(0, np.int64))
    done_ms: Moments = field(default_factory=lambda: np.empty(0, np.int64))
    numbers: list[Values] = field(default_factory=list)
    readings: NDArray[np.uint32] = field(default_factory=lambda: np.empty(0, np.uint32))
    kept: list[Values] = field(default_factory=list)
    kept_readings: NDArray[np.uint32] = field(default_factory=lambda: np.empty((0, 0), np.uint32))

    def __post_init__(self) -> None:
        width = self.grid.panes - 1
        self.numbers = [np.empty(0) for _ in range(self.sums.parts)]
        self.kept = [np.empty((0, width)) for _ in range(self.sums.parts)]
        self.kept_readings = np.empty((0, width), np.uint32)

    def __len__(self) -> int:
        return len(self.begin_ms)

    def nbytes(self) -> int:
        """Return how many bytes all tracks take."""
        times = self.begin_ms.nbytes + self.end_ms.nbytes + self.done_ms.nbytes
        counts = self.readings.nbytes + self.kept_readings.nbytes
        return times + counts + sum(part.nbytes for part in (*self.numbers, *self.kept))

    def grow(self, more: int) -> None:
        """Add tracks without readings."""
        never = np.full(more, NEVER)
        self.begin_ms = np.concatenate((self.begin_ms, never))
        self.end_ms = np.concatenate((self.end_ms, never))
        self.done_ms = np.concatenate((self.done_ms, never))
        self.readings = np.concatenate((self.readings, np.zeros(more, np.uint32)))
        empty = np.full(more, self.sums.start)
        self.numbers = [np.concatenate((part, empty)) for part in self.numbers]
        width = self.grid.panes - 1
        wide = np.full((more, width), self.sums.start)
        self.kept = [np.concatenate((part, wide)) for part in self.kept]
        none = np.zeros((more, width), np.uint32)
        self.kept_readings = np.concatenate((self.kept_readings, none))

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all that is remembered, one row a track."""
        numbers = {f"number {i}": part for i, part in enumerate(self.numbers)}
        kept = {f"kept {i}": part for i, part in enumerate(self.kept)}
        return {name: getattr(self, name) for name in _COLUMNS} | numbers | kept

    def remember(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take such columns."""
        for name in _COLUMNS:
            setattr(self, name, columns[name])
        self.numbers = [columns[f"number {i}"] for i in range(len(self.numbers))]
        self.kept = [columns[f"kept {i}"] for i in range(len(self.kept))]

    def late(self, track: Places, at_ms: Moments) -> NDArray[np.bool_]:
        """Return which readings are of a pane that has closed, or of one before it."""
        begins, _ = self.grid.cut(at_ms)
        return begins <= self.done_ms[track]

    def take(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> Closed:
        """Gather readings, sorted by track, then time, none of them late; return what closed."""
        if not len(track):
            return self._closed(self._opened(np.empty(0, np.intp)))
        fresh, first = self._gathered(track, at_ms, value, usable)
        left = np.unique(fresh.track[fresh.begin_ms != self.begin_ms[fresh.track]])
        left = left[self.begin_ms[left] != NEVER]
        # A pane is still open if the first of its track's new ones carries it on.
        carried = np.zeros(len(self), np.bool_)
        carried[fresh.track[first & (fresh.begin_ms == self.begin_ms[fresh.track])]] = True
        every = _joined(self._opened(left[~carried[left]]), fresh)
        last = np.append(every.track[1:] != every.track[:-1], True)
        followers = np.append(every.row[1:], BY_WATERMARK)
        every.row = np.where(last, BY_WATERMARK, followers).astype(np.intp)
        closed = self._closed(every.take(~last))
        self._open(every.take(last))
        return closed

    def advance(self, watermark_ms: int) -> Closed:
        """Close what ends at the watermark or before it: no more readings come from there."""
        due = np.flatnonzero((self.begin_ms != NEVER) & (self.end_ms <= watermark_ms))
        closed = self._closed(self._opened(due))
        self.begin_ms[due] = NEVER
        return closed

    def next_end_ms(self) -> int | None:
        """Return when the first of the open panes ends; None if none is open."""
        ends = self.end_ms[self.begin_ms != NEVER]
        return int(ends.min()) if len(ends) else None

    def _gathered(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> tuple[_Stretch, NDArray[np.bool_]]:
        """Return the panes of these readings, and which of them are the first of their track."""
        begins, ends = self.grid.cut(at_ms)
        starts = np.append(True, (track[1:] != track[:-1]) | (begins[1:] != begins[:-1]))
        rows = np.flatnonzero(starts)
        pane = np.cumsum(starts) - 1
        of, begin_ms = track[rows], begins[rows]
        first = np.append(True, of[1:] != of[:-1])
        goes_on = first & (begin_ms == self.begin_ms[of])
        numbers = [np.where(goes_on, part[of], self.sums.start) for part in self.numbers]
        self.sums.gather(numbers, pane[usable], value[usable])
        readings = np.where(goes_on, self.readings[of], 0).astype(np.int64)
        readings += np.bincount(pane[usable], minlength=len(rows))
        return _Stretch(of, begin_ms, ends[rows], numbers, readings, rows), first

    def _opened(self, tracks: Places) -> _Stretch:
        """Return the open panes of some tracks."""
        return _Stretch(
            tracks,
            self.begin_ms[tracks],
            self.end_ms[tracks],
            [part[tracks] for part in self.numbers],
            self.readings[tracks].astype(np.int64),
            np.full(len(tracks), BY_WATERMARK, np.intp),
        )

    def _open(self, panes: _Stretch) -> None:
        self.begin_ms[panes.track] = panes.begin_ms
        self.end_ms[panes.track] = panes.end_ms
        self.readings[panes.track] = panes.readings
        for part, fresh in zip(self.numbers, panes.numbers, strict=True):
            part[panes.track] = fresh

    def _closed(self, panes: _Stretch) -> Closed:
        """Close panes, sorted by track, then time: return their windows, and keep them."""
        if self.grid.panes > 1 and len(panes.track):
            numbers, readings = self._windows(panes)
        else:
            numbers, readings = panes.numbers, panes.readings
        self.done_ms[panes.track] = panes.begin_ms  # of equal tracks the last one stays
        return Closed(
            track=panes.track,
            begin_ms=panes.begin_ms,
            end_ms=panes.end_ms,
            value=self.sums.value(numbers, readings),
            readings=readings,
            row=panes.row,
        )

    def _windows(self, panes: _Stretch) -> tuple[list[Values], NDArray[np.int64]]:
        """Return the numbers of the windows that end with these panes, and keep the panes."""
        step_ms = self.grid.span_ms // self.grid.panes
        if (panes.track[1:] != panes.track[:-1]).all():
            return self._single_windows(panes, step_ms)
        tracks = panes.track[np.append(True, panes.track[1:] != panes.track[:-1])]
        every = _joined(self._past(tracks, step_ms), panes)
        place = np.flatnonzero(every.row != _PAST)
        numbers = [part[place] for part in every.numbers]
        readings = every.readings[place]
        for back in range(1, self.grid.panes):
            at = np.maximum(place - back, 0)
            reach = (place >= back) & (every.track[at] == panes.track)
            reach &= every.begin_ms[at] > panes.begin_ms - self.grid.span_ms
            if not reach.any():
                break
            for i, part in enumerate(every.numbers):
                joined = self.sums.merge(numbers[i][reach], part[at[reach]])
                if self.sums.join is None:  # the newest that has a value
                    joined = np.where(readings[reach] > 0, joined, part[at[reach]])
                numbers[i][reach] = joined
            readings[reach] += every.readings[at[reach]]
        self._keep(tracks, every, step_ms)
        return numbers, readings

    def _single_windows(
        self, panes: _Stretch, step_ms: int
    ) -> tuple[list[Values], NDArray[np.int64]]:
        """As _windows, where no track closes two panes: what is kept need not be put in order."""
        track = panes.track
        on = steps(panes.begin_ms, self.done_ms[track], step_ms, self.grid.panes - 1)
        kept = [part[track] for part in self.kept]
        readings = self.kept_readings[track]
        found = join(self.sums, (panes.numbers, panes.readings), (kept, readings), on)
        self.kept_readings[track] = move_on(readings, on, panes.readings, 0)
        for whole, part, newest in zip(self.kept, kept, panes.numbers, strict=True):
            whole[track] = move_on(part, on, newest, self.sums.start)
        return found

    def _past(self, tracks: Places, step_ms: int) -> _Stretch:
        """Return the kept panes of some tracks that have readings."""
        width = self.grid.panes - 1
        row, column = np.nonzero(self.kept_readings[tracks])
        of = tracks[row]
        begin_ms = self.done_ms[of] - (width - 1 - column) * step_ms
        return _Stretch(
            of,
            begin_ms,
            begin_ms + step_ms,
            [part[of, column] for part in self.kept],
            self.kept_readings[of, column].astype(np.int64),
            np.full(len(of), _PAST, np.intp),
        )

    def _keep(self, tracks: Places, panes: _Stretch, step_ms: int) -> None:
        """Keep of these panes what windows to come may reach, and nothing else of their tracks."""
        width = self.grid.panes - 1
        newest = np.flatnonzero(np.append(panes.track[1:] != panes.track[:-1], True))
        sizes = np.diff(np.append(-1, newest))
        back = (np.repeat(panes.begin_ms[newest], sizes) - panes.begin_ms) // step_ms
        near = back < width
        row, column = panes.track[near], width - 1 - back[near]
        self.kept_readings[tracks] = 0
        self.kept_readings[row, column] = panes.readings[near]
        for kept, part in zip(self.kept, panes.numbers, strict=True):
            kept[tracks] = self.sums.start
            kept[row, column] = part[near]


_PAST = -2
