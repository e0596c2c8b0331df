"""What a reading, a transition and a monitor cost the rule engine, beside a bare NumPy compare.

    python -m benchmarks.rules [--json] [--quick]

Series of one reading a minute, three rules each: two limits above and one below, with a deadband.
Blocks hold as many series, shuffled, as rounds need to reach all of them in turn. CPU time of this
process, medians of many blocks; the bare loop, which looks up each series' limits and compares,
takes the same blocks in the same rounds. Signals are one rule a series, each kind in an engine of
its own. Windows are twenty minutes long: a sliding one ends with every reading. Memory is what
Python and NumPy allocate for an engine, of the hungriest of three mixes of rules. Devices are bound
one by one to an engine that has many. The backtest is of a year, 100 devices, the same three
rules beside themselves with a delay, days made in memory: what making and reading them costs is
left out. --quick shows that the benchmark runs, and nothing else.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from cloud.core.backtest import DAY_MS, Backtest
from cloud.core.checks import (
    VALUE,
    Check,
    Difference,
    NoData,
    OutOfRange,
    Rate,
    Statistic,
    Stuck,
    Window,
)
from cloud.core.columns import Columns
from cloud.core.evaluate import Engine
from cloud.core.gate import GatePolicy
from cloud.core.model import Device, Series, Severity
from cloud.core.rules import Direction, Mark, Rule, RuleSet

ZONE = ZoneInfo("Asia/Shanghai")
BEGIN_MS = 1_790_042_400_000  # 2026-09-22 10:00:00 in Shanghai: by day for twelve hours
PERIOD_MS = 60_000
WINDOW_S = 1200.0
NOISE = (52.0, 4.0)  # dB(A), mean and deviation: beyond a limit once in 1,700 readings
QUIET, LOUD = (40.0, 60.0), (70.0, 75.0)  # dB(A): within all limits, and beyond one


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many series, readings a block, and blocks measured; devices and days of the backtest."""

    series: int = 50_000
    block: int = 20_000
    rounds: int = 25
    devices: int = 100
    days: int = 365


QUICK = Size(series=50, block=20, rounds=3, devices=3, days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. key: in the JSON; "" is for people alone."""

    what: str
    figure: float
    unit: str
    key: str = ""


def limits() -> list[Rule]:
    """Return three rules on every series, none of them beyond while it is quiet."""
    return [
        rule("loud", limit=65.0),
        rule("severe", limit=80.0),
        rule("dead", limit=30.0, direction=Direction.BELOW),
    ]


def rule(
    name: str, limit: float, direction: Direction = Direction.ABOVE, check: Check = VALUE
) -> Rule:
    """Return a rule on the level of every noise meter."""
    return Rule(
        id=name,
        version="1",
        title_zh=name,
        title_en=name,
        kinds=("noise",),
        measurements=("noise_laeq",),
        check=check,
        direction=direction,
        limit=limit,
        unit="dB(A)",
        deadband=2.0,
        severity=Severity.MEDIUM,
        source="a benchmark",
        mark=Mark.JUDGEMENT,
        effective=date(2000, 1, 1),
    )


def series_of(count: int) -> list[Series]:
    """Return so many series, each of a device of its own, numbered from 1."""
    return [
        Series(
            id=number,
            device=Device(id=f"noise-{number:05d}", kind="noise", period_s=PERIOD_MS / 1000),
            measurement="noise_laeq",
        )
        for number in range(1, count + 1)
    ]


class Source:
    """Blocks without an end: all series in turn, shuffled within a block, a reading a minute."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._dice = np.random.default_rng(1)
        self._sent = 0

    def rounds_of_all(self, rounds: int) -> int:
        """Return how many blocks it takes for every series to be read so often."""
        return -(-self._size.series * rounds // self._size.block)

    def block(self, level: tuple[float, float]) -> Columns:
        """Return the next block, of values between two levels."""
        at = self._dice.permutation(np.arange(self._sent, self._sent + self._size.block))
        self._sent += self._size.block
        turn = at // self._size.series
        jitter = self._dice.integers(0, 1000, self._size.block)
        return Columns(
            series=(at % self._size.series + 1).astype(np.int32),
            observed_ms=BEGIN_MS + turn * PERIOD_MS + jitter,
            value=np.round(self._dice.uniform(*level, self._size.block), 1),
            quality=np.zeros(self._size.block, np.uint16),
        )


class Bare:
    """What any engine must do at the least: look up each series' limits and compare."""

    def __init__(self, series: int) -> None:
        self._low = np.full(series + 1, 30.0)
        self._high = np.full(series + 1, 65.0)

    def evaluate(self, columns: Columns) -> bool:
        """Return whether any reading is beyond its series' limits."""
        low, high = self._low[columns.series], self._high[columns.series]
        return bool(((columns.value < low) | (columns.value > high)).any())


def measure_readings(size: Size) -> Iterator[Row]:
    """Measure what a reading costs while nothing changes, and the bare loop."""
    engine, source, bare = _engine(limits(), size), Source(size), Bare(size.series)
    for _ in range(source.rounds_of_all(1)):
        engine.evaluate(source.block(QUIET))
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(size.rounds):
        block = source.block(QUIET)
        ours.append(_cpu_s(engine.evaluate, block))
        theirs.append(_cpu_s(bare.evaluate, block))
    us, bare_us = (_us(spent, size.block) for spent in (ours, theirs))
    yield Row(what="a reading, three rules", figure=us, unit="µs", key="us_per_reading")
    yield Row(what="the bare compare", figure=bare_us, unit="µs", key="bare_us_per_reading")


def measure_transitions(size: Size) -> Iterator[Row]:
    """Measure blocks in which every reading makes a condition begin or end."""
    engine, source = _engine(limits(), size), Source(size)
    spent: list[float] = []
    for turn in range(max(1, size.rounds // 6)):
        for _ in range(source.rounds_of_all(1)):
            block = source.block(QUIET if turn % 2 else LOUD)
            began = time.process_time()
            events = len(engine.evaluate(block))
            if events:
                spent.append((time.process_time() - began) / events)
    figure = statistics.median(spent) * 1e6
    yield Row(what="a transition", figure=figure, unit="µs", key="us_per_transition")


def measure_signals(size: Size) -> Iterator[Row]:
    """Measure what a reading costs with one rule on a signal of it, of each kind."""
    for what, check in SIGNALS.items():
        yield Row(what=f"a reading, {what}", figure=_signal_us(check, size, minutes=3), unit="µs")


def measure_windows(size: Size) -> Iterator[Row]:
    """Measure the same of windows of each kind once they are full, and tell the worst."""
    worst = 0.0
    for what, window in WINDOWS.items():
        figure = _signal_us(window, size, minutes=round(WINDOW_S / 60) + 1)
        worst = max(worst, figure)
        yield Row(what=f"a reading, {what}", figure=figure, unit="µs")
    yield Row(
        what="the worst of these windows", figure=worst, unit="µs", key="window_us_per_reading"
    )


def _signal_us(check: Check, size: Size, minutes: int) -> float:
    engine, source = _engine([rule("signal", limit=65.0, check=check)], size), Source(size)
    for _ in range(source.rounds_of_all(minutes)):
        engine.evaluate(source.block(QUIET))
    spent = [_cpu_s(engine.evaluate, source.block(QUIET)) for _ in range(size.rounds)]
    return _us(spent, size.block)


def measure_memory(size: Size) -> Iterator[Row]:
    """Measure what an engine takes for each monitor, three rules a series; and tell the worst."""
    worst = 0.0
    for what, rules in mixes().items():
        figure = _bytes_per_monitor(rules, size)
        worst = max(worst, figure)
        yield Row(what=f"a monitor, {what}", figure=figure, unit="bytes")
    yield Row(what="the worst of these mixes", figure=worst, unit="bytes", key="bytes_per_monitor")


def measure_binding(size: Size) -> Iterator[Row]:
    """Measure what it costs to bind one device more, rules that compare included."""
    series = series_of(size.series // 5 + size.block // 20)
    to_first = Difference(over_s=WINDOW_S, to_device=series[0].device.id)
    mix = mixes()["a limit, LAeq and silence"]
    engine = Engine([*mix, rule("over", limit=5.0, check=to_first)], ZONE)
    engine.bind(series[: size.series // 5])
    more = series[size.series // 5 :]
    began = time.process_time()
    for one in more:
        engine.bind([one])
    figure = (time.process_time() - began) / len(more) * 1000
    yield Row(what="binding a device", figure=figure, unit="ms", key="ms_per_device_bound")


def mixes() -> dict[str, list[Rule]]:
    """Return three rules on every series, by what they look at."""
    laeq = rule("laeq", limit=65.0, check=WINDOWS["LAeq, sliding"])
    silence = rule("silent", limit=0.5, check=NoData(periods=3.0))
    levels = [
        rule(name, limit=65.0, check=Window(statistic=name, over_s=WINDOW_S))
        for name in (Statistic.L10, Statistic.L90)
    ]
    return {
        "limits": limits(),
        "a limit, LAeq and silence": [limits()[0], laeq, silence],
        "LAeq, L10, L90, sliding": [laeq, *levels],
    }


def measure_backtest(size: Size) -> Iterator[Row]:
    """Measure a backtest of noise that is beyond a limit now and then, comparison included."""
    rules = limits()
    delayed = [replace(one, version="2", on_delay_s=120.0) for one in rules]
    current, changed = (RuleSet(rules=tuple(each), fingerprint="") for each in (rules, delayed))
    test = Backtest(current, changed, ZONE, series_of(size.devices), BEGIN_MS)
    dice = np.random.default_rng(1)
    spent = 0.0
    for day in range(size.days):
        block = _day(dice, size.devices, BEGIN_MS + day * DAY_MS)
        began = time.process_time()
        test.feed(block, BEGIN_MS + (day + 1) * DAY_MS)
        spent += time.process_time() - began
    began = time.process_time()
    found = test.compare(GatePolicy())
    spent += time.process_time() - began
    alerts = f"{found.current.total.alerts} and {found.changed.total.alerts} alerts"
    yield Row(what=f"a year's backtest, {alerts}", figure=spent, unit="s", key="backtest_s")


def _day(dice: np.random.Generator, devices: int, from_ms: int) -> Columns:
    """Return a day as the store gives it: sorted by series and time."""
    minutes = DAY_MS // PERIOD_MS
    return Columns(
        series=np.repeat(np.arange(1, devices + 1, dtype=np.int32), minutes),
        observed_ms=np.tile(from_ms + np.arange(minutes) * PERIOD_MS, devices),
        value=np.round(dice.normal(*NOISE, devices * minutes), 1),
        quality=np.zeros(devices * minutes, np.uint16),
    )


SIGNALS: dict[str, Check] = {
    "rate over 5 min": Rate(over_s=300.0),
    "silence": NoData(periods=3.0),
    "stuck": Stuck(for_s=3600.0),
    "out of range": OutOfRange(),
}
WINDOWS: dict[str, Window] = {
    "LAeq, sliding": Window(statistic=Statistic.MEAN, over_s=WINDOW_S),
    "LAeq, by the clock": Window(statistic=Statistic.MEAN, over_s=WINDOW_S, aligned=True),
    "highest, sliding": Window(statistic=Statistic.MAXIMUM, over_s=WINDOW_S),
    "L90, sliding": Window(statistic=Statistic.L90, over_s=WINDOW_S),
    "L90, by the clock": Window(statistic=Statistic.L90, over_s=WINDOW_S, aligned=True),
}
MEASURES: tuple[Callable[[Size], Iterator[Row]], ...] = (
    measure_readings,
    measure_transitions,
    measure_signals,
    measure_windows,
    measure_memory,
    measure_binding,
    measure_backtest,
)


def _engine(rules: Sequence[Rule], size: Size) -> Engine:
    engine = Engine(rules, ZONE)
    engine.bind(series_of(size.series))
    return engine


def _bytes_per_monitor(rules: Sequence[Rule], size: Size) -> float:
    series, source = series_of(size.series), Source(size)
    gc.collect()
    tracemalloc.start()
    try:
        engine = Engine(rules, ZONE)
        engine.bind(series)
        for _ in range(source.rounds_of_all(2)):
            engine.evaluate(source.block(QUIET))
        gc.collect()
        return tracemalloc.get_traced_memory()[0] / len(engine.pairs())
    finally:
        tracemalloc.stop()


def _cpu_s(what: Callable[[Columns], object], block: Columns) -> float:
    began = time.process_time()
    what(block)
    return time.process_time() - began


def _us(spent: Sequence[float], readings: int) -> float:
    return statistics.median(spent) / readings * 1e6


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="small: to see that it runs")
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else Size()
    rows = [row for measure in MEASURES for row in measure(size)]
    print(f"{size.series} series, blocks of {size.block} readings, medians of CPU time")
    for row in rows:
        print(f"{row.what:<48}{row.figure:10.3f} {row.unit}")
    if asked.json:
        print(json.dumps({row.key: round(row.figure, 4) for row in rows if row.key}))


if __name__ == "__main__":
    main()
