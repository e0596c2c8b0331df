"""Percentiles of windows: they keep each window's own readings, and order them when it closes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.core.signals.grids import Grid, Moments
from cloud.core.signals.panes import Closed, Panes, Places
from cloud.core.signals.sums import COUNT, DECIMALS, Values

MOST_SAMPLES = 20_000
_SORTED_AT_ONCE = 2_000_000


def room_for(span_ms: int, period_ms: float) -> int:
    """Return how many readings a window keeps: half as many again as are due, 20,000 at most."""
    return min(MOST_SAMPLES, max(16, round(1.5 * span_ms / period_ms)))


@dataclass(slots=True)
class Percentiles:
    """Windows whose value is a percentile, of some tracks; as cloud.core.signals.panes.Panes.

    percent: so many of the readings lie at or below the value, interpolated between readings.
    Where a window has more readings than its track has room for, the newest count.

    samples: all tracks' readings, each track's in a ring of room[t] from base[t] on
    written: how many were ever written to a track
    """

    grid: Grid
    percent: float
    panes: Panes = field(init=False)
    samples: Values = field(default_factory=lambda: np.empty(0))
    base: Places = field(default_factory=lambda: np.empty(0, np.intp))
    room: Places = field(default_factory=lambda: np.empty(0, np.intp))
    written: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))

    def __post_init__(self) -> None:
        self.panes = Panes(self.grid, COUNT)

    def __len__(self) -> int:
        return len(self.panes)

    def nbytes(self) -> int:
        """Return how many bytes all tracks take."""
        own = self.samples.nbytes + self.base.nbytes + self.room.nbytes + self.written.nbytes
        return own + self.panes.nbytes()

    def fit(self, room: Sequence[int]) -> None:
        """Have so many tracks, with room for so many readings each; the newest are kept."""
        self.panes.grow(len(room) - len(self))
        wanted = np.array(room, np.intp)
        before = self.written
        written = np.zeros(len(wanted), np.int64)
        written[: len(before)] = before
        base = np.cumsum(wanted) - wanted
        samples = np.zeros(int(wanted.sum()))
        kept = np.minimum(np.minimum(before, self.room), wanted[: len(before)]).astype(np.intp)
        track = np.repeat(np.arange(len(before)), kept)
        at = before[track] - 1 - _countdown(kept)
        samples[base[track] + at % wanted[track]] = self._read(track, at)
        self.samples, self.base, self.room, self.written = samples, base, wanted, written

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return all that is remembered, one row a track; samples with the newest last."""
        samples = np.full((len(self), int(self.room.max(initial=1))), np.nan)
        kept = np.minimum(self.written, self.room).astype(np.intp)
        track = np.repeat(np.arange(len(self)), kept)
        back = _countdown(kept)
        samples[track, -1 - back] = self._read(track, self.written[track] - 1 - back)
        return {**self.panes.columns(), "samples": samples, "written": self.written}

    def remember(self, columns: Mapping[str, NDArray[Any]]) -> None:
        """Take such columns, as far as there is room."""
        self.panes.remember(columns)
        samples = columns["samples"]
        # What a window counts it must have: what there was no room for is as if never written.
        self.written = np.minimum(columns["written"], self.room)
        kept = self.written.astype(np.intp)
        track = np.repeat(np.arange(len(self)), kept)
        back = _countdown(kept)
        self.samples[self.base[track] + kept[track] - 1 - back] = samples[track, -1 - back]

    def late(self, track: Places, at_ms: Moments) -> NDArray[np.bool_]:
        """Return which readings are of a pane that has closed, or of one before it."""
        return self.panes.late(track, at_ms)

    def next_end_ms(self) -> int | None:
        """Return when the first of the open panes ends; None if none is open."""
        return self.panes.next_end_ms()

    def take(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> Closed:
        """Gather readings, sorted by track, then time, none of them late; return what closed."""
        closed = self.panes.take(track, at_ms, value, usable)
        before = np.append(0, np.cumsum(usable))  # usable rows before each row
        mine, fresh = track[usable], value[usable]
        begins = np.searchsorted(mine, closed.track)
        # The stream of a track: what it kept, then what is fresh. A window ends at a place of it.
        end = self.written[closed.track] + before[closed.row] - begins
        valued = self._valued(closed, end, mine, fresh)
        self._write(mine, fresh)
        return valued

    def advance(self, watermark_ms: int) -> Closed:
        """Close what ends at the watermark or before it: no more readings come from there."""
        closed = self.panes.advance(watermark_ms)
        none = np.empty(0, np.intp)
        return self._valued(closed, self.written[closed.track], none, np.empty(0))

    def _valued(
        self, closed: Closed, end: NDArray[np.int64], mine: Places, fresh: Values
    ) -> Closed:
        """Return windows with their percentiles; each ends before the sample numbered end."""
        value = np.full(len(closed.track), np.nan)
        sizes = np.minimum(closed.readings, self.room[closed.track]).astype(np.intp)
        some = np.flatnonzero(sizes)
        for part in _parts(some, sizes):
            value[part] = self._percentile(closed.track[part], end[part], sizes[part], mine, fresh)
        return replace(closed, value=value)

    def _percentile(
        self, track: Places, end: NDArray[np.int64], size: Places, mine: Places, fresh: Values
    ) -> Values:
        row = np.repeat(np.arange(len(track)), size)
        back = _countdown(size)
        of = track[row]
        at = end[row] - 1 - back
        old = at < self.written[of]
        ordered = np.full((len(track), int(size.max())), np.inf)
        found = np.empty(len(of))
        found[old] = self._read(of[old], at[old])
        new = ~old
        first = np.searchsorted(mine, of[new])
        found[new] = fresh[first + at[new] - self.written[of[new]]]
        ordered[row, back] = found
        ordered.sort(axis=1)
        place = self.percent / 100 * (size - 1)
        below = np.floor(place).astype(np.intp)
        above = np.minimum(below + 1, size - 1)
        rows = np.arange(len(track))
        low = ordered[rows, below]
        between: Values = np.round(low + (ordered[rows, above] - low) * (place - below), DECIMALS)
        return between

    def _read(self, track: Places, at: NDArray[np.int64]) -> Values:
        found: Values = self.samples[self.base[track] + at % np.maximum(self.room[track], 1)]
        return found

    def _write(self, track: Places, value: Values) -> None:
        """Write samples, sorted by track; where a track has no room for all, the newest."""
        counts = np.bincount(track, minlength=len(self))
        back = _countdown(counts[np.unique(track)])
        at = self.written[track] + counts[track] - 1 - back
        fits = back < self.room[track]
        self.samples[(self.base[track] + at % np.maximum(self.room[track], 1))[fits]] = value[fits]
        self.written += counts


def _countdown(sizes: Places) -> Places:
    """Return for stretches of these sizes n-1 … 0 each, end to end."""
    ends = np.repeat(np.cumsum(sizes), sizes)
    return (ends - 1 - np.arange(len(ends))).astype(np.intp)


def _parts(rows: Places, sizes: Places) -> list[Places]:
    """Split rows so that each part, as wide as its longest, can be sorted in little memory."""
    if not len(rows):
        return []
    most = int(sizes[rows].max())
    return np.array_split(rows, -(-len(rows) * most // _SORTED_AT_ONCE))
