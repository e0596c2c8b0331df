"""Windows as signals against plain ones, however readings are cut, and over restarts."""

from __future__ import annotations

import math
from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.arrivals import Arrivals
from cloud.core.checks import Statistic, Window
from cloud.core.evaluate import Engine
from cloud.core.rules import Schedule
from cloud.core.signals.port import Wanted
from cloud.core.signals.windows import Windows
from contract.errors import DecodeError
from contract.quantities import Averaging
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_signals import (
    Spot,
    aligned_spots,
    is_usable,
    mean_of,
    percentile_of,
    sliding_spots,
)
from tests.cloud.core.rule_kit import LAEQ, T0_MS, make_rule, told

ZONE = ZoneInfo("Asia/Shanghai")
SPAN_S = 120.0
STATISTICS: dict[Statistic, Callable[[list[float]], float | None]] = {
    Statistic.MEAN: lambda values: mean_of(Averaging.ENERGY, values),
    Statistic.MINIMUM: min,
    Statistic.MAXIMUM: max,
    Statistic.L10: lambda values: percentile_of(90.0, values),
    Statistic.L50: lambda values: percentile_of(50.0, values),
    Statistic.L90: lambda values: percentile_of(10.0, values),
    Statistic.PERCENTILE: lambda values: percentile_of(25.0, values),
}


def wanted(statistic: Statistic, *, aligned: bool, rule: str = "window") -> Wanted:
    percent = 25.0 if statistic is Statistic.PERCENTILE else None
    check = Window(statistic=statistic, over_s=SPAN_S, aligned=aligned, percent=percent)
    return Wanted(
        rule=make_rule(id=rule, check=check),
        anchor=LAEQ,
        slot=5 if rule == "window" else 6,
        inputs=(0,),
        series=(LAEQ,),
        period_s=10.0,
        gap_ms=60_000,
    )


def arrivals_of(readings: list[Plain]) -> Arrivals:
    n = len(readings)
    return Arrivals(
        slot=np.zeros(n, np.intp),
        at_ms=np.array([r.at_ms for r in readings], np.int64),
        value=np.array([math.nan if r.value is None else r.value for r in readings], float),
        usable=np.array([is_usable(r) for r in readings], bool),
        flags=np.zeros(n, np.uint16),
        row=np.arange(n),
    )


def spots_of(found: Arrivals) -> list[Spot]:
    values = np.where(found.usable, found.value, math.nan).tolist()
    return [
        Spot(at_ms + 1, None if math.isnan(value) else value)
        for slot, at_ms, value in zip(found.slot, found.at_ms.tolist(), values, strict=True)
        if slot == 5
    ]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1_000, 5_000, 10_000, 10_000, 10_000, 31_000, 400_000]),
        st.sampled_from([None, 40.0, 50.0, 55.5, 70.0, 91.0]),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(STEPS, st.sampled_from(list(STATISTICS)), st.booleans(), st.data())
def test_windows_are_the_plain_ones(
    steps: list[tuple[int, float | None]],
    statistic: Statistic,
    aligned: bool,
    data: st.DataObject,
) -> None:
    readings, at_ms = [], T0_MS
    for step_ms, value in steps:
        at_ms += step_ms
        readings.append(Plain(LAEQ.id, at_ms, value))
    one, other = (wanted(statistic, aligned=aligned, rule=name) for name in ("window", "other"))
    windows, found, left = Windows(ZONE), [], readings
    windows.change([], [other, one])
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += spots_of(windows.take(arrivals_of(left[:size])))
        left = left[size:]
        time_passes: bool = data.draw(st.booleans())
        if left and time_passes:
            found += spots_of(windows.due(left[0].at_ms))
        match data.draw(st.sampled_from(["go on", "restart", "leave", "enter"])):
            case "restart":
                memory, windows = windows.memory(), Windows(ZONE)
                windows.change([], [one, other])
                windows.remember(memory)
            case "leave":
                windows.change([other.slot], [])
            case "enter":
                windows.change([one.slot], [one, other])
    period_ms, span_ms = 10_000.0, round(SPAN_S * 1000)
    if aligned:
        found += spots_of(windows.due(at_ms + 10 * span_ms))
        plain = aligned_spots(readings, STATISTICS[statistic], span_ms, ZONE, period_ms, 0.75)
        assert found == plain
    else:
        plain = sliding_spots(readings, STATISTICS[statistic], span_ms, period_ms, 0.75)
        assert found == plain[:-1]  # the last pane is still open


def test_a_memory_of_something_else_is_refused() -> None:
    windows = Windows(ZONE)
    windows.change([], [wanted(Statistic.MEAN, aligned=True)])
    assert len(windows) == 1
    with pytest.raises(DecodeError):
        windows.remember(b"not a memory")


def test_laeq_over_two_minutes_is_beyond_at_the_end_of_its_window() -> None:
    check = Window(statistic=Statistic.MEAN, over_s=SPAN_S, aligned=True)
    engine = Engine([make_rule(check=check, limit=60.0)], ZONE)
    engine.bind([LAEQ])
    assert engine.evaluate(told(*((10.0 * n, 61.0) for n in range(12)))) == []
    (began,) = engine.advance(T0_MS + 120_000)
    assert (began.rule, began.observed_ms, began.value) == ("loud", T0_MS + 119_999, 61.0)
    assert engine.evaluate(told(*((120 + 60.0 * n, 80.0) for n in range(3)))) == []  # too few


def test_the_last_window_of_the_day_is_the_days() -> None:
    check = Window(statistic=Statistic.MEAN, over_s=3600.0, aligned=True, valid_rate=0.0)
    engine = Engine([make_rule(check=check, schedule=Schedule.DAY)], ZoneInfo("Asia/Shanghai"))
    engine.bind([LAEQ])
    engine.evaluate(told((11 * 3600.0 + 60, 70.0)))
    (began,) = engine.advance(T0_MS + 12 * 3_600_000)
    assert began.observed_ms == T0_MS + 12 * 3_600_000 - 1
