from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

from cloud.core.case_steps import Label
from cloud.core.gate import (
    CATEGORIES,
    COVERS,
    NOISE_SOURCES,
    OUTSIDE,
    Gate,
    GatePolicy,
    TimeLimits,
    UnitRule,
    Wait,
    cell_of,
    decide,
    dues_of,
    unit_of,
    waits_for,
)
from cloud.core.grid import Cell
from cloud.core.model import Device, Severity
from cloud.core.working_time import Span, due, parse_span

HOUR_MS = 3_600_000
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW_MS = 1_790_000_000_000
COVER = Device(id="manhole-1", kind="manhole", tags={"cover": "sewage"})
METER = Device(id="noise-1", kind="noise", asset="GR-0815", owner="文化路街道办")


def test_a_medium_alert_makes_a_case_of_its_category() -> None:
    decision = decide(Severity.MEDIUM, "05-08", METER, NOW_MS, GatePolicy())
    assert decision.opens
    assert (decision.asset, decision.category, decision.unit) == ("GR-0815", "05-08", METER.owner)
    assert decision.due_ms == NOW_MS + 24 * HOUR_MS


def test_a_low_one_does_not() -> None:
    decision = decide(Severity.LOW, "05-08", METER, NOW_MS, GatePolicy())
    assert not decision.opens
    assert decision.reason == "its severity is low; a case takes medium"


def test_a_rule_without_category_makes_none() -> None:
    decision = decide(Severity.CRITICAL, "", METER, NOW_MS, GatePolicy())
    assert not decision.opens
    assert decision.reason == "its rule makes no case"


def test_what_a_city_sets() -> None:
    policy = GatePolicy(
        least=Severity.HIGH,
        units={"noise": "噪声科"},
        limits={Severity.HIGH: TimeLimits(handle=Span(1.5))},
    )
    meter = replace(METER, owner="", asset="")
    decision = decide(Severity.HIGH, "05-08", meter, NOW_MS, policy)
    assert (decision.asset, decision.unit) == ("noise-1", "噪声科")
    assert decision.due_ms == NOW_MS + 90 * 60_000
    assert not decide(Severity.MEDIUM, "05-08", meter, NOW_MS, replace(policy, limits=ALL)).opens


ALL = dict.fromkeys(Severity, TimeLimits(handle=Span(1)))


def test_a_moved_cover_is_made_safe_in_three_hours() -> None:
    decision = decide(Severity.HIGH, "04-04", COVER, NOW_MS, GatePolicy())
    assert decision.category == "C01-02"
    assert decision.due_ms == NOW_MS + 3 * HOUR_MS
    assert decision.dues.handle_ms == NOW_MS + 24 * HOUR_MS
    assert decision.dues.by_clock


def test_due_times_in_working_time() -> None:
    span = parse_span("4 working hours")
    policy = GatePolicy(limits=dict.fromkeys(Severity, TimeLimits(handle=span, close=span)))
    dues = dues_of(Severity.LOW, "noise", NOW_MS, policy)
    assert dues.handle_ms == due(policy.calendar, NOW_MS, span)
    assert dues.close_ms == due(policy.calendar, dues.handle_ms, span)
    assert (dues.secure_ms, dues.by_clock) == (None, False)


def test_a_cover_of_no_known_owner_keeps_the_rules_category() -> None:
    unknown = replace(COVER, tags={})
    assert decide(Severity.HIGH, "04-04", unknown, NOW_MS, GatePolicy()).category == "04-04"


def test_noise_of_a_building_site_is_one_matter() -> None:
    site = replace(METER, tags={"source": "construction"})
    assert decide(Severity.MEDIUM, "05-08", site, NOW_MS, GatePolicy()).category == "03-01"


def test_every_category_has_its_names_and_fits_its_column() -> None:
    assert set(COVERS.values()) | set(NOISE_SOURCES.values()) <= set(CATEGORIES)
    for code, label in CATEGORIES.items():
        assert len(code) <= 8
        assert isinstance(label, Label)
        assert label.zh
        assert label.en


GRID = (
    Cell("C1", ((((116.0, 39.0), (117.0, 39.0), (117.0, 40.0), (116.0, 40.0), (116.0, 39.0)),),)),
)
IN_C1 = replace(METER, latitude=39.5, longitude=116.5)


def test_a_case_stands_in_its_cell() -> None:
    policy = GatePolicy(cells=GRID)
    assert decide(Severity.MEDIUM, "05-08", IN_C1, NOW_MS, policy).cell == "C1"
    away = replace(IN_C1, latitude=1.0)
    assert decide(Severity.MEDIUM, "05-08", away, NOW_MS, policy).cell == OUTSIDE
    assert decide(Severity.MEDIUM, "05-08", away, NOW_MS, GatePolicy()).cell == ""
    refused = decide(Severity.MEDIUM, "05-08", away, NOW_MS, replace(policy, outside_refused=True))
    assert refused.reason == "its place is outside every cell of the area grid"


def test_who_is_responsible_by_cell_category_and_owner() -> None:
    rules = (
        UnitRule(unit="a", cell="C1", category="05", owner="文化路街道办"),
        UnitRule(unit="b", category="05-08"),
        UnitRule(unit="c", cell="C2"),
    )
    policy = GatePolicy(cells=GRID, unit_rules=rules)
    cell = cell_of(116.5, 39.5, policy)
    assert unit_of(cell, "05-08", METER.owner, "noise", policy) == "a"
    assert unit_of(None, "05-08", METER.owner, "noise", policy) == "b"
    assert unit_of(cell, "03-01", "", "noise", policy) == policy.units["noise"]
    assert unit_of(replace(GRID[0], unit="d"), "03-01", "", "noise", policy) == "d"
    assert unit_of(cell, "050", METER.owner, "noise", policy) == METER.owner
    assert rules[0].fits("C1", "05-08", METER.owner)


def test_a_category_that_is_none_of_the_citys() -> None:
    decision = decide(Severity.HIGH, "99-99", METER, NOW_MS, GatePolicy())
    assert decision.reason == "its category 99-99 is none of this city's"


def test_hours_that_go_over_midnight_and_what_never_waits() -> None:
    policy = GatePolicy(gate=Gate(hours=(time(22), time(6)), confirm=frozenset(Severity)))
    at = [
        round(datetime(2026, 9, 22, hour, tzinfo=SHANGHAI).timestamp() * 1000) for hour in (23, 9)
    ]

    def waits(severity: Severity, now_ms: int) -> Wait | None:
        return waits_for(severity, "05-08", 0, now_ms, policy, confirmed=True)

    assert [waits(Severity.HIGH, now_ms) for now_ms in at] == [None, Wait.HOURS]
    assert [waits(Severity.CRITICAL, now_ms) for now_ms in at] == [None, None]
    assert waits_for(Severity.HIGH, "05-08", 0, at[0], policy) is Wait.CONFIRM
