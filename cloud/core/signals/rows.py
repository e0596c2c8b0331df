"""The rows that the signals of one kind have, and what finds them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.rules import Rule
from cloud.core.signals.port import Key, Wanted
from cloud.core.signals.tables import Column, Keeper, Packed, Places, Table
from contract.errors import DecodeError

_OF_A_ROW: Mapping[str, Column] = {
    "slot": Column(np.int32, -1),
    "input": Column(np.int32, -1),
    "rule": Column(np.int32, -1),
    "series": Column(np.int32, -1),
}
_FEW = 16


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What some signals remember, by key."""

    rules: list[str]
    rule: bytes  # int32, place in rules; one a signal
    series: bytes  # int32
    columns: Packed


class Rows:
    """The signals of one kind, a row each, beside what keeps their memory by row.

    A row stays its signal's. That of one that left is free, and is the next one's that enters.

    given: by row, what the kind wants to know of its signals besides
    """

    def __init__(self, keeper: Keeper, given: Mapping[str, Column] | None = None) -> None:
        self.rules: list[Rule] = []  # as "rule" counts them
        self.given = Table({**_OF_A_ROW, **(given or {})})
        self._keeper = keeper
        self._rule_of: dict[str, int] = {}
        self._further: dict[int, tuple[int, ...]] = {}  # by row: its inputs after the first
        self._free: list[int] = []
        self._last_slot = -1
        self._first = np.zeros(2, np.int32)  # by slot: where its rows begin in _row
        self._row = np.empty(0, np.int32)
        self._stale = False

    def __len__(self) -> int:
        return len(self.given) - len(self._free)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> Places:
        """Free the rows of signals that leave, and have rows for those that enter.

        One that leaves and enters keeps its row and its memory.
        Returns: the rows of those that entered.
        """
        self._empty(self.leaving(leave, enter))
        rows = self.rows_of([one.slot for one in enter])
        new = np.flatnonzero(rows < 0)
        again = [self._free.pop() for _ in range(min(len(self._free), len(new)))]
        more = len(new) - len(again)
        rows[new] = [*again, *range(len(self.given), len(self.given) + more)]
        self.given.grow(more)
        self._keeper.grow(more)
        self._enter(rows, enter)
        self._stale = True
        return rows

    def leaving(self, leave: Sequence[int], enter: Sequence[Wanted]) -> Places:
        """Return the rows that change() will free."""
        entering = {one.slot for one in enter}
        gone = self.rows_of([slot for slot in leave if slot not in entering])
        return gone[gone >= 0]

    def rows_of(self, slots: Sequence[int]) -> Places:
        """Return the rows of signals, -1 for one that is not here."""
        asked = np.array(slots, np.int32)
        mine = self.given["slot"]
        if not len(asked) or int(asked.min()) > self._last_slot:
            return np.full(len(asked), -1, np.intp)
        if len(asked) <= _FEW:
            found = [np.flatnonzero(mine == slot) for slot in asked]
            return np.array([row[0] if len(row) else -1 for row in found], np.intp)
        order = np.argsort(mine)
        at = np.minimum(np.searchsorted(mine, asked, sorter=order), len(mine) - 1)
        return np.where(mine[order[at]] == asked, order[at], -1).astype(np.intp)

    def slots(self, rows: Places) -> Places:
        """Return the slots of what rows yield."""
        return self.given["slot"][rows].astype(np.intp)

    def match(self, arrivals: Arrivals) -> tuple[Places, Places]:
        """Return which rows read which arrivals: (row, place in arrivals), by row, then place."""
        if self._stale:
            self._index()
        slot = np.minimum(arrivals.slot, len(self._first) - 2)
        first = self._first[slot]
        counts = self._first[slot + 1] - first
        if not len(counts) or counts.max() <= 1:
            place = np.flatnonzero(counts)
            row = self._row[first[place]].astype(np.intp)
        else:
            place = np.repeat(np.arange(len(slot)), counts)
            within = np.arange(len(place)) - np.repeat(np.cumsum(counts) - counts, counts)
            row = self._row[first[place] + within].astype(np.intp)
        if (row[1:] >= row[:-1]).all():
            return row, place
        order = np.argsort(row, kind="stable")
        return row[order], place[order]

    def pack(self) -> Memory:
        """Return all that is remembered, by key."""
        live = np.flatnonzero(self.given["slot"] >= 0)
        return Memory(
            rules=[rule.id for rule in self.rules],
            rule=self.given["rule"][live].astype("<i4").tobytes(),
            series=self.given["series"][live].astype("<i4").tobytes(),
            columns=self._keeper.pack(live),
        )

    def unpack(self, found: Memory) -> None:
        """Take it for the signals that are here. Raises: DecodeError; nothing is changed then."""
        rule, series = np.frombuffer(found.rule, "<i4"), np.frombuffer(found.series, "<i4")
        try:
            keys = [(found.rules[n], of) for n, of in _pairs(rule, series)]
            place = {key: index for index, key in enumerate(keys)}
            here = [(row, place[key]) for row, key in self.signals() if key in place]
            to, of = (np.array([pair[side] for pair in here], np.intp) for side in (0, 1))
            self._keeper.unpack(found.columns, to, of)
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise DecodeError(f"memory of signals: {error}") from error

    def signals(self) -> Iterator[tuple[int, Key]]:
        """Yield the row and the key of each signal."""
        live = np.flatnonzero(self.given["slot"] >= 0)
        pairs = _pairs(self.given["rule"][live], self.given["series"][live])
        for row, (rule, series) in zip(live.tolist(), pairs, strict=True):
            yield row, (self.rules[rule].id, series)

    def memory(self) -> bytes:
        """Return all that is remembered, by key, as bytes."""
        return msgspec.msgpack.encode(self.pack())

    def remember(self, data: bytes) -> None:
        """Take that for the signals that are here. Raises: DecodeError; nothing is changed then."""
        try:
            found = msgspec.msgpack.decode(data, type=Memory)
        except msgspec.DecodeError as error:
            raise DecodeError(f"memory of signals: {error}") from error
        self.unpack(found)

    def _empty(self, rows: Places) -> None:
        self.given.reset(rows)
        self._keeper.reset(rows)
        self._free += rows.tolist()
        for row in rows.tolist():
            self._further.pop(row, None)

    def _enter(self, rows: Places, enter: Sequence[Wanted]) -> None:
        for one in enter:
            if one.rule.id not in self._rule_of:
                self._rule_of[one.rule.id] = len(self.rules)
                self.rules.append(one.rule)
        self.given["slot"][rows] = [one.slot for one in enter]
        self.given["input"][rows] = [one.inputs[0] for one in enter]
        self.given["rule"][rows] = [self._rule_of[one.rule.id] for one in enter]
        self.given["series"][rows] = [one.anchor.id for one in enter]
        self._last_slot = max(self._last_slot, *(one.slot for one in enter), -1)
        for row, one in zip(rows.tolist(), enter, strict=True):
            self._further.pop(row, None)
            if len(one.inputs) > 1:
                self._further[row] = one.inputs[1:]

    def _index(self) -> None:
        live = np.flatnonzero(self.given["slot"] >= 0)
        further = [(slot, row) for row, slots in self._further.items() for slot in slots]
        slot, row = (np.array([pair[side] for pair in further], np.int32) for side in (0, 1))
        slot = np.concatenate((self.given["input"][live], slot))
        self._row = np.concatenate((live.astype(np.int32), row))
        order = np.argsort(slot, kind="stable")
        self._row = self._row[order]
        # Beyond the last slot is one that nothing reads.
        counts = np.bincount(slot, minlength=1)
        ends = np.cumsum(counts)
        self._first = np.concatenate((np.zeros(1), ends, ends[-1:])).astype(np.int32)
        self._stale = False


def _pairs(first: NDArray[np.int32], second: NDArray[np.int32]) -> Iterator[tuple[int, int]]:
    yield from zip(first.tolist(), second.tolist(), strict=True)
