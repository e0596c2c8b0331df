"""The engine against words, and against the reference engine."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.evaluate import Engine
from cloud.core.model import ConditionBegan, ConditionEnded, ConditionEvent, Device, Series
from cloud.core.rules import Direction, Rule, Schedule
from cloud.core.schedule import DayHours
from contract.errors import DecodeError
from contract.quality import Quality
from tests.cloud.core.reference_checks import Plain
from tests.cloud.core.reference_engine import ReferenceEngine
from tests.cloud.core.rule_kit import LAEQ, NOISE, T0_MS, columns_of, make_rule, told

SHANGHAI = ZoneInfo("Asia/Shanghai")


def engine_of(*rules: Rule, series: list[Series] | None = None) -> Engine:
    engine = Engine(rules, SHANGHAI)
    engine.bind([LAEQ] if series is None else series)
    return engine


def in_short(events: list[ConditionEvent]) -> list[tuple[str, str, float]]:
    """Return (what, rule, seconds after T0 of the reading that did it)."""
    return [
        (
            "began" if isinstance(event, ConditionBegan) else "ended",
            event.rule,
            (event.observed_ms - T0_MS) / 1000,
        )
        for event in events
    ]


def test_beyond_is_strictly_beyond() -> None:
    engine = engine_of(make_rule())
    assert in_short(engine.evaluate(told((0, 60.0), (10, 60.1)))) == [("began", "loud", 10)]


def test_below_counts_the_other_way() -> None:
    engine = engine_of(make_rule(direction=Direction.BELOW, limit=50.0, deadband=2.0))
    events = engine.evaluate(told((0, 50.0), (10, 49.9), (20, 51.0), (30, 52.0)))
    assert in_short(events) == [("began", "loud", 10), ("ended", "loud", 30)]


def test_without_an_on_delay_it_begins_at_once() -> None:
    (event,) = engine_of(make_rule()).evaluate(told((0, 61.0)))
    assert event == ConditionBegan(
        rule="loud",
        rule_version="1",
        device="noise-1",
        series=7,
        severity=make_rule().severity,
        began_ms=T0_MS,
        due_ms=T0_MS,
        observed_ms=T0_MS,
        value=61.0,
        limit=60.0,
    )


def test_the_on_delay_counts_from_the_first_reading_beyond() -> None:
    engine = engine_of(make_rule(on_delay_s=25.0))
    events = engine.evaluate(told((0, 61.0), (10, 62.0), (20, 63.0), (30, 64.0)))
    assert len(events) == 1
    began = events[0]
    assert isinstance(began, ConditionBegan)
    assert (began.began_ms, began.due_ms) == (T0_MS, T0_MS + 25_000)
    assert (began.observed_ms, began.value) == (T0_MS + 30_000, 64.0)


def test_a_reading_back_within_starts_the_on_delay_anew() -> None:
    engine = engine_of(make_rule(on_delay_s=20.0))
    readings = told((0, 61.0), (10, 60.0), (20, 61.0), (30, 61.0), (40, 61.0))
    assert in_short(engine.evaluate(readings)) == [("began", "loud", 40)]


def test_the_deadband_holds_until_the_value_is_clearly_back() -> None:
    engine = engine_of(make_rule(deadband=3.0))
    events = engine.evaluate(told((0, 61.0), (10, 58.0), (20, 57.1), (30, 57.0)))
    assert in_short(events) == [("began", "loud", 0), ("ended", "loud", 30)]


def test_the_off_delay_counts_from_the_first_reading_back() -> None:
    engine = engine_of(make_rule(off_delay_s=20.0))
    events = engine.evaluate(told((0, 61.0), (10, 50.0), (20, 50.0), (30, 50.0)))
    ended = events[-1]
    assert isinstance(ended, ConditionEnded)
    assert (ended.ended_ms, ended.observed_ms) == (T0_MS + 10_000, T0_MS + 30_000)


# thingsboard #14210: a duration rule fired by a gap.
def test_a_gap_fulfils_no_duration() -> None:
    engine = engine_of(make_rule(on_delay_s=300.0))
    assert engine.evaluate(told((0, 61.0), (600, 61.0))) == []
    later = told(*[(600 + 50.0 * i, 61.0) for i in range(1, 7)])
    assert in_short(engine.evaluate(later)) == [("began", "loud", 900)]


def test_a_gap_ends_nothing_either() -> None:
    engine = engine_of(make_rule(off_delay_s=300.0))
    assert in_short(engine.evaluate(told((0, 61.0), (10, 50.0), (600, 50.0)))) == [
        ("began", "loud", 0)
    ]


def test_a_gap_is_three_periods_of_the_device_and_at_least_a_minute() -> None:
    slow = Series(
        id=8, device=Device(id="slow", kind="noise", period_s=600.0), measurement="noise_laeq"
    )
    engine = engine_of(make_rule(on_delay_s=60.0), series=[slow])
    readings = [Plain(8, T0_MS, 61.0), Plain(8, T0_MS + 1_800_000, 61.0)]
    assert len(engine.evaluate(columns_of(readings))) == 1


def test_readings_without_value_bridge_no_gap() -> None:
    engine = engine_of(make_rule(on_delay_s=100.0))
    for readings in (told((0, 61.0)), told((50, None)), told((100, 61.0))):
        assert engine.evaluate(readings) == []
    restored = engine_of(make_rule(on_delay_s=100.0))
    engine.evaluate(told((150, None)))
    restored.restore(engine.snapshot())
    for one in (engine, restored):
        assert one.evaluate(told((200, 61.0), (250, 61.0), (299, 61.0))) == []
        assert in_short(one.evaluate(told((300, 61.0)))) == [("began", "loud", 300)]


def test_a_silence_of_exactly_the_gap_is_none() -> None:
    engine = engine_of(make_rule(on_delay_s=60.0))
    assert in_short(engine.evaluate(told((0, 61.0), (60, 61.0)))) == [("began", "loud", 60)]


def test_a_late_reading_is_counted_and_not_evaluated() -> None:
    engine = engine_of(make_rule())
    assert engine.evaluate(told((10, 50.0), (5, 99.0), (10, 99.0))) == []
    assert engine.evaluate(told((9, 99.0))) == []
    assert engine.late == 3


def test_of_late_readings_the_earliest_is_told_once() -> None:
    engine = engine_of(make_rule())
    engine.evaluate(told((10, 50.0), (5, 99.0), (7, 99.0)))
    engine.evaluate(told((6, 99.0)))
    assert engine.belated() == {7: T0_MS + 5_000}
    assert engine.belated() == {}


def test_an_engine_takes_over_what_another_remembers_of_its_series() -> None:
    other = Series(id=8, device=Device(id="x", kind="noise", period_s=10.0), measurement="noise_la")
    rule = make_rule(measurements=("noise_laeq", "noise_la"), on_delay_s=20.0)
    live = engine_of(rule, series=[LAEQ, other])
    live.evaluate(columns_of([Plain(8, T0_MS, 61.0), Plain(7, T0_MS, 50.0)]))
    apart = engine_of(rule, series=[LAEQ])
    apart.evaluate(told((0, 61.0), (10, 61.0)))
    live.take_over(apart)
    events = live.evaluate(columns_of([Plain(7, T0_MS + 20_000, 61.0), Plain(8, T0_MS, 61.0)]))
    assert in_short(events) == [("began", "loud", 20)]
    assert in_short(live.evaluate(columns_of([Plain(8, T0_MS + 20_000, 61.0)]))) == [
        ("began", "loud", 20)
    ]


def test_an_engine_says_what_it_watches_and_how_far_back_it_looks() -> None:
    engine = engine_of(make_rule(on_delay_s=20.0), make_rule(id="calm", off_delay_s=90.0))
    assert engine.pairs() == {("loud", 7), ("calm", 7)}
    assert engine.reach_ms() == 60_000 + 90_000
    assert engine_of(series=[LAEQ]).reach_ms() == 0


@pytest.mark.parametrize(
    "quality",
    [
        Quality.STOPPED,
        Quality.MAINTENANCE,
        Quality.CALIBRATION,
        Quality.FAULT,
        Quality.STALE,
        Quality.OVER_RANGE | Quality.CLOCK_UNSURE,
    ],
)
def test_unusable_quality_neither_begins_nor_ends(quality: Quality) -> None:
    engine = engine_of(make_rule())
    assert engine.evaluate(told((0, 99.0), quality=quality)) == []
    assert len(engine.evaluate(told((1, 99.0)))) == 1
    assert engine.evaluate(told((2, 10.0), quality=quality)) == []


def test_a_reading_without_value_neither_begins_nor_ends() -> None:
    engine = engine_of(make_rule(on_delay_s=20.0))
    events = engine.evaluate(told((0, 61.0), (10, None), (20, 61.0)))
    assert in_short(events) == [("began", "loud", 20)]


def test_zero_is_a_value() -> None:
    engine = engine_of(make_rule(direction=Direction.BELOW, limit=1.5))
    assert in_short(engine.evaluate(told((0, 0.0)))) == [("began", "loud", 0)]


def at(hour: int, minute: int = 0, second: int = 0, day: int = 22) -> int:
    local = datetime.combine(date(2026, 9, day), time(hour, minute, second), SHANGHAI)
    return round(local.astimezone(UTC).timestamp() * 1000)


def test_day_and_night_have_their_own_limits() -> None:
    engine = engine_of(
        make_rule(id="day", schedule=Schedule.DAY, limit=60.0),
        make_rule(id="night", schedule=Schedule.NIGHT, limit=50.0),
    )
    readings = [
        Plain(7, at(21, 59, 50), 55.0),
        Plain(7, at(22), 55.0),
        Plain(7, at(5, 59, 59, day=23), 55.0),
        Plain(7, at(6, day=23), 55.0),
    ]
    events = engine.evaluate(columns_of(readings))
    assert [(e.rule, e.observed_ms) for e in events] == [
        ("night", at(22)),
        ("night", at(6, day=23)),
    ]


# thingsboard PR #16118: a rule never fired when its schedule opened.
def test_a_schedule_that_opens_while_the_value_is_already_beyond() -> None:
    engine = engine_of(make_rule(schedule=Schedule.NIGHT, limit=50.0, on_delay_s=30.0))
    readings = [Plain(7, at(21, 59) + 10_000 * i, 55.0) for i in range(12)]
    (began,) = engine.evaluate(columns_of(readings))
    assert isinstance(began, ConditionBegan)
    assert (began.began_ms, began.observed_ms) == (at(22), at(22, 0, 30))


def test_the_hours_of_the_day_can_be_set() -> None:
    engine = Engine(
        [make_rule(schedule=Schedule.DAY)], SHANGHAI, DayHours(begins=time(7), ends=time(20))
    )
    engine.bind([LAEQ])
    readings = [Plain(7, at(6, 30), 61.0), Plain(7, at(7), 61.0), Plain(7, at(20), 61.0)]
    events = engine.evaluate(columns_of(readings))
    assert [e.observed_ms for e in events] == [at(7), at(20)]


def test_a_rule_applies_from_its_date_to_its_last() -> None:
    engine = engine_of(
        make_rule(id="old", until=date(2026, 9, 23)),
        make_rule(id="new", effective=date(2026, 9, 23)),
    )
    readings = [Plain(7, at(23, 59), 61.0), Plain(7, at(0, 1, day=23), 61.0)]
    events = engine.evaluate(columns_of(readings))
    assert [(type(e).__name__, e.rule) for e in events] == [
        ("ConditionBegan", "old"),
        ("ConditionEnded", "old"),
        ("ConditionBegan", "new"),
    ]


def test_two_severities_of_one_family_are_two_conditions() -> None:
    engine = engine_of(make_rule(id="medium"), make_rule(id="high", limit=80.0))
    events = engine.evaluate(told((0, 70.0), (10, 90.0), (20, 50.0)))
    assert in_short(events) == [
        ("began", "medium", 0),
        ("began", "high", 10),
        ("ended", "medium", 20),
        ("ended", "high", 20),
    ]


def test_a_series_nobody_bound_is_passed_over() -> None:
    engine = engine_of(make_rule())
    strangers = [Plain(3, T0_MS, 99.0), Plain(999, T0_MS, 99.0)]
    assert engine.evaluate(columns_of(strangers)) == []
    assert Engine([make_rule()], SHANGHAI).evaluate(told((0, 99.0))) == []


def test_no_rules_and_no_readings_are_fine() -> None:
    engine = engine_of()
    assert engine.evaluate(told((0, 99.0))) == []
    assert engine.evaluate(told()) == []


def test_the_preferred_measurement_is_watched_when_it_comes() -> None:
    rule = make_rule(measurements=("noise_laeq", "noise_la"))
    instant = Series(id=8, device=NOISE, measurement="noise_la")
    engine = engine_of(rule, series=[instant])
    assert len(engine.evaluate(columns_of([Plain(8, T0_MS, 61.0)]))) == 1
    (ended,) = engine.bind([LAEQ])
    assert (ended.series, ended.observed_ms) == (8, T0_MS)
    assert math.isnan(ended.value)
    assert in_short(engine.evaluate(told((1, 61.0)))) == [("began", "loud", 1)]


def test_binding_again_keeps_the_state_of_the_same_rule() -> None:
    engine = engine_of(make_rule(on_delay_s=20.0))
    engine.evaluate(told((0, 61.0)))
    assert engine.bind([LAEQ, Series(id=9, device=NOISE, measurement="noise_lmax")]) == []
    assert in_short(engine.evaluate(told((20, 61.0)))) == [("began", "loud", 20)]


def test_a_device_that_changes_its_area_ends_what_held_there() -> None:
    engine = engine_of(make_rule(select={"area_class": ("2",)}))
    engine.evaluate(told((0, 61.0)))
    moved = Device(id="noise-1", kind="noise", tags={"area_class": "4a"}, period_s=10.0)
    (ended,) = engine.bind([Series(id=7, device=moved, measurement="noise_laeq")])
    assert (ended.rule, ended.device) == ("loud", "noise-1")
    assert engine.evaluate(told((10, 61.0))) == []


def test_restoring_something_else_is_refused() -> None:
    engine = engine_of(make_rule())
    with pytest.raises(DecodeError):
        engine.restore(b"not a snapshot")


def test_a_snapshot_fits_other_rules() -> None:
    before = engine_of(make_rule(), make_rule(id="gone", limit=55.0))
    before.evaluate(told((0, 61.0)))
    after = engine_of(make_rule(id="new", limit=70.0), make_rule(limit=58.0))
    after.restore(before.snapshot())
    assert in_short(after.evaluate(told((10, 59.0), (20, 50.0)))) == [("ended", "loud", 20)]


def test_adopting_what_the_alerts_say() -> None:
    engine = engine_of(make_rule(), make_rule(id="other", limit=10.0))
    engine.evaluate(told((0, 50.0)))
    ended = engine.adopt([("loud", 7), ("vanished", 7), ("loud", 99)], T0_MS + 5_000)
    assert [(e.rule, e.series, e.device) for e in ended] == [
        ("loud", 99, ""),
        ("vanished", 7, "noise-1"),
    ]
    events = engine.evaluate(told((10, 50.0)))
    assert in_short(events) == [("ended", "loud", 10), ("began", "other", 10)]


def test_adopting_what_holds_anyway_changes_nothing() -> None:
    engine = engine_of(make_rule(off_delay_s=20.0))
    engine.evaluate(told((0, 61.0), (10, 50.0)))
    assert engine.adopt([("loud", 7)], T0_MS + 12_000) == []
    assert in_short(engine.evaluate(told((30, 50.0)))) == [("ended", "loud", 30)]


# --- against the reference engine --------------------------------------------------------------

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/St_Johns")
DEVICES = (
    NOISE,
    Device(id="noise-2", kind="noise", tags={}, period_s=None),
    Device(id="gas-1", kind="gas", tags={"pressure_class": "low"}, period_s=30.0),
)
SERIES = [
    LAEQ,
    Series(id=3, device=NOISE, measurement="noise_la"),
    Series(id=11, device=DEVICES[1], measurement="noise_la"),
    Series(id=20, device=DEVICES[2], measurement="gas_pressure.inlet"),
    Series(id=21, device=DEVICES[2], measurement="gas_pressure.outlet"),
]
rule_values = st.fixed_dictionaries(
    {
        "kinds": st.sampled_from([("noise",), ("gas",), (), ("noise", "gas")]),
        "measurements": st.sampled_from(
            [("noise_laeq", "noise_la"), ("noise_la",), ("gas_pressure",), ("gas_pressure.inlet",)]
        ),
        "select": st.sampled_from(
            [{}, {"area_class": ("2",)}, {"area_class": ("",)}, {"area_class": ("", "2")}]
        ),
        "schedule": st.sampled_from(list(Schedule)),
        "direction": st.sampled_from(list(Direction)),
        "limit": st.sampled_from([-1.0, 0.0, 1.0, 2.0]),
        "deadband": st.sampled_from([0.0, 0.5, 1.0]),
        "on_delay_s": st.sampled_from([0.0, 1.0, 30.0, 61.0]),
        "off_delay_s": st.sampled_from([0.0, 2.0, 45.0]),
        "effective": st.sampled_from([date(2000, 1, 1), date(2026, 9, 22), date(2026, 9, 23)]),
        "until": st.sampled_from([None, date(2026, 9, 23), date(2027, 1, 1)]),
    }
)
rule_sets = st.lists(rule_values, min_size=1, max_size=6).map(
    lambda sets: [make_rule(id=f"rule-{n}", **values) for n, values in enumerate(sets)]
)
values = st.one_of(
    st.none(), st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0]), st.floats(-3, 4)
)
qualities = st.sampled_from(
    [Quality.NORMAL, Quality.NORMAL, Quality.NORMAL, Quality.CLOCK_UNSURE, Quality.MAINTENANCE]
)


@st.composite
def streams(draw: st.DrawFn) -> list[Plain]:
    """Draw readings that mostly go forward: steps, gaps, nights, and now and then one back."""
    at_ms = T0_MS + draw(st.sampled_from([0, 11 * 3_600_000 + 3_595_000, 14 * 3_600_000]))
    readings = []
    for _ in range(draw(st.integers(0, 60))):
        at_ms += draw(
            st.sampled_from(
                [0, 1_000, 1_000, 5_000, 30_000, 60_000, 61_000, 180_000, -7_000, 29_000_000]
            )
        )
        series = draw(st.sampled_from([7, 7, 7, 3, 11, 20, 21, 99]))  # 99: nobody bound it
        readings.append(Plain(series, at_ms, draw(values), draw(qualities)))
    return readings


cuts = st.lists(st.integers(0, 60), max_size=8).map(sorted)


def blocks_of(readings: list[Plain], at: list[int]) -> list[list[Plain]]:
    edges = [0, *(cut for cut in at if cut < len(readings)), len(readings)]
    return [readings[a:b] for a, b in pairwise(edges)]


@given(rule_sets, streams(), cuts, st.sampled_from(ZONES))
@settings(max_examples=400, deadline=None)
def test_the_same_events_as_the_reference_engine_however_cut(
    rules: list[Rule], readings: list[Plain], at: list[int], zone: str
) -> None:
    reference = ReferenceEngine(rules, ZoneInfo(zone))
    reference.bind(SERIES)
    expected = reference.evaluate(readings)
    engine = Engine(rules, ZoneInfo(zone))
    engine.bind(SERIES)
    found: list[ConditionEvent] = []
    for block in blocks_of(readings, at):
        found += engine.evaluate(columns_of(block))
    assert found == expected
    assert engine.late == reference.late


@given(rule_sets, streams(), cuts, st.integers(0, 60))
@settings(max_examples=200, deadline=None)
def test_a_restart_changes_nothing(
    rules: list[Rule], readings: list[Plain], at: list[int], stop: int
) -> None:
    """Snapshot, go on, lose the memory, restore, replay what came since, go on."""
    unbroken = Engine(rules, SHANGHAI)
    unbroken.bind(SERIES)
    expected = unbroken.evaluate(columns_of(readings))
    first = Engine(rules, SHANGHAI)
    first.bind(SERIES)
    found = first.evaluate(columns_of(readings[:stop]))
    saved = first.snapshot()
    since = readings[stop : stop + 10]
    found += first.evaluate(columns_of(since))
    second = Engine(rules, SHANGHAI)
    second.bind(reversed(SERIES))
    second.restore(saved)
    second.evaluate(columns_of(since))
    for block in blocks_of(readings[stop + 10 :], at):
        found += second.evaluate(columns_of(block))
    assert found == expected
    assert second.late == unbroken.late
