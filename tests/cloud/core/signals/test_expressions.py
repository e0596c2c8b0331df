"""Rules on expressions, in the engine, against plain computing at every moment."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.checks import Expression
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionBegan, ConditionEvent, Device, Series
from cloud.core.rules import Rule
from cloud.core.signals.expressions import Expressions
from cloud.core.signals.formula import MOST_INPUTS, parse
from contract.errors import DecodeError, RuleError
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_signals import Spot, is_usable
from tests.cloud.core.rule_kit import T0_MS, columns_of, make_rule

ZONE = ZoneInfo("Asia/Shanghai")
ONE, TWO = (Device(id=f"dust-{n}", kind="dust", period_s=60.0) for n in (1, 2))
SERIES = [
    Series(id=1, device=ONE, measurement="pm10"),
    Series(id=2, device=ONE, measurement="pm25"),
    Series(id=3, device=TWO, measurement="pm25"),
    Series(id=4, device=TWO, measurement="pm10"),
]


def rule_of(text: str, max_age_s: float = 120.0, **changes: Any) -> Rule:
    return make_rule(
        kinds=(),
        measurements=("pm10", "pm25"),
        check=Expression(text=text, max_age_s=max_age_s),
        **{"limit": 0.5, "id": "both", **changes},
    )


def engine_of(*rules: Rule) -> Engine:
    engine = Engine(rules, ZONE)
    engine.bind(SERIES)
    return engine


def plain_spots(readings: list[Plain], pm10: int, pm25: int) -> list[Spot]:
    """pm10 - pm25, at every moment at which one of the two was read."""
    spots = []
    for at_ms in sorted({r.at_ms for r in readings if r.series in (pm10, pm25)}):
        newest = [
            max(
                (r for r in readings if r.series == series and r.at_ms <= at_ms),
                key=lambda r: r.at_ms,
                default=None,
            )
            for series in (pm10, pm25)
        ]
        values = [
            r.value if r and is_usable(r) and at_ms - r.at_ms <= 120_000 else None for r in newest
        ]
        known = [value for value in values if value is not None]
        spots.append(Spot(at_ms, known[0] - known[1] if len(known) == 2 else None))
    return spots


def turns(spots: list[Spot], limit: float) -> list[tuple[int, float]]:
    found, holds = [], False
    for spot in spots:
        if spot.value is not None and (spot.value > limit) != holds:
            holds = not holds
            found.append((spot.at_ms, spot.value))
    return found


steps = st.lists(
    st.tuples(
        st.sampled_from([0, 0, 1_000, 60_000, 60_000, 130_000]),
        st.sampled_from([1, 2, 3, 4]),
        st.sampled_from([None, 1.0, 5.0, 9.0]),
        st.sampled_from([*[Quality.NORMAL] * 5, Quality.FAULT]),
    ),
    min_size=1,
    max_size=60,
)


@given(steps, st.data())
@settings(max_examples=100, deadline=None)
def test_expressions_are_computed_at_every_moment_however_cut(
    told: list[tuple[int, int, float | None, Quality]], data: st.DataObject
) -> None:
    at_ms = T0_MS
    by_key: dict[tuple[int, int], Plain] = {}
    for step_ms, series, value, quality in told:
        at_ms += step_ms
        by_key.setdefault((series, at_ms), Plain(series, at_ms, value, quality))
    readings = list(by_key.values())
    rule, other = rule_of("pm10 - pm25", limit=2.0), rule_of("pm25 > 5", id="one")
    engine, left = engine_of(rule, other), readings
    found: list[ConditionEvent] = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += engine.evaluate(columns_of(left[:size]))
        left = left[size:]
        passes: bool = data.draw(st.booleans())
        if left and passes:
            found += engine.advance(left[0].at_ms)
        if data.draw(st.booleans()):
            again = Engine([other, rule], ZONE)
            again.bind(SERIES[2:])
            again.bind(SERIES[:2])
            again.restore(engine.snapshot())
            engine = again
    found += engine.advance(at_ms + 1)
    for anchor, pm10, pm25 in ((1, 1, 2), (4, 4, 3)):
        events = [e for e in found if e.rule == "both" and e.series == anchor]
        expected = turns(plain_spots(readings, pm10, pm25), 2.0)
        assert [(e.observed_ms, e.value) for e in events] == expected


def at(series: int, second: float, value: float | None) -> Plain:
    return Plain(series, T0_MS + round(second * 1000), value)


def test_a_moment_waits_for_its_other_inputs_or_for_time() -> None:
    engine = engine_of(rule_of("pm10 > 3 * pm25"))
    assert engine.evaluate(columns_of([at(2, 0, 1.0), at(1, 1, 9.0)])) == []
    (began,) = engine.advance(T0_MS + 1_001)
    assert isinstance(began, ConditionBegan)
    assert (began.series, began.observed_ms, began.value) == (1, T0_MS + 1_000, 1.0)
    assert engine.evaluate(columns_of([at(2, 0.5, 5.0)])) == []
    assert engine.belated() == {2: T0_MS + 500}


def test_an_input_that_is_old_or_bad_says_nothing() -> None:
    engine = engine_of(rule_of("pm10 > 3 * pm25", max_age_s=10.0))
    readings = [at(2, 0, 1.0), at(1, 11, 9.0), at(2, 12, None), at(1, 12, 9.0), at(2, 13, None)]
    assert [*engine.evaluate(columns_of(readings)), *engine.advance(T0_MS + 60_000)] == []


def test_what_an_expression_may_not_be() -> None:
    with pytest.raises(RuleError, match="no measurement 'tsp'; allowed: pm10, pm25"):
        engine_of(rule_of("tsp > 3"))
    names = [f"pm10.{n}" for n in range(MOST_INPUTS + 1)]
    with pytest.raises(RuleError, match="one measurement too many; allowed: 8"):
        parse(" + ".join(names))
    with pytest.raises(DecodeError, match="memory of expressions"):
        Expressions().remember(b"\xc1")
