"""Expressions over one device's measurements as signals.

An expression is computed for every moment at which one of its inputs was read, of the newest
reading of each input up to then. A moment's turn comes when every input was read at it or later,
or when time has passed it: so the answer is the same in whatever order the inputs come in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import NEVER, Arrivals
from cloud.core.checks import Expression
from cloud.core.rules import Rule
from cloud.core.signals.compute import compute
from cloud.core.signals.formula import MOST_INPUTS, Formula, parse
from cloud.core.signals.port import Wanted, yielded
from cloud.core.signals.rows import Rows
from cloud.core.signals.tables import Column, Places, Table
from contract.errors import DecodeError


@dataclass(slots=True)
class _Waiting:
    """Readings whose turn has not come. value: NaN where it says nothing of the process."""

    row: Places
    place: Places  # of the input in the formula
    at_ms: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def none(cls) -> _Waiting:
        empty = np.empty(0, np.intp)
        return cls(empty, empty, empty.astype(np.int64), empty.astype(np.float64))

    def take(self, rows: NDArray[np.bool_] | Places) -> _Waiting:
        return _Waiting(self.row[rows], self.place[rows], self.at_ms[rows], self.value[rows])

    def with_more(self, more: _Waiting) -> _Waiting:
        """Return both, by row, then time."""
        both = _Waiting(
            np.concatenate((self.row, more.row)),
            np.concatenate((self.place, more.place)),
            np.concatenate((self.at_ms, more.at_ms)),
            np.concatenate((self.value, more.value)),
        )
        return both.take(np.lexsort((both.at_ms, both.row)))


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    rows: bytes
    waiting: list[tuple[str, int, int, int, float | None]]  # rule, series, place, time, value


class Expressions:
    """All expressions of an engine."""

    def __init__(self) -> None:
        wide = (MOST_INPUTS,)
        self._kept = Table(
            {
                "at_ms": Column(np.int64, NEVER, wide),  # what each input last said, and when
                "value": Column(np.float64, np.nan, wide),
                "newest_ms": Column(np.int64, NEVER, wide),  # of all readings, waiting ones too
                "told_ms": Column(np.int64, NEVER),
            }
        )
        # By input of the formula its slot, -1 for none.
        self._rows = Rows(self._kept, {"inputs": Column(np.int32, -1, wide)})
        self._waiting = _Waiting.none()
        self._formulas: dict[str, Formula] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change(). Raises: RuleError if a text is no formula over the inputs."""
        gone = self._rows.leaving(leave, enter)
        if len(gone) and len(self._waiting.row):
            self._waiting = self._waiting.take(~np.isin(self._waiting.row, gone))
        rows = self._rows.change(leave, enter)
        self._rows.given["inputs"][rows] = -1
        for row, one in zip(rows.tolist(), enter, strict=True):
            slot_of = {s.measurement: i for s, i in zip(one.series, one.inputs, strict=True)}
            names = self._formula(one, list(slot_of)).inputs
            self._rows.given["inputs"][row, : len(names)] = [slot_of[name] for name in names]

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        row, at = self._rows.match(arrivals)
        fresh = arrivals.at_ms[at] > self._kept["told_ms"][row]
        row, at = row[fresh], at[fresh]
        reads = self._rows.given["inputs"][row] == arrivals.slot[at][:, np.newaxis]
        used = reads.any(axis=1)  # a rule may name more than its formula reads
        row, at, place = row[used], at[used], reads[used].argmax(axis=1)
        at_ms = arrivals.at_ms[at]
        np.maximum.at(self._kept["newest_ms"], (row, place), at_ms)
        value = np.where(arrivals.usable[at], arrivals.value[at], np.nan)
        self._waiting = self._waiting.with_more(_Waiting(row, place, at_ms, value))
        unused = self._rows.given["inputs"] < 0
        settled_ms = np.where(unused, np.iinfo(np.int64).max, self._kept["newest_ms"]).min(axis=1)
        made_by = np.full(len(self._kept), -1, np.intp)
        np.maximum.at(made_by, row, arrivals.row[at])
        return self._settle(settled_ms, made_by)

    def due(self, watermark_ms: int, /) -> Arrivals:
        """See Signals.due()."""
        settled_ms = np.full(len(self._kept), watermark_ms - 1)
        return self._settle(settled_ms, np.full(len(self._kept), -1, np.intp))

    def memory(self) -> bytes:
        """See Signals.memory()."""
        waiting, keys = self._waiting, dict(self._rows.signals())
        told = zip(
            waiting.row.tolist(),
            waiting.place.tolist(),
            waiting.at_ms.tolist(),
            waiting.value.tolist(),
            strict=True,
        )
        kept = [(*keys[row], place, at_ms, value) for row, place, at_ms, value in told]
        return msgspec.msgpack.encode(_Memory(rows=self._rows.memory(), waiting=kept))

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        try:
            found = msgspec.msgpack.decode(data, type=_Memory)
        except msgspec.DecodeError as error:
            raise DecodeError(f"memory of expressions: {error}") from error
        self._rows.remember(found.rows)
        row_of = {key: row for row, key in self._rows.signals()}
        kept = [
            (row_of[(rule, series)], place, at_ms, np.nan if value is None else value)
            for rule, series, place, at_ms, value in found.waiting
            if (rule, series) in row_of
        ]
        told = _Waiting(
            np.array([one[0] for one in kept], np.intp),
            np.array([one[1] for one in kept], np.intp),
            np.array([one[2] for one in kept], np.int64),
            np.array([one[3] for one in kept], np.float64),
        )
        others = self._waiting.take(~np.isin(self._waiting.row, told.row))
        self._waiting = others.with_more(told)

    def _formula(self, wanted: Wanted, names: Sequence[str]) -> Formula:
        rule = wanted.rule
        if not isinstance(rule.check, Expression):
            raise TypeError(f"rule {rule.id} has no expression")
        if rule.id not in self._formulas:
            self._formulas[rule.id] = parse(rule.check.text, names)
        return self._formulas[rule.id]

    def _settle(self, settled_ms: NDArray[np.int64], made_by: Places) -> Arrivals:
        """Compute the moments up to settled_ms, by row."""
        waiting = self._waiting
        ready = waiting.at_ms <= settled_ms[waiting.row]
        turn, self._waiting = waiting.take(ready), waiting.take(~ready)
        row: list[Places] = []
        at_ms: list[NDArray[np.int64]] = []
        value: list[NDArray[np.float64]] = []
        of_rule = self._rows.given["rule"][turn.row]
        for place in np.unique(of_rule).tolist():
            found = self._computed(self._rows.rules[place], turn.take(of_rule == place))
            row.append(found[0])
            at_ms.append(found[1])
            value.append(found[2])
        of = np.concatenate([np.empty(0, np.intp), *row])
        values = np.concatenate([np.empty(0), *value])
        return yielded(
            self._rows.slots(of),
            np.concatenate([np.empty(0, np.int64), *at_ms]),
            values,
            ~np.isnan(values),
            made_by[of],
        )

    def _computed(
        self, rule: Rule, turn: _Waiting
    ) -> tuple[Places, NDArray[np.int64], NDArray[np.float64]]:
        """Return the moments of one rule's rows, and what they come to; note what inputs said."""
        formula = self._formulas[rule.id]
        inputs = len(formula.inputs)
        new = np.append(True, (turn.row[1:] != turn.row[:-1]) | (turn.at_ms[1:] != turn.at_ms[:-1]))
        row, at_ms = turn.row[new], turn.at_ms[new]
        # A line a moment, and before each row's first what its inputs had said until then.
        first = np.append(True, row[1:] != row[:-1])
        line = np.arange(len(row)) + np.cumsum(first)
        seed = line[first] - 1
        said_ms = np.full((len(row) + len(seed), inputs), NEVER)
        said = np.full(said_ms.shape, np.nan)
        from_line = np.zeros(said_ms.shape, np.intp)
        said_ms[seed] = self._kept["at_ms"][row[first], :inputs]
        said[seed] = self._kept["value"][row[first], :inputs]
        from_line[seed] = seed[:, np.newaxis]
        where = line[np.cumsum(new) - 1], turn.place
        said_ms[where], said[where], from_line[where] = turn.at_ms, turn.value, where[0]
        from_line = np.maximum.accumulate(from_line, axis=0)
        said_ms = np.take_along_axis(said_ms, from_line, axis=0)
        said = np.take_along_axis(said, from_line, axis=0)
        last = line[np.append(first[1:], True)]
        rows = row[first]
        self._kept["at_ms"][rows, :inputs] = said_ms[last]
        self._kept["value"][rows, :inputs] = said[last]
        self._kept["told_ms"][rows] = at_ms[np.append(first[1:], True)]
        oldest = at_ms - _max_age_ms(rule)
        known = np.where(said_ms[line] >= oldest[:, np.newaxis], said[line], np.nan)
        return row, at_ms, compute(formula, list(known.T))


def _max_age_ms(rule: Rule) -> int:
    return round(rule.check.max_age_s * 1000) if isinstance(rule.check, Expression) else 0
