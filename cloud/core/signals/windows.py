"""Statistics of windows as signals: one value a window, at its last millisecond.

So the window that ends when the night begins is still the day's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.checks import Statistic, Window
from cloud.core.rules import Rule
from cloud.core.signals.grids import SLIDING_PANES, Aligned, Grid, Sliding
from cloud.core.signals.panes import Closed, Panes
from cloud.core.signals.percentiles import Percentiles, room_for
from cloud.core.signals.port import Wanted, nothing, yielded
from cloud.core.signals.rows import Memory, Rows
from cloud.core.signals.sums import MAXIMUM, MEANS, MINIMUM
from cloud.core.signals.tables import Column
from contract.errors import DecodeError
from contract.quantities import Averaging, quantity_of

# Exceeded 10 % of the time is what 90 % of the readings lie at or below.
_PERCENT = {Statistic.L10: 90.0, Statistic.L50: 50.0, Statistic.L90: 10.0}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What windows have in common that are made together."""

    statistic: Statistic
    averaging: Averaging
    over_ms: int
    aligned: bool
    percent: float | None

    def kernel(self, zone: ZoneInfo) -> Panes | Percentiles:
        """Return windows of no signals."""
        grid: Grid = Aligned(self.over_ms, zone) if self.aligned else Sliding(self.over_ms)
        percent = _PERCENT.get(self.statistic, self.percent)
        if percent is not None:
            return Percentiles(grid, percent)
        extremes = {Statistic.MINIMUM: MINIMUM, Statistic.MAXIMUM: MAXIMUM}
        return Panes(grid, extremes.get(self.statistic, MEANS[self.averaging]))


class _Group:
    """The windows of one kind."""

    def __init__(self, kind: _Kind, zone: ZoneInfo) -> None:
        self._kind = kind
        self._kernel = kind.kernel(zone)
        self.rows = Rows(self._kernel, {"period_ms": Column(np.float64, np.nan)})
        self._valid_rate = np.empty(0)  # by rule

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        rows = self.rows.change(leave, enter)
        self.rows.given["period_ms"][rows] = [one.period_s * 1000 for one in enter]
        self._valid_rate = np.array([_check(rule).valid_rate for rule in self.rows.rules], float)
        if isinstance(self._kernel, Percentiles):
            over_ms = self._kind.over_ms
            self._kernel.fit(rows, [room_for(over_ms, one.period_s * 1000) for one in enter])

    def take(self, arrivals: Arrivals) -> Arrivals:
        row, place = self.rows.match(arrivals)
        late = self._kernel.late(row, arrivals.at_ms[place])
        if late.any():
            row, place = row[~late], place[~late]
        if not len(row):
            return nothing()
        closed = self._kernel.take(
            row, arrivals.at_ms[place], arrivals.value[place], arrivals.usable[place]
        )
        return self._yield(closed, arrivals.row[place[closed.row]])

    def due(self, watermark_ms: int) -> Arrivals:
        if not self._kind.aligned:
            return nothing()
        closed = self._kernel.advance(watermark_ms)
        return self._yield(closed, closed.row)

    def _yield(self, closed: Closed, row: NDArray[np.intp]) -> Arrivals:
        span_ms = closed.end_ms - closed.begin_ms if self._kind.aligned else self._kind.over_ms
        given = self.rows.given
        due = np.maximum(np.round(span_ms / given["period_ms"][closed.track]), 1)
        enough = closed.readings / due >= self._valid_rate[given["rule"][closed.track]]
        return yielded(
            self.rows.slots(closed.track),
            closed.end_ms - 1,
            closed.value,
            enough & np.isfinite(closed.value),
            row,
        )


class Windows:
    """A window tells when a reading of a later pane comes, or the watermark passes its end.

    With fewer usable readings than the rule's valid_rate asks for it says nothing.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._groups: dict[_Kind, _Group] = {}

    def __len__(self) -> int:
        return sum(len(group.rows) for group in self._groups.values())

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        entering: dict[_Kind, list[Wanted]] = {kind: [] for kind in self._groups}
        for one in enter:
            entering.setdefault(_kind(one), []).append(one)
        for kind, mine in entering.items():
            if kind not in self._groups:
                self._groups[kind] = _Group(kind, self._zone)
            if leave or mine:
                self._groups[kind].change(leave, mine)

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        return _together([group.take(arrivals) for group in self._groups.values()])

    def due(self, watermark_ms: int) -> Arrivals:
        """See Signals.due()."""
        return _together([group.due(watermark_ms) for group in self._groups.values()])

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return msgspec.msgpack.encode(
            [(_words(kind), group.rows.pack()) for kind, group in self._groups.items()]
        )

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        try:
            told = dict(msgspec.msgpack.decode(data, type=list[tuple[str, Memory]]))
        except msgspec.DecodeError as error:
            raise DecodeError(f"memory of windows: {error}") from error
        for kind, group in self._groups.items():
            if _words(kind) in told:
                group.rows.unpack(told[_words(kind)])


def _kind(wanted: Wanted) -> _Kind:
    check = _check(wanted.rule)
    over_ms = round(check.over_s * 1000)
    if not check.aligned:
        over_ms = max(1, round(over_ms / SLIDING_PANES)) * SLIDING_PANES
    return _Kind(
        statistic=check.statistic,
        averaging=quantity_of(wanted.anchor.measurement).averaging,
        over_ms=over_ms,
        aligned=check.aligned,
        percent=check.percent,
    )


def _check(rule: Rule) -> Window:
    if not isinstance(rule.check, Window):
        raise TypeError(f"{rule.id} looks at no window")
    return rule.check


def _words(kind: _Kind) -> str:
    return f"{kind.statistic} {kind.averaging} {kind.over_ms} {kind.aligned} {kind.percent}"


def _together(parts: Sequence[Arrivals]) -> Arrivals:
    if len(parts) == 1:
        return parts[0]
    return yielded(
        np.concatenate([one.slot for one in parts] or [np.empty(0, np.intp)]),
        np.concatenate([one.at_ms for one in parts] or [np.empty(0, np.int64)]),
        np.concatenate([one.value for one in parts] or [np.empty(0)]),
        np.concatenate([one.usable for one in parts] or [np.empty(0, bool)]),
        np.concatenate([one.row for one in parts] or [np.empty(0, np.intp)]),
    )
