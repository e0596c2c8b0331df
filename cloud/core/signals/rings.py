"""The newest readings of many series, each series' in a ring of its own size.

Readings of a few decimals take four bytes each, as whole numbers of ten-thousandths; if one does
not fit that exactly, all take eight from then on. So what is read is always what was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud.core.signals.sums import Values
from cloud.core.signals.tables import Column, Packed, Places, Table, pack, unpack

_SCALE = 10_000.0
_MOST = 2_147_000_000.0  # in whole numbers; beyond all of them is what stands for no reading
_NONE = np.iinfo(np.int32).max
_REWRITTEN = 1 << 30  # counts of readings are cut before they are too long


@dataclass(frozen=True, slots=True)
class Ordered:
    """Readings in order, one row a window, those that are none at the end."""

    cells: NDArray[Any]

    def at(self, place: Places) -> Values:
        """Return of each row the value at a place."""
        return _values(self.cells[np.arange(len(place)), place])


class Rings:
    """Rings of some tracks. written: how many readings a track ever had, as far as it matters."""

    def __init__(self) -> None:
        self._table = Table(
            {
                "base": Column(np.int32, 0),  # where a ring begins among the cells
                "room": Column(np.int32, 0),
                "written": Column(np.int32, 0),
            }
        )
        self._cells = Table({"value": Column(np.int32, 0)})

    def nbytes(self) -> int:
        """Return how many bytes all rings take."""
        return self._table.nbytes() + self._cells.nbytes()

    def room(self, tracks: Places) -> Places:
        """Return how many readings there is room for."""
        return self._table["room"][tracks].astype(np.intp)

    def written(self, tracks: Places) -> Places:
        """Return how many readings tracks had."""
        return self._table["written"][tracks].astype(np.intp)

    def grow(self, more: int) -> None:
        """Add rings without room."""
        self._table.grow(more)

    def reset(self, tracks: Places) -> None:
        """Forget all readings; the room stays."""
        self._table["written"][tracks] = 0

    def fit(self, tracks: Places, room: NDArray[np.int32]) -> None:
        """Give tracks so much room; the newest readings are kept."""
        other = self._table["room"][tracks] != room
        tracks, room = tracks[other], room[other]
        if not len(tracks):
            return
        kept, values = self._newest(tracks, room)
        base = len(self._cells) + np.cumsum(room) - room
        self._cells.grow(int(room.sum()))
        self._table["base"][tracks] = base
        self._table["room"][tracks] = room
        self._fill(tracks, kept, values)
        if len(self._cells) > 2 * int(self._table["room"].sum(dtype=np.int64)):
            self._close_up()

    def write(self, track: Places, value: Values) -> None:
        """Write readings, sorted by track; where a track has no room for all, the newest."""
        if not len(track):
            return
        first = np.flatnonzero(np.append(True, track[1:] != track[:-1]))
        counts = np.diff(np.append(first, len(track)))
        tracks = track[first]
        room, written = self.room(tracks), self.written(tracks)
        back = countdown(counts)
        at = np.repeat(written + counts, counts) - 1 - back
        of = np.repeat(room, counts)
        place = np.repeat(self._table["base"][tracks], counts) + at % np.maximum(of, 1)
        fits = back < of
        self._put(place[fits], value[fits])
        written += counts
        long = written > _REWRITTEN
        written[long] = room[long] + written[long] % np.maximum(room[long], 1)
        self._table["written"][tracks] = written

    def newest(self, tracks: Places, sizes: Places) -> Ordered:
        """Return in order the newest readings of tracks, so many each."""
        room, written = self._table["room"][tracks], self._table["written"][tracks]
        column = np.arange(int(room.max()), dtype=np.int32)
        base = self._table["base"][tracks]
        place = np.minimum(base[:, np.newaxis] + column, len(self._cells) - 1)
        cells = self._cells["value"][place]
        # How long ago a cell was written: the newest is that before the place of the next one.
        age = (written % room)[:, np.newaxis] - 1 - column
        age += np.where(age < 0, room[:, np.newaxis], 0)
        beyond = (age >= sizes[:, np.newaxis]) | (column >= room[:, np.newaxis])
        return self._in_order(cells, beyond)

    def stream(
        self, tracks: Places, end: Places, sizes: Places, mine: Places, fresh: Values
    ) -> Ordered:
        """Return in order so many readings each that come before the end-th of a track's.

        Args: mine, fresh: readings that follow what was written, sorted by track.
        """
        row, back = np.repeat(np.arange(len(tracks)), sizes), countdown(sizes)
        of, at = tracks[row], end[row] - 1 - back
        new = at >= self._table["written"][of]
        found = np.empty(len(of))
        found[~new] = _values(self._read(of[~new], at[~new]))
        first = np.searchsorted(mine, of[new])
        found[new] = fresh[first + at[new] - self._table["written"][of[new]]]
        ordered = np.full((len(tracks), int(sizes.max())), np.inf)
        ordered[row, back] = found
        ordered.sort(axis=1)
        return Ordered(ordered)

    def pack(self, tracks: Places) -> Packed:
        """Return what some rings keep: how many each, and the readings, the oldest first."""
        kept, values = self._newest(tracks, self._table["room"][tracks])
        return {"kept": pack(kept.astype("<i4")), "samples": pack(values.astype("<f8"))}

    def told(self, packed: Packed, of: Places) -> tuple[Places, Values]:
        """Return how many readings each has, of the of-th tracks of such, and the readings.

        Raises: KeyError, ValueError, TypeError, IndexError if it is none.
        """
        kept, values = unpack(packed["kept"]).astype(np.intp), unpack(packed["samples"])
        if kept.ndim != 1 or kept.sum() != values.size or (kept < 0).any():
            raise ValueError("readings of windows are not as many as are told of")
        ends = np.cumsum(kept)
        place = np.repeat(ends[of] - 1, kept[of]) - countdown(kept[of])
        return kept[of], values[place].astype(np.float64)

    def take_over(self, tracks: Places, kept: Places, values: Values) -> None:
        """Have tracks hold these readings and no others, as far as there is room."""
        self._fill(tracks, kept, values)

    def _fill(self, tracks: Places, kept: Places, values: Values) -> None:
        # What a window counts it must have: what there was no room for is as if never written.
        self._table["written"][tracks] = 0
        order = np.argsort(tracks, kind="stable")
        sizes = np.minimum(kept, self.room(tracks))[order]
        place = np.repeat(np.cumsum(kept)[order] - 1, sizes) - countdown(sizes)
        self.write(np.repeat(tracks[order], sizes), values[place])

    def _newest(self, tracks: Places, room: NDArray[np.int32]) -> tuple[Places, Values]:
        """Return how many readings tracks keep, so many at the most, and these."""
        kept = np.minimum(np.minimum(self.written(tracks), self.room(tracks)), room)
        at = np.repeat(self.written(tracks) - 1, kept) - countdown(kept)
        return kept, _values(self._read(np.repeat(tracks, kept), at))

    def _read(self, track: Places, at: Places) -> NDArray[Any]:
        room = np.maximum(self._table["room"][track], 1)
        found: NDArray[Any] = self._cells["value"][self._table["base"][track] + at % room]
        return found

    def _put(self, place: Places, value: Values) -> None:
        cells = self._cells["value"]
        if cells.dtype == np.int32:
            whole = np.round(value * _SCALE)
            exact = (whole / _SCALE == value) & (np.abs(whole) < _MOST)
            if exact.all():
                cells[place] = whole
                return
            self._cells.widen("value", np.float64)
            cells = self._cells["value"]
            cells /= _SCALE
        cells[place] = value

    def _in_order(self, cells: NDArray[Any], beyond: NDArray[np.bool_]) -> Ordered:
        cells[beyond] = _NONE if cells.dtype == np.int32 else np.inf
        cells.sort(axis=1)
        return Ordered(cells)

    def _close_up(self) -> None:
        """Leave no cells that are of no ring."""
        tracks = np.flatnonzero(self._table["room"])
        room = self._table["room"][tracks]
        kept, values = self._newest(tracks, room)
        self._cells = Table({"value": Column(self._cells["value"].dtype, 0)})
        self._cells.grow(int(room.sum()))
        self._table["base"][tracks] = np.cumsum(room) - room
        self._fill(tracks, kept, values)


def _values(cells: NDArray[Any]) -> Values:
    found: Values = cells / _SCALE if cells.dtype == np.int32 else cells
    return found


def countdown(sizes: Places) -> Places:
    """Return for stretches of these sizes n-1 … 0 each, end to end."""
    ends = np.repeat(np.cumsum(sizes), sizes)
    return (ends - 1 - np.arange(len(ends))).astype(np.intp)
