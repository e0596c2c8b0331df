"""Plain windows and expressions, one reading at a time, from the words of docs/rules.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from cloud.core.checks import Expression, Statistic, Window
from cloud.core.model import Series
from cloud.core.rules import Rule
from contract.quantities import quantity_of
from tests.cloud.core import reference_checks
from tests.cloud.core.reference_checks import Plain, Signal
from tests.cloud.core.reference_signals import aligned_spots, mean_of, percentile_of, sliding_spots

PERCENT = {Statistic.L10: 90.0, Statistic.L50: 50.0, Statistic.L90: 10.0}
FORMULAS: dict[str, Callable[[float], float]] = {
    "noise_laeq > 60 or noise_laeq < 52": lambda value: float(value > 60 or value < 52),
}


@dataclass
class OverWindow:
    """A window tells with the first reading after its end, at its last millisecond."""

    check: Window
    series: Series
    period_ms: float
    zone: ZoneInfo
    readings: list[Plain] = field(default_factory=list)
    told_ms: int = 0

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        self.readings.append(reading)
        check, span_ms = self.check, round(self.check.over_s * 1000)
        args = self.readings, self.statistic, span_ms
        rest = self.period_ms, check.valid_rate
        spots = (
            aligned_spots(*args, self.zone, *rest) if check.aligned else sliding_spots(*args, *rest)
        )
        for spot in spots:
            if self.told_ms < spot.at_ms <= reading.at_ms:
                self.told_ms = spot.at_ms
                if spot.value is not None:
                    yield spot.at_ms - 1, spot.value

    def statistic(self, values: list[float]) -> float | None:
        if self.check.statistic is Statistic.MEAN:
            return mean_of(quantity_of(self.series.measurement).averaging, values)
        if self.check.statistic is Statistic.MAXIMUM:
            return max(values)
        return percentile_of(PERCENT[self.check.statistic], values)


@dataclass
class Computed:
    """Of one input: it never waits for another."""

    text: str

    def take(self, reading: Plain) -> Iterator[tuple[int, float]]:
        if reading.usable is not None:
            yield reading.at_ms, FORMULAS[self.text](reading.usable)


def signal_of(rule: Rule, series: Series, period_s: float, zone: ZoneInfo) -> Signal:
    match rule.check:
        case Window():
            return OverWindow(rule.check, series, period_s * 1000, zone)
        case Expression():
            return Computed(rule.check.text)
    return reference_checks.signal_of(rule, series, period_s)


def gap_ms(rule: Rule, period_s: float) -> float:
    """Three periods, and at least a minute; of windows three of those that follow each other."""
    own = max(3 * period_s, 60) * 1000
    match rule.check:
        case Window(aligned=True, over_s=over_s):
            return max(own, 3 * over_s * 1000)
        case Window(over_s=over_s):
            return own + 3 * over_s * 1000 / 20
    return own
