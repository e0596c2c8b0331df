"""Windows of many series by panes: readings in, closed windows out, in columns.

A pane gathers the readings of a stretch of the clock. It closes with the first reading of a later
one, or when a watermark passes its end, and its window with it: that pane and the ones before it
that lie within the window. A reading of a pane that has closed comes too late.

The sums of a pane are made reading by reading, those of a window from its newest pane to its
oldest, so no answer depends on how the readings came in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER
from cloud.core.signals.grids import Grid, Moments
from cloud.core.signals.kept import Kept
from cloud.core.signals.stretches import Stretch, joined
from cloud.core.signals.sums import Sum, Values
from cloud.core.signals.tables import Column, Packed, Places, Table

BY_WATERMARK = -1


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


class Panes:
    """The panes of some tracks (series, as their windows count them), one row a track.

    The open pane, from begin_ms on, NEVER for none; done_ms: when the last began that closed. For
    windows of several panes also the closed ones that the next window may reach.
    """

    def __init__(self, grid: Grid, sums: Sum) -> None:
        self._grid = grid
        self._sums = sums
        self._numbers = [f"number {i}" for i in range(sums.parts)]
        self._table = Table(
            {
                "begin_ms": Column(np.int64, NEVER),
                "length_ms": Column(np.int32, 0),
                "done_ms": Column(np.int64, NEVER),
                "readings": Column(np.uint32, 0),
                **{name: Column(np.float64, sums.start) for name in self._numbers},
            }
        )
        step_ms, width = grid.span_ms // grid.panes, grid.panes - 1
        self._kept = Kept(sums, step_ms, width) if width else None

    def __len__(self) -> int:
        return len(self._table)

    def _tables(self) -> list[Table]:
        return [self._table, self._kept.table] if self._kept else [self._table]

    def nbytes(self) -> int:
        """Return how many bytes all tracks take."""
        return sum(table.nbytes() for table in self._tables())

    def grow(self, more: int) -> None:
        """Add tracks without readings."""
        for table in self._tables():
            table.grow(more)

    def reset(self, tracks: Places) -> None:
        """Make tracks what they were before any reading."""
        for table in self._tables():
            table.reset(tracks)

    def pack(self, tracks: Places) -> Packed:
        """Return all that some tracks remember."""
        return {name: told for each in self._tables() for name, told in each.pack(tracks).items()}

    def unpack(self, packed: Packed, to: Places, of: Places) -> None:
        """Take a memory for tracks `to`: that of the tracks that were the of-th of it.

        Raises: KeyError, ValueError, TypeError, IndexError if it is none.
        """
        for table in self._tables():
            table.unpack(packed, to, of)

    def late(self, track: Places, at_ms: Moments) -> NDArray[np.bool_]:
        """Return which readings are of a pane that has closed, or of one before it."""
        begins, _ = self._grid.cut(at_ms)
        found: NDArray[np.bool_] = begins <= self._table["done_ms"][track]
        return found

    def take(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> Closed:
        """Gather readings, sorted by track, then time, none of them late; return what closed."""
        if not len(track):
            return self._closed(self._opened(np.empty(0, np.intp)))
        fresh, first = self._gathered(track, at_ms, value, usable)
        open_ms = self._table["begin_ms"][fresh.track]
        carries_on = fresh.begin_ms == open_ms
        closes = first & (open_ms != NEVER) & ~carries_on
        left = self._opened(fresh.track[closes])
        if first.all():  # as live readings come: at most one closes each
            left.row = fresh.row[closes]
            closed = self._closed(left)
            self._open(fresh)
            return closed
        every = joined(left, fresh)
        last = every.ends()
        every.row = np.where(last, BY_WATERMARK, np.append(every.row[1:], 0)).astype(np.intp)
        closed = self._closed(every.take(~last))
        self._open(every.take(last))
        return closed

    def advance(self, watermark_ms: int) -> Closed:
        """Close what ends at the watermark or before it: no more readings come from there."""
        due = np.flatnonzero(self._is_open() & (self._end_ms() <= watermark_ms))
        closed = self._closed(self._opened(due))
        self._table["begin_ms"][due] = NEVER
        return closed

    def next_end_ms(self) -> int | None:
        """Return when the first of the open panes ends; None if none is open."""
        ends = self._end_ms()[self._is_open()]
        return int(ends.min()) if len(ends) else None

    def _is_open(self) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = self._table["begin_ms"] != NEVER
        return found

    def _end_ms(self) -> Moments:
        found: Moments = self._table["begin_ms"] + self._table["length_ms"]
        return found

    def _gathered(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> tuple[Stretch, NDArray[np.bool_]]:
        """Return the panes of these readings, and which of them are the first of their track."""
        begins, ends = self._grid.cut(at_ms)
        starts = np.append(True, (track[1:] != track[:-1]) | (begins[1:] != begins[:-1]))
        rows = np.flatnonzero(starts)
        pane = np.cumsum(starts) - 1
        of, begin_ms = track[rows], begins[rows]
        first = np.append(True, of[1:] != of[:-1])
        goes_on = first & (begin_ms == self._table["begin_ms"][of])
        numbers = [np.where(goes_on, self._table[n][of], self._sums.start) for n in self._numbers]
        self._sums.gather(numbers, pane[usable], value[usable])
        readings = np.where(goes_on, self._table["readings"][of], 0).astype(np.int64)
        readings += np.bincount(pane[usable], minlength=len(rows))
        return Stretch(of, begin_ms, ends[rows], numbers, readings, rows), first

    def _opened(self, tracks: Places) -> Stretch:
        """Return the open panes of some tracks."""
        begin_ms = self._table["begin_ms"][tracks]
        return Stretch(
            tracks,
            begin_ms,
            begin_ms + self._table["length_ms"][tracks],
            [self._table[name][tracks] for name in self._numbers],
            self._table["readings"][tracks].astype(np.int64),
            np.full(len(tracks), BY_WATERMARK, np.intp),
        )

    def _open(self, panes: Stretch) -> None:
        self._table["begin_ms"][panes.track] = panes.begin_ms
        self._table["length_ms"][panes.track] = panes.end_ms - panes.begin_ms
        self._table["readings"][panes.track] = panes.readings
        for name, fresh in zip(self._numbers, panes.numbers, strict=True):
            self._table[name][panes.track] = fresh

    def _closed(self, panes: Stretch) -> Closed:
        """Close panes, sorted by track, then time: return their windows, and keep them."""
        numbers, readings = panes.numbers, panes.readings
        if self._kept and len(panes.track):
            done_ms = self._table["done_ms"][panes.track]
            numbers, readings = self._kept.windows(panes, done_ms)
        self._table["done_ms"][panes.track] = panes.begin_ms  # of equal tracks the last one stays
        return Closed(
            track=panes.track,
            begin_ms=panes.begin_ms,
            end_ms=panes.end_ms,
            value=self._sums.value(numbers, readings),
            readings=readings,
            row=panes.row,
        )
