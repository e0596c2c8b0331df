"""Differences to another device, or to the mean of a group's devices, window by window.

A window's difference is told when all who are compared have told theirs, or when time has passed
its end; who has none by then does not count, and without any reference there is no difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from cloud.core.arrivals import Arrivals
from cloud.core.averages import average, averaging_of
from cloud.core.checks import Difference, Statistic, Window
from cloud.core.signals.port import Key, Wanted, yielded
from cloud.core.signals.sums import DECIMALS
from cloud.core.signals.windows import Windows
from contract.errors import DecodeError

_Told = dict[int, float]  # by series: what its window says, NaN for nothing


@dataclass(frozen=True, slots=True)
class _Part:
    """A window of one series, and who compares: keys of signals, in order."""

    number: int
    key: Key
    readers: dict[Key, None]

    @property
    def series(self) -> int:
        return self.key[1]


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    windows: bytes
    waiting: list[tuple[str, int, int, dict[int, float]]]  # rule, series, end, what was told
    done: list[tuple[str, int, int]]


class Differences:
    """All differences of an engine. Windows are kept once, however many compare with them."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._windows = Windows(zone)
        self._wanted: dict[Key, Wanted] = {}
        self._key_of: dict[int, Key] = {}  # by slot
        self._waiting: dict[Key, dict[int, _Told]] = {}  # by end of the window
        self._done: dict[Key, int] = {}
        self._parts: dict[Key, _Part] = {}
        self._part_of: dict[int, _Part] = {}  # by number
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._wanted)

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        entering = {one.key for one in enter}
        here = {self._key_of[slot] for slot in leave if slot in self._key_of}
        for key in here - entering:
            self._waiting.pop(key, None)
            self._done.pop(key, None)
        left = [part for key in here | entering for part in self._forget(key)]
        fresh: dict[int, Wanted] = {}
        for one in enter:
            self._wanted[one.key], self._key_of[one.slot] = one, one.key
            for window in _windows_of(one):
                part = self._part(window)
                part.readers[one.key] = None
                fresh[part.number] = replace(window, slot=part.number)
        unread = {part.number: part for part in left if not part.readers}
        for part in unread.values():
            del self._parts[part.key], self._part_of[part.number]
        self._windows.change(list(unread), list(fresh.values()))

    def _forget(self, key: Key) -> list[_Part]:
        """Have a signal read none of its windows; return these."""
        wanted = self._wanted.pop(key, None)
        if wanted is None:
            return []
        del self._key_of[wanted.slot]
        parts = [self._parts[window.key] for window in _windows_of(wanted)]
        for part in parts:
            part.readers.pop(key)
        return parts

    def _part(self, window: Wanted) -> _Part:
        if window.key not in self._parts:
            part = _Part(next(self._numbers), window.key, {})
            self._parts[window.key] = self._part_of[part.number] = part
        return self._parts[window.key]

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        return self._compared(self._windows.take(arrivals))

    def due(self, watermark_ms: int, /) -> Arrivals:
        """See Signals.due()."""
        return self._compared(self._windows.due(watermark_ms), watermark_ms)

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return msgspec.msgpack.encode(
            _Memory(
                windows=self._windows.memory(),
                waiting=[
                    (*key, end, told)
                    for key, ends in self._waiting.items()
                    for end, told in ends.items()
                ],
                done=[(*key, end) for key, end in self._done.items()],
            )
        )

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        try:
            found = msgspec.msgpack.decode(data, type=_Memory)
        except msgspec.DecodeError as error:
            raise DecodeError(f"memory of differences: {error}") from error
        self._windows.remember(found.windows)
        for rule, series, end in found.done:
            if (rule, series) in self._wanted:
                self._done[rule, series] = end
                self._waiting.pop((rule, series), None)
        for rule, series, end, told in found.waiting:
            if (rule, series) in self._wanted:
                self._waiting.setdefault((rule, series), {})[end] = told

    def _compared(self, windows: Arrivals, watermark_ms: int | None = None) -> Arrivals:
        """Note what windows say, and return the differences whose turn has come."""
        made_by: dict[Key, int] = {}
        says = np.where(windows.usable, windows.value, np.nan).tolist()
        rows, ends = windows.row.tolist(), windows.at_ms.tolist()
        for number, end, value, row in zip(windows.slot.tolist(), ends, says, rows, strict=True):
            part = self._part_of[number]
            for key in part.readers:
                if end > self._done.get(key, -1):
                    self._waiting.setdefault(key, {}).setdefault(end, {})[part.series] = value
                    made_by[key] = max(row, made_by.get(key, -1))
        keys = list(made_by) if watermark_ms is None else list(self._waiting)
        found = [
            (self._wanted[key].slot, end, value, made_by.get(key, -1))
            for key in keys
            for end, value in self._settled(key, watermark_ms)
        ]
        values = np.array([one[2] for one in found], float)
        return yielded(
            np.array([one[0] for one in found], np.intp),
            np.array([one[1] for one in found], np.int64),
            values,
            ~np.isnan(values),
            np.array([one[3] for one in found], np.intp),
        )

    def _settled(self, key: Key, watermark_ms: int | None) -> Iterator[tuple[int, float]]:
        """Yield ends and differences, in order: none before an earlier one has had its turn."""
        ends, wanted = self._waiting[key], self._wanted[key]
        for end in sorted(ends):
            passed = watermark_ms is not None and end < watermark_ms
            if not passed and len(ends[end]) < len(wanted.series):
                break
            yield end, _difference(wanted, ends.pop(end))
            self._done[key] = end
        if not ends:
            del self._waiting[key]


def _difference(wanted: Wanted, told: _Told) -> float:
    way = averaging_of(wanted.anchor.measurement)
    others = [told.get(series.id, np.nan) for series in wanted.series[1:]]
    known = np.array([value for value in others if not np.isnan(value)])
    if not len(known):
        return float(np.nan)
    mean = average(way, known, np.arange(len(known), dtype=np.int64))
    return float(np.round(told.get(wanted.anchor.id, np.nan) - mean, DECIMALS))


def _windows_of(wanted: Wanted) -> Iterator[Wanted]:
    """Yield the windows that a difference is made of, the anchor's first."""
    check = wanted.rule.check
    if not isinstance(check, Difference):
        raise TypeError(f"rule {wanted.rule.id} compares with nothing")
    window = Window(
        statistic=Statistic.MEAN, over_s=check.over_s, aligned=True, valid_rate=check.valid_rate
    )
    rule = replace(wanted.rule, id=f"{check.over_s} s, {check.valid_rate}", check=window)
    for slot, series in zip(wanted.inputs, wanted.series, strict=True):
        yield replace(
            wanted,
            rule=rule,
            anchor=series,
            inputs=(slot,),
            series=(series,),
            period_s=series.device.period_s or wanted.period_s,
        )
