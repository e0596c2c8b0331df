"""Percentiles of windows: they keep each window's own readings, and order them when it closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cloud.core.signals.grids import Grid, Moments
from cloud.core.signals.panes import Closed, Panes
from cloud.core.signals.rings import Ordered, Rings
from cloud.core.signals.sums import COUNT, DECIMALS, Values
from cloud.core.signals.tables import Packed, Places

MOST_SAMPLES = 20_000
_SORTED_AT_ONCE = 2_000_000


def room_for(span_ms: int, period_ms: float) -> int:
    """Return how many readings a window keeps: half as many again as are due, 20,000 at most."""
    return min(MOST_SAMPLES, max(16, round(1.5 * span_ms / period_ms)))


class Percentiles:
    """Windows whose value is a percentile, of some tracks; as cloud.core.signals.panes.Panes.

    percent: so many of the readings lie at or below the value, interpolated between readings.
    Where a window has more readings than its track has room for, the newest count.
    """

    def __init__(self, grid: Grid, percent: float) -> None:
        self._percent = percent
        self._panes = Panes(grid, COUNT)
        self._rings = Rings()

    def __len__(self) -> int:
        return len(self._panes)

    def nbytes(self) -> int:
        """Return how many bytes all tracks take."""
        return self._rings.nbytes() + self._panes.nbytes()

    def grow(self, more: int) -> None:
        """Add tracks without readings, and without room for any: fit() gives it."""
        self._panes.grow(more)
        self._rings.grow(more)

    def fit(self, tracks: Places, room: Sequence[int]) -> None:
        """Give tracks room for so many readings each; the newest are kept."""
        self._rings.fit(tracks, np.array(room, np.int32))

    def reset(self, tracks: Places) -> None:
        """Make tracks what they were before any reading."""
        self._panes.reset(tracks)
        self._rings.reset(tracks)

    def pack(self, tracks: Places) -> Packed:
        """Return all that some tracks remember."""
        return self._panes.pack(tracks) | self._rings.pack(tracks)

    def unpack(self, packed: Packed, to: Places, of: Places) -> None:
        """Take such a memory, as far as there is room. Raises: as Panes.unpack()."""
        told = self._rings.told(packed, of)
        self._panes.unpack(packed, to, of)
        self._rings.take_over(to, *told)

    def late(self, track: Places, at_ms: Moments) -> NDArray[np.bool_]:
        """Return which readings are of a pane that has closed, or of one before it."""
        return self._panes.late(track, at_ms)

    def next_end_ms(self) -> int | None:
        """Return when the first of the open panes ends; None if none is open."""
        return self._panes.next_end_ms()

    def take(
        self, track: Places, at_ms: Moments, value: Values, usable: NDArray[np.bool_]
    ) -> Closed:
        """Gather readings, sorted by track, then time, none of them late; return what closed."""
        closed = self._panes.take(track, at_ms, value, usable)
        if (closed.track[1:] != closed.track[:-1]).all():
            return self._one_each(closed, track, value, usable)
        mine, fresh = track[usable], value[usable]
        before = np.append(0, np.cumsum(usable))  # usable rows before each row
        begins = np.searchsorted(mine, closed.track)
        # The stream of a track: what it kept, then what is fresh. A window ends at a place of it.
        end = self._rings.written(closed.track) + before[closed.row] - begins
        sizes = self._sizes(closed)
        found = np.full(len(closed.track), np.nan)
        for part in self._parts(closed.track, sizes):
            of = closed.track[part]
            ordered = self._rings.stream(of, end[part], sizes[part], mine, fresh)
            found[part] = self._between(ordered, sizes[part])
        self._rings.write(mine, fresh)
        return replace(closed, value=found)

    def advance(self, watermark_ms: int) -> Closed:
        """Close what ends at the watermark or before it: no more readings come from there."""
        return self._valued(self._panes.advance(watermark_ms))

    def _one_each(
        self, closed: Closed, track: Places, value: Values, usable: NDArray[np.bool_]
    ) -> Closed:
        """As live readings close windows: what comes before the end is written, then the rest."""
        ends = np.full(len(self), len(track), np.intp)
        ends[closed.track] = closed.row
        after = np.arange(len(track)) >= ends[track]
        early, late = usable & ~after, usable & after
        self._rings.write(track[early], value[early])
        valued = self._valued(closed)
        self._rings.write(track[late], value[late])
        return valued

    def _valued(self, closed: Closed) -> Closed:
        """Return windows, of which each ends with the newest reading of its track."""
        sizes = self._sizes(closed)
        found = np.full(len(closed.track), np.nan)
        for part in self._parts(closed.track, sizes):
            ordered = self._rings.newest(closed.track[part], sizes[part])
            found[part] = self._between(ordered, sizes[part])
        return replace(closed, value=found)

    def _sizes(self, closed: Closed) -> Places:
        return np.minimum(closed.readings, self._rings.room(closed.track)).astype(np.intp)

    def _parts(self, tracks: Places, sizes: Places) -> Iterator[Places]:
        """Yield windows with readings, as many as are sorted at once: those with like room."""
        some = np.flatnonzero(sizes)
        doublings = np.ceil(np.log2(self._rings.room(tracks[some])))
        for each in np.unique(doublings).tolist():
            alike = some[doublings == each]
            yield from np.array_split(alike, -(-len(alike) * 2 ** int(each) // _SORTED_AT_ONCE))

    def _between(self, ordered: Ordered, size: Places) -> Values:
        place = self._percent / 100 * (size - 1)
        below = np.floor(place).astype(np.intp)
        low, high = ordered.at(below), ordered.at(np.minimum(below + 1, size - 1))
        found: Values = np.round(low + (high - low) * (place - below), DECIMALS)
        return found
