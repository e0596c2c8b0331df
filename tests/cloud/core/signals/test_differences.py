"""Rules on differences, in the engine, against plain windows."""

from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.checks import Difference
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionEvent, Device, Series
from cloud.core.rules import Rule
from cloud.core.signals.differences import Differences
from contract.errors import DecodeError
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.rule_kit import T0_MS, columns_of, make_rule

ZONE = ZoneInfo("Asia/Shanghai")
SITE = Device(id="site", kind="dust", period_s=60.0)
REFERENCES = [
    Device(id=name, kind="dust", period_s=60.0, tags={"role": "reference"}) for name in ("a", "b")
]
SERIES = [
    Series(id=number, device=device, measurement="pm10")
    for number, device in enumerate((SITE, *REFERENCES), 1)
]
GROUP = Difference(over_s=600.0, to_group={"role": ("reference",)}, valid_rate=0.2)
WINDOW_MS = 600_000


def rule_of(check: Difference = GROUP) -> Rule:
    return make_rule(
        kinds=(), devices=("site",), measurements=("pm10",), check=check, limit=80.0, unit="ug/m3"
    )


def engine_of(*series: Series, check: Difference = GROUP) -> Engine:
    engine = Engine([rule_of(check)], ZONE)
    engine.bind(series or SERIES)
    return engine


def at(series: int, minute: float, value: float | None) -> Plain:
    return Plain(series, T0_MS + round(minute * 60_000), value)


def mean(readings: list[Plain], series: int, window: int) -> float | None:
    values = [
        r.value
        for r in readings
        if r.series == series and r.at_ms // WINDOW_MS == window and r.value is not None
    ]
    return math.fsum(values) / len(values) if len(values) >= 2 else None


def turns(readings: list[Plain]) -> list[tuple[int, float]]:
    found, holds = [], False
    for window in sorted({r.at_ms // WINDOW_MS for r in readings}):
        mine = mean(readings, 1, window)
        others = [m for m in (mean(readings, s, window) for s in (2, 3)) if m is not None]
        if mine is None or not others:
            continue
        difference = mine - math.fsum(others) / len(others)
        if (difference > 80.0) != holds:
            holds = not holds
            found.append(((window + 1) * WINDOW_MS - 1, difference))
    return found


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 60_000, 120_000, 300_000, 900_000]),
            st.sampled_from([1, 2, 3]),
            st.sampled_from([None, 10.0, 50.0, 100.0, 200.0]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.data(),
)
@settings(max_examples=80, deadline=None)
def test_differences_are_those_of_plain_windows_however_cut(
    told: list[tuple[int, int, float | None]], data: st.DataObject
) -> None:
    at_ms = T0_MS
    by_key: dict[tuple[int, int], Plain] = {}
    for step_ms, series, value in told:
        at_ms += step_ms
        by_key.setdefault((series, at_ms), Plain(series, at_ms, value))
    readings = list(by_key.values())
    engine, left = engine_of(), readings
    found: list[ConditionEvent] = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += engine.evaluate(columns_of(left[:size]))
        left = left[size:]
        passes: bool = data.draw(st.booleans())
        if left and passes:
            found += engine.advance(left[0].at_ms)
        if data.draw(st.booleans()):
            other = engine_of(*reversed(SERIES))
            other.restore(engine.snapshot())
            engine = other
    found += engine.advance(at_ms + 86_400_000)
    expected = turns(readings)
    assert [event.observed_ms for event in found] == [end for end, _ in expected]
    assert [event.value for event in found] == pytest.approx([value for _, value in expected])


def test_an_engine_may_watch_some_of_its_devices_only() -> None:
    over = make_rule(id="over", kinds=(), measurements=("pm10",))
    engine = Engine([rule_of(), over], ZONE)
    engine.bind(SERIES)
    one = Engine(engine.rules, ZONE, only=frozenset({"site"}))
    one.bind(SERIES)
    assert one.pairs() == {("loud", 1), ("over", 1)}
    assert (one.compared_with("a"), one.references_of("site")) == ({"site"}, {"a", "b"})
    engine.evaluate(columns_of([at(3, 1, 900.0)]))
    one.evaluate(columns_of([at(1, 1, 900.0), at(2, 2, 1.0), at(3, 5, 1.0)]))
    engine.take_over(one)
    assert engine.active() == {("over", 1), ("over", 3)}
    (ended,) = engine.evaluate(columns_of([at(3, 5, 1.0)]))  # not taken for heard already
    assert ended.series == 3


def test_a_missing_reference_says_nothing() -> None:
    engine = engine_of(check=Difference(over_s=600.0, to_device="a", valid_rate=0.0))
    assert engine.evaluate(columns_of([at(1, 1, 900.0), at(3, 1, 1.0), at(1, 11, 900.0)])) == []
    assert engine.advance(T0_MS + 20 * 60_000) == []
    (began,) = engine.evaluate(columns_of([at(1, 21, 900.0), at(2, 22, 1.0)])) or engine.advance(
        T0_MS + 30 * 60_000
    )
    assert (began.series, began.value) == (1, 899.0)


def test_a_memory_that_is_none() -> None:
    with pytest.raises(DecodeError, match="memory of differences"):
        Differences(ZONE).remember(b"\xc1")
