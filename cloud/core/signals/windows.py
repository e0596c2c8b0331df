"""Statistics of windows as signals: one value a window, at its last millisecond.

So the window that ends when the night begins is still the day's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.checks import Statistic, Window
from cloud.core.signals.grids import SLIDING_PANES, Aligned, Grid, Sliding
from cloud.core.signals.panes import Closed, Panes
from cloud.core.signals.percentiles import Percentiles, room_for
from cloud.core.signals.port import Key, Rows, Wanted, nothing, yielded
from cloud.core.signals.sums import MAXIMUM, MEANS, MINIMUM
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

    def kernel(self, zone: ZoneInfo, wanted: Sequence[Wanted]) -> Panes | Percentiles:
        """Return windows without readings, one a signal."""
        grid: Grid = Aligned(self.over_ms, zone) if self.aligned else Sliding(self.over_ms)
        percent = _PERCENT.get(self.statistic, self.percent)
        if percent is not None:
            percentiles = Percentiles(grid, percent)
            percentiles.fit([room_for(self.over_ms, one.period_s * 1000) for one in wanted])
            return percentiles
        extremes = {Statistic.MINIMUM: MINIMUM, Statistic.MAXIMUM: MAXIMUM}
        panes = Panes(grid, extremes.get(self.statistic, MEANS[self.averaging]))
        panes.grow(len(wanted))
        return panes


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    rules: list[str]
    series: list[int]
    columns: dict[str, tuple[str, list[int], bytes]]  # type, shape, data


class _Group:
    """The windows of one kind."""

    def __init__(self, kind: _Kind, zone: ZoneInfo) -> None:
        self._kind = kind
        self._zone = zone
        self.rows = Rows({})
        self._kernel = kind.kernel(zone, ())
        self._period_ms = self._valid_rate = np.empty(0)  # by row

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        place = {one.key: row for row, one in enumerate(self.rows.wanted)}
        self.rows.change(leave, enter)
        wanted = self.rows.wanted
        self._period_ms = np.array([one.period_s * 1000 for one in wanted], float)
        self._valid_rate = np.array([_check(one).valid_rate for one in wanted], float)
        self._carry((place, self._kernel.columns()))

    def take(self, arrivals: Arrivals) -> Arrivals:
        row, place = self.rows.match(arrivals)
        late = self._kernel.late(row, arrivals.at_ms[place])
        if late.any():
            row, place = row[~late], place[~late]
        if not len(row):
            return nothing()
        read = arrivals.take(place)
        closed = self._kernel.take(row, read.at_ms, read.value, read.usable)
        return self._yield(closed, read.row[closed.row])

    def due(self, watermark_ms: int) -> Arrivals:
        if not self._kind.aligned:
            return nothing()
        closed = self._kernel.advance(watermark_ms)
        return self._yield(closed, closed.row)

    def memory(self) -> _Memory:
        columns = self._kernel.columns()
        return _Memory(
            rules=[one.rule.id for one in self.rows.wanted],
            series=[one.anchor.id for one in self.rows.wanted],
            columns={
                name: (column.dtype.str, list(column.shape), column.tobytes())
                for name, column in columns.items()
            },
        )

    def remember(self, found: _Memory) -> None:
        columns = {
            name: np.frombuffer(data, np.dtype(of)).reshape(shape)
            for name, (of, shape, data) in found.columns.items()
        }
        here = {one.key: row for row, one in enumerate(self.rows.wanted)}
        told = {key: row for row, key in enumerate(zip(found.rules, found.series, strict=True))}
        self._carry((here, self._kernel.columns()), (told, columns))

    def _carry(self, *told: tuple[Mapping[Key, int], Mapping[str, NDArray[Any]]]) -> None:
        """Begin anew, with what these columns say of the signals that they have."""
        wanted = self.rows.wanted
        self._kernel = self._kind.kernel(self._zone, wanted)
        fresh = self._kernel.columns()
        for place, columns in told:
            here = [(row, place[one.key]) for row, one in enumerate(wanted) if one.key in place]
            to, of = (np.array([pair[side] for pair in here], np.intp) for side in (0, 1))
            for name, column in fresh.items():
                if column.ndim == 1:
                    column[to] = columns[name][of]
                elif width := min(column.shape[1], columns[name].shape[1]):
                    column[to, -width:] = columns[name][of, -width:]
        self._kernel.remember(fresh)

    def _yield(self, closed: Closed, row: NDArray[np.intp]) -> Arrivals:
        span_ms = closed.end_ms - closed.begin_ms if self._kind.aligned else self._kind.over_ms
        due = np.maximum(np.round(span_ms / self._period_ms[closed.track]), 1)
        enough = closed.readings / due >= self._valid_rate[closed.track]
        return yielded(
            self.rows.slot[closed.track],
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

    def change(self, leave: Sequence[Wanted], enter: Sequence[Wanted]) -> None:
        """See Signals.change()."""
        for kind in {_kind(one) for one in (*leave, *enter)}:
            group = self._groups.setdefault(kind, _Group(kind, self._zone))
            group.change(*([one for one in of if _kind(one) == kind] for of in (leave, enter)))

    def take(self, arrivals: Arrivals) -> Arrivals:
        """See Signals.take()."""
        return _together([group.take(arrivals) for group in self._groups.values()])

    def due(self, watermark_ms: int) -> Arrivals:
        """See Signals.due()."""
        return _together([group.due(watermark_ms) for group in self._groups.values()])

    def memory(self) -> bytes:
        """See Signals.memory()."""
        return msgspec.msgpack.encode(
            [(_words(kind), group.memory()) for kind, group in self._groups.items()]
        )

    def remember(self, data: bytes) -> None:
        """See Signals.remember()."""
        try:
            told = dict(msgspec.msgpack.decode(data, type=list[tuple[str, _Memory]]))
            for kind, group in self._groups.items():
                if _words(kind) in told:
                    group.remember(told[_words(kind)])
        except (msgspec.DecodeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise DecodeError(f"memory of windows: {error}") from error


def _kind(wanted: Wanted) -> _Kind:
    check = _check(wanted)
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


def _check(wanted: Wanted) -> Window:
    if not isinstance(wanted.rule.check, Window):
        raise TypeError(f"{wanted.rule.id} looks at no window")
    return wanted.rule.check


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
