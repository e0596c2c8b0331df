from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.core.rules import Schedule
from cloud.core.schedule import DayHours, era_at, in_force, parse_clock
from tests.cloud.core.rule_kit import make_rule

SHANGHAI = ZoneInfo("Asia/Shanghai")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def test_the_night_is_cut_at_midnight_for_the_date() -> None:
    era = era_at(ms("2026-11-22T23:30:00+08:00"), SHANGHAI, DayHours())
    assert (era.from_ms, era.until_ms) == (
        ms("2026-11-22T22:00:00+08:00"),
        ms("2026-11-23T00:00:00+08:00"),
    )
    assert (era.on, era.is_day) == (date(2026, 11, 22), False)


def test_six_is_day_and_twenty_two_is_night() -> None:
    for text, is_day in (
        ("05:59:59.999", False),
        ("06:00:00", True),
        ("21:59:59.999", True),
        ("22:00:00", False),
    ):
        era = era_at(ms(f"2026-11-22T{text}+08:00"), SHANGHAI, DayHours())
        assert era.is_day is is_day, text


@given(
    st.integers(300_000_000_000, 4_000_000_000_000),
    st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"]),
)
def test_every_moment_lies_in_its_era_also_where_clocks_change(at_ms: int, name: str) -> None:
    zone = ZoneInfo(name)
    era = era_at(at_ms, zone, DayHours())
    local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    assert era.from_ms <= at_ms < era.until_ms
    assert era.on == local.date()
    assert era.is_day == (time(6) <= local.time() < time(22))


def test_a_rule_is_in_force_from_its_date_to_before_its_end() -> None:
    rule = make_rule(effective=date(2026, 1, 1), until=date(2026, 3, 1), schedule=Schedule.DAY)
    for text, expected in (
        ("2025-12-31T12:00:00", False),
        ("2026-01-01T12:00:00", True),
        ("2026-01-01T23:00:00", False),
        ("2026-02-28T21:59:00", True),
        ("2026-03-01T06:00:00", False),
    ):
        assert in_force(rule, era_at(ms(f"{text}+08:00"), SHANGHAI, DayHours())) is expected, text


def test_a_day_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="begins at"):
        DayHours(begins=time(22), ends=time(6))


def test_parse_clock() -> None:
    assert parse_clock("06:30") == time(6, 30)
    for wrong in ("6:30", "24:00", "06:60", "noon", ""):
        with pytest.raises(ValueError, match=r"write e\.g\. 06:00"):
            parse_clock(wrong)
