"""What every kind of signal must do, and the rows that signals keep their memory in.

A signal is a series of its own, made of readings in event time by a rule's check. The engine gives
it a slot, as it does to series, and watches what it yields as if a device had sent it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
import numpy as np
from numpy.typing import DTypeLike, NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.model import Series
from cloud.core.rules import Rule
from contract.errors import DecodeError

Key = tuple[str, int]  # a rule's id and the anchor's series id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A signal that is to be made.

    anchor: the series that its alerts are of. slot: the engine's number for what it yields.
    inputs: the slots of the series it is made of, the anchor's first; series: the same as series.
    period_s: seconds between readings of the anchor's device; what is taken where none is known.
    gap_ms:   a longer silence of an input than this is a gap.
    """

    rule: Rule
    anchor: Series
    slot: int
    inputs: tuple[int, ...]
    series: tuple[Series, ...]
    period_s: float
    gap_ms: int

    @property
    def key(self) -> Key:
        """What it is known by in snapshots."""
        return self.rule.id, self.anchor.id


class Signals(Protocol):
    """All signals of one kind of check. Pure; the answer does not depend on how blocks are cut."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """Make some no longer, and others from now on. One in both keeps its memory."""
        ...

    def take(self, arrivals: Arrivals) -> Arrivals:
        """Return what readings make of the signals.

        Args:    arrivals: of all series, sorted by slot, then time; none is late.
        Returns: the same of the signals' slots. row: that of the reading that made it so.
        """
        ...

    def due(self, watermark_ms: int, /) -> Arrivals:
        """Return what time alone makes of the signals, when no reading before that is to come.

        row: -1. Nothing may be told twice: what is due here, take() no longer tells.
        """
        ...

    def memory(self) -> bytes:
        """Return all that is remembered, by key."""
        ...

    def remember(self, data: bytes) -> None:
        """Take a memory; what is not made here is left out, what is not in it stays as it is.

        Raises: DecodeError if the bytes are none; nothing is changed then.
        """
        ...


@dataclass(frozen=True, slots=True)
class Column:
    """One column of rows: its type, what it begins with, and its further dimensions."""

    dtype: DTypeLike
    start: float | int | bool
    shape: tuple[int, ...] = ()

    def of(self, rows: int) -> NDArray[Any]:
        """Return so many rows as they begin."""
        return np.full((rows, *self.shape), self.start, self.dtype)


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    rules: list[str]
    series: list[int]
    columns: dict[str, bytes]


class Rows:
    """The signals of one kind, a row each, and what they remember, in columns.

    slot: by row, the slot of what it yields
    """

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.wanted: list[Wanted] = []
        self.slot = np.empty(0, np.intp)
        self._kinds = dict(columns)
        self.columns: dict[str, NDArray[Any]] = {name: one.of(0) for name, one in columns.items()}
        self._first = np.zeros(1, np.int64)  # by slot: where its rows begin in _row
        self._row = np.empty(0, np.intp)
        self._stale = False

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, column: str) -> NDArray[Any]:
        return self.columns[column]

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """Drop rows and add others; a row that leaves and enters keeps its memory."""
        entering = {one.key: one for one in enter}
        gone = {one.key for one in leave} - set(entering)
        if gone:
            kept = np.array([one.key not in gone for one in self.wanted], bool)
            self.columns = {name: column[kept] for name, column in self.columns.items()}
        still = [one for one in self.wanted if one.key not in gone]
        self.wanted = [entering.pop(one.key, one) for one in still] if leave else still
        more = len(entering)
        self.wanted = [*self.wanted, *entering.values()]
        if more:
            self.columns = {
                name: np.concatenate((column, self._kinds[name].of(more)))
                for name, column in self.columns.items()
            }
        self.slot = np.array([one.slot for one in self.wanted], np.intp)
        self._stale = True

    def match(self, arrivals: Arrivals) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return which rows read which arrivals: (row, place in arrivals), by row, then place."""
        if self._stale:
            self._index()
        slots = len(self._first) - 1
        slot = np.minimum(arrivals.slot, slots)
        first = np.append(self._first, self._first[-1])
        counts = first[slot + 1] - first[slot]
        starts = np.cumsum(counts) - counts
        within = np.arange(int(counts.sum())) - np.repeat(starts, counts)
        row = self._row[(np.repeat(first[slot], counts) + within).astype(np.intp)]
        place = np.repeat(np.arange(len(slot)), counts).astype(np.intp)
        order = np.argsort(row, kind="stable")
        return row[order], place[order]

    def memory(self) -> bytes:
        """Return all columns, by key."""
        return msgspec.msgpack.encode(
            _Memory(
                rules=[one.rule.id for one in self.wanted],
                series=[one.anchor.id for one in self.wanted],
                columns={name: column.tobytes() for name, column in self.columns.items()},
            )
        )

    def remember(self, data: bytes) -> None:
        """Take columns for the rows that are here. Raises: DecodeError; nothing is changed then."""
        try:
            found = msgspec.msgpack.decode(data, type=_Memory)
            told = {
                name: np.frombuffer(found.columns[name], kind.dtype).reshape(-1, *kind.shape)
                for name, kind in self._kinds.items()
            }
        except (msgspec.DecodeError, ValueError, KeyError) as error:
            raise DecodeError(f"memory of signals: {error}") from error
        keys = list(zip(found.rules, found.series, strict=False))
        if any(len(column) != len(keys) for column in told.values()):
            raise DecodeError("memory of signals: its columns differ in length")
        place = {key: index for index, key in enumerate(keys)}
        here = [(row, place[one.key]) for row, one in enumerate(self.wanted) if one.key in place]
        to, of = (np.array([pair[side] for pair in here], np.intp) for side in (0, 1))
        for name in self._kinds:
            self.columns[name][to] = told[name][of]

    def _index(self) -> None:
        pairs = [(slot, row) for row, one in enumerate(self.wanted) for slot in one.inputs]
        slot, self._row = (np.array([pair[side] for pair in pairs], np.intp) for side in (0, 1))
        order = np.argsort(slot, kind="stable")
        self._row = self._row[order]
        counts = np.bincount(slot, minlength=1)
        self._first = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        self._stale = False


def yielded(
    slot: NDArray[np.intp],
    at_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    usable: NDArray[np.bool_],
    row: NDArray[np.intp],
) -> Arrivals:
    """Return what signals yield, sorted by slot, then time."""
    order = np.lexsort((at_ms, slot))
    return Arrivals(
        slot=slot[order],
        at_ms=at_ms[order],
        value=value[order],
        usable=usable[order],
        flags=np.zeros(len(slot), np.uint16),
        row=row[order],
    )


def nothing() -> Arrivals:
    """Return what a signal yields that has nothing to say."""
    none = np.empty(0, np.intp)
    return yielded(none, none.astype(np.int64), none.astype(float), none.astype(bool), none)
