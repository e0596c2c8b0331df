"""Every kind of check, against the plain engine, however the stream is cut into blocks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.checks import (
    Check,
    Expression,
    NoData,
    OutOfRange,
    Rate,
    StateIs,
    Statistic,
    Stuck,
    Window,
)
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, ConditionRose, Severity
from cloud.core.rules import Counted, Level, Rule
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_engine import ReferenceEngine
from tests.cloud.core.rule_kit import LAEQ, T0_MS, columns_of, make_rule, told

ZONE = ZoneInfo("Asia/Shanghai")


def is_so(check: Check, **changes: Any) -> Rule:
    return make_rule(check=check, limit=0.5, **changes)


RULES = [
    make_rule(id="plain", limit=60.0, deadband=3.0, on_delay_s=20.0, off_delay_s=10.0),
    make_rule(
        id="levels",
        limit=60.0,
        deadband=2.0,
        on_delay_s=10.0,
        higher=(
            Level(limit=65.0, severity=Severity.HIGH),
            Level(limit=70.0, severity=Severity.CRITICAL),
        ),
    ),
    make_rule(id="counted", limit=60.0, counted=Counted(count=2, of=3), off_delay_s=15.0),
    make_rule(id="rate", check=Rate(over_s=60.0), limit=0.2, unit="dB(A)/s"),
    make_rule(id="swing", check=Rate(over_s=30.0, either_way=True), limit=0.3),
    is_so(NoData(periods=2.0, at_least_s=30.0), id="silent"),
    is_so(Stuck(for_s=40.0), id="stuck"),
    is_so(Stuck(for_s=20.0, tolerance=5.0), id="nearly-stuck", off_delay_s=10.0),
    is_so(OutOfRange(), id="outside"),
    is_so(StateIs(values=(55.0, 62.0)), id="state"),
    make_rule(
        id="laeq",
        check=Window(statistic=Statistic.MEAN, over_s=60.0, aligned=True, valid_rate=0.5),
        deadband=2.0,
        on_delay_s=60.0,
    ),
    make_rule(id="peaks", check=Window(statistic=Statistic.L10, over_s=60.0, valid_rate=0.3)),
    make_rule(
        id="highest",
        check=Window(statistic=Statistic.MAXIMUM, over_s=40.0, valid_rate=0.0),
        off_delay_s=10.0,
    ),
    is_so(Expression(text="noise_laeq > 60 or noise_laeq < 52"), id="either", on_delay_s=10.0),
]


def engine_of(*rules: Rule) -> Engine:
    engine = Engine(rules, ZONE)
    engine.bind([LAEQ])
    return engine


VALUES = st.sampled_from([None, -300.0, 50.0, 55.0, 58.0, 61.0, 62.0, 66.0, 72.0])
QUALITIES = st.sampled_from([*[Quality.NORMAL] * 8, *Quality])
STEPS = st.sampled_from([1_000, 5_000, 10_000, 10_000, 10_000, 29_000, 61_000, 200_000])
READINGS = st.lists(st.tuples(STEPS, VALUES, QUALITIES), min_size=1, max_size=60)


def stream_of(steps: list[tuple[int, float | None, Quality]]) -> list[Plain]:
    readings, at_ms = [], T0_MS
    for step_ms, value, quality in steps:
        at_ms += step_ms
        readings.append(Plain(LAEQ.id, at_ms, value, quality))
    return readings


@settings(max_examples=120, deadline=None)
@given(READINGS, st.data())
def test_the_answer_is_the_plain_engines_however_the_stream_is_cut(
    steps: list[tuple[int, float | None, Quality]], data: st.DataObject
) -> None:
    # The plain engine knows no time but that of data: let them have the last word.
    readings = stream_of([*steps, (10_000, 50.0, Quality.NORMAL)])
    plain = ReferenceEngine(RULES, ZONE)
    plain.bind([LAEQ])
    engine, left = engine_of(*RULES), readings
    found: list[ConditionEvent] = []
    while left:
        size = data.draw(st.integers(1, len(left)))
        found += engine.evaluate(columns_of(left[:size]))
        left = left[size:]
        time_passes: bool = data.draw(st.booleans())
        if left and time_passes:  # time passes, but never a reading that is to come
            found += engine.advance(left[0].at_ms)
        if data.draw(st.booleans()):  # a restart changes nothing
            other = engine_of(*RULES)
            other.restore(engine.snapshot())
            engine = other
    assert by_rule(found) == by_rule(plain.evaluate(readings))


def by_rule(events: list[ConditionEvent]) -> dict[str, list[ConditionEvent]]:
    return {rule.id: [event for event in events if event.rule == rule.id] for rule in RULES}


def test_no_data_is_missed_at_its_time_and_not_at_the_next_reading() -> None:
    """ThingsBoard #6821: it came 30 times late. Here: two periods of 10 s, at least 30 s."""
    engine = engine_of(is_so(NoData(periods=2.0, at_least_s=30.0)))
    assert engine.evaluate(told((0, 50.0))) == []
    assert engine.is_timed()
    assert engine.advance(T0_MS + 30_000) == []
    (began,) = engine.advance(T0_MS + 30_001)
    assert isinstance(began, ConditionBegan)
    assert (began.began_ms, began.observed_ms) == (T0_MS + 30_000, T0_MS + 30_000)
    assert engine.advance(T0_MS + 90_000) == []  # once
    (ended,) = engine.evaluate(told((100, 50.0)))
    assert (type(ended), ended.observed_ms) == (ConditionEnded, T0_MS + 100_000)


def test_no_data_of_a_device_is_that_of_all_its_measurements() -> None:
    """ThingsBoard #14013: no-data per attached sensor, and per device, are two things."""
    other = replace(LAEQ, id=8, measurement="noise_la")
    whole = is_so(NoData(periods=3.0, whole_device=True), id="device", measurements=())
    each = is_so(NoData(periods=3.0), id="sensor", measurements=())
    engine = Engine([whole, each], ZONE)
    engine.bind([LAEQ, other])
    assert engine.pairs() == {("device", 7), ("sensor", 7), ("sensor", 8)}
    engine.evaluate(told((0, 50.0)))
    engine.evaluate(columns_of([Plain(8, T0_MS, 50.0), Plain(8, T0_MS + 50_000, 50.0)]))
    assert [event.rule for event in engine.advance(T0_MS + 61_000)] == ["sensor"]
    assert [event.rule for event in engine.advance(T0_MS + 200_000)] == ["device", "sensor"]


def test_a_reading_that_time_has_overtaken_is_told_of() -> None:
    engine = engine_of(is_so(NoData(periods=3.0)))
    engine.evaluate(told((0, 50.0)))
    engine.advance(T0_MS + 100_000)
    assert engine.belated() == {}
    (ended,) = engine.evaluate(told((20, 50.0)))
    assert isinstance(ended, ConditionEnded)
    assert engine.belated() == {LAEQ.id: T0_MS + 20_000}


def test_levels_rise_one_by_one_and_end_together() -> None:
    engine = engine_of(RULES[1])
    found = engine.evaluate(told((0, 61.0), (10, 71.0), (20, 71.0), (30, 50.0)))
    assert [(type(e), e.observed_ms - T0_MS) for e in found] == [
        (ConditionBegan, 10_000),
        (ConditionRose, 20_000),
        (ConditionRose, 20_000),
        (ConditionEnded, 30_000),
    ]
    assert [e.severity for e in found if isinstance(e, ConditionRose)] == ["high", "critical"]


def test_what_the_alerts_say_holds_is_adopted_on_every_level() -> None:
    engine = engine_of(RULES[1])
    engine.evaluate(told((0, 71.0), (10, 71.0)))
    assert engine.adopt([], T0_MS) == []
    assert engine.active() == set()
    again = engine.evaluate(told((20, 71.0), (30, 71.0)))
    assert [type(event) for event in again] == [ConditionBegan, ConditionRose, ConditionRose]


@pytest.mark.parametrize(("count", "of", "at_s"), [(1, 1, 10), (2, 3, 30), (3, 3, 40)])
def test_n_of_m(count: int, of: int, at_s: int) -> None:
    engine = engine_of(make_rule(counted=Counted(count=count, of=of)))
    readings = told((0, 50.0), (10, 61.0), (20, 50.0), (30, 61.0), (35, 61.0), (40, 61.0))
    began = engine.evaluate(readings)[0]
    assert began.observed_ms == T0_MS + at_s * 1000


def test_quality_that_says_nothing_of_the_process_alerts_of_nothing() -> None:
    process = [rule for rule in RULES if not isinstance(rule.check, OutOfRange | NoData)]
    for quality in (Quality.MAINTENANCE, Quality.CALIBRATION, Quality.FAULT):
        readings = told(*((10.0 * n, 90.0) for n in range(30)), quality=quality)
        assert engine_of(*process, *RULES[8:9]).evaluate(readings) == []


def test_who_is_not_known_to_be_silent_is_untold() -> None:
    """What Silences.untold() says, by series: from then on a silence may yet be found."""
    engine = engine_of(is_so(NoData(periods=2.0, at_least_s=30.0), id="silent"))
    assert engine.heard_ms([LAEQ.device.id]) == {}
    engine.evaluate(told((0, 55.0), (10, None)))
    assert engine.heard_ms([LAEQ.device.id]) == {LAEQ.id: T0_MS}
    assert engine.heard_ms(["another"]) == {}
    engine.advance(T0_MS + 60_000)
    assert engine.heard_ms([LAEQ.device.id]) == {}
    assert [type(one) for one in engine.evaluate(told((70, 55.0)))] == [ConditionEnded]
    assert engine.heard_ms([LAEQ.device.id]) == {LAEQ.id: T0_MS + 70_000}


def test_the_first_reading_ends_a_silence_that_only_the_record_knows() -> None:
    engine = engine_of(is_so(NoData(periods=2.0, at_least_s=30.0), id="silent"))
    engine.adopt([("silent", LAEQ.id)], T0_MS)
    assert [type(one) for one in engine.evaluate(told((10, 55.0)))] == [ConditionEnded]


def test_what_was_seen_stays_seen_when_a_pass_did_not_see_it() -> None:
    live, passed = engine_of(*RULES), engine_of(*RULES)
    live.evaluate(told((0, 55.0), (10, 55.0)))
    live.take_over(passed)
    live.evaluate(told((10, 90.0)))
    assert live.late == 1
