"""What rules look at, one reading at a time, written from the words of docs/rules.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from cloud.core.checks import NoData, OutOfRange, Rate, StateIs, Stuck, Value
from cloud.core.model import Series
from cloud.core.rules import Rule
from contract.quality import UNUSABLE, Quality
from contract.quantities import quantity_of


@dataclass(frozen=True)
class Plain:
    """A reading: its series' id, its time, its value (None for none), its quality."""

    series: int
    at_ms: int
    value: float | None
    quality: Quality = Quality.NORMAL

    @property
    def usable(self) -> float | None:
        return None if self.quality & UNUSABLE else self.value


class Signal(Protocol):
    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        """Yield (time, value) for all that a reading makes known."""
        ...


@dataclass
class Itself:
    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.usable is not None:
            yield reading.at_ms, reading.usable


@dataclass
class IsIn:
    values: tuple[float, ...]

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.usable is not None:
            yield reading.at_ms, float(reading.usable in self.values)


@dataclass
class IsOutside:
    low: float
    high: float

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        flagged = bool(reading.quality & Quality.OVER_RANGE)
        if reading.quality & UNUSABLE & ~Quality.OVER_RANGE:
            return
        if flagged or (reading.value is not None and not self.low <= reading.value <= self.high):
            yield reading.at_ms, 1.0
        elif reading.value is not None:
            yield reading.at_ms, 0.0


@dataclass
class HasStood:
    for_ms: float
    tolerance: float
    gap_ms: float
    before: tuple[int, float] | None = None
    moved_ms: int = 0

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.usable is None:
            return
        at_ms, value = reading.at_ms, reading.usable
        if (
            self.before is None
            or abs(value - self.before[1]) > self.tolerance
            or at_ms - self.before[0] > self.gap_ms
        ):
            self.moved_ms = at_ms
        self.before = (at_ms, value)
        yield at_ms, float(at_ms - self.moved_ms >= self.for_ms)


@dataclass
class Slope:
    """Of every sixteenth of over_ms by the clock the first usable reading is kept."""

    over_ms: int
    either_way: bool
    kept: dict[int, tuple[int, float]] = field(default_factory=dict)

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.usable is None:
            return
        at_ms, value = reading.at_ms, reading.usable
        self.kept.setdefault(at_ms // max(self.over_ms // 16, 1), (at_ms, value))
        then_ms, then = min(one for one in self.kept.values() if one[0] >= at_ms - self.over_ms)
        if (at_ms - then_ms) * 2 >= self.over_ms:
            rate = (value - then) / ((at_ms - then_ms) / 1000)
            yield at_ms, abs(rate) if self.either_way else rate


@dataclass
class IsSilent:
    limit_ms: int
    heard_ms: int | None = None

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.value is None or reading.quality & (Quality.COMMUNICATION | Quality.STALE):
            return
        if self.heard_ms is not None and reading.at_ms <= self.heard_ms:
            return  # of a device's other series
        if self.heard_ms is not None and reading.at_ms - self.heard_ms > self.limit_ms:
            yield self.heard_ms + self.limit_ms, 1.0
            yield reading.at_ms, 0.0
        self.heard_ms = reading.at_ms


SIGNALS: dict[type[Any], Callable[[Any, Series, float], Signal]] = {
    Value: lambda _, __, ___: Itself(),
    StateIs: lambda check, _, __: IsIn(check.values),
    OutOfRange: lambda _, series, __: IsOutside(
        quantity_of(series.measurement).low, quantity_of(series.measurement).high
    ),
    Stuck: lambda check, _, period_s: HasStood(
        check.for_s * 1000, check.tolerance, max(3 * period_s, 60) * 1000
    ),
    Rate: lambda check, _, __: Slope(round(check.over_s * 1000), check.either_way),
    NoData: lambda check, _, period_s: IsSilent(
        round(max(check.periods * period_s, check.at_least_s) * 1000)
    ),
}


def signal_of(rule: Rule, series: Series, period_s: float) -> Signal:
    return SIGNALS[type(rule.check)](rule.check, series, period_s)
