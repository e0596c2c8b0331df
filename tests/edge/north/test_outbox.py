"""What a platform is to be told: made once, kept until it is acknowledged, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from contract.quality import Quality
from edge.core.hj212_report import Factor, Sample
from edge.north.outbox import LATE_MS, DamagedError, Outbox, Plan
from edge.set_aside import set_aside
from tests.edge.core.hj212_kit import CHINA, NOW_MS

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
PM10 = Factor(code="a34002", device="d", measurement="pm10", every_s=10)
PLAN = Plan(
    factors=(PM10,), zone=CHINA, real_time_s=60, minutes=10, kept_ms=2 * DAY_MS, max_bytes=10**8
)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "north.sqlite", PLAN)
    yield outbox
    outbox.close()


def measure(outbox: Outbox, from_ms: int, to_ms: int, value: float = 72.0) -> None:
    """Let time pass, with a sample every ten seconds."""
    for at_ms in range(from_ms, to_ms, 10_000):
        outbox.take([("a34002", Sample(at_ms, value, Quality.NORMAL))], at_ms)


def told(outbox: Outbox, command: str) -> list[str]:
    return [r.cp for r in outbox.waiting(10_000) if r.command == command]


def test_real_time_data_are_due_by_the_clock(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + 3 * MINUTE_MS)
    assert told(outbox, "2011") == [
        f"DataTime=2026112212{minute:02d}00;a34002-Rtd=72,a34002-Flag=N" for minute in (1, 2)
    ]


def test_old_samples_are_no_real_time_data(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + 50_000)
    outbox.take([], NOW_MS + 5 * MINUTE_MS)
    assert told(outbox, "2011") == []


def test_periods_are_told_with_the_time_of_their_start(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + HOUR_MS + MINUTE_MS)
    minutes = told(outbox, "2051")
    assert len(minutes) == 6
    assert minutes[0] == (
        "DataTime=20261122120000;a34002-Min=72,a34002-Avg=72,a34002-Max=72,a34002-Flag=N"
    )
    assert [text[9:23] for text in told(outbox, "2061")] == ["20261122120000"]


def test_a_day_is_the_days_of_the_local_clock(outbox: Outbox) -> None:
    outbox.take([("a34002", Sample(NOW_MS, 72.0, Quality.NORMAL))], NOW_MS)
    midnight_ms = NOW_MS + 12 * HOUR_MS
    outbox.take([], midnight_ms + LATE_MS - 1)
    assert told(outbox, "2031") == []
    outbox.take([], midnight_ms + LATE_MS)
    assert [text[:23] for text in told(outbox, "2031")] == ["DataTime=20261122000000"]
    assert told(outbox, "2031")[0].endswith("a34002-Flag=B"), "one sample is no day"


def test_what_was_measured_while_nobody_looked_is_told_later(tmp_path: Path) -> None:
    """The agent was off for three hours, within which nothing was measured."""
    first = Outbox(tmp_path / "north.sqlite", PLAN)
    measure(first, NOW_MS, NOW_MS + 5 * MINUTE_MS)
    first.close()
    second = Outbox(tmp_path / "north.sqlite", PLAN)
    measure(second, NOW_MS + 3 * HOUR_MS, NOW_MS + 3 * HOUR_MS + 11 * MINUTE_MS)
    assert [text[9:23] for text in told(second, "2051")] == ["20261122120000", "20261122150000"]
    assert [text[9:23] for text in told(second, "2061")] == ["20261122120000"]
    second.close()


def test_reports_wait_until_they_are_acknowledged_across_a_restart(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "north.sqlite", PLAN)
    measure(outbox, NOW_MS, NOW_MS + 3 * MINUTE_MS)
    first, second = outbox.waiting(10)
    outbox.acknowledge(first.qn)
    outbox.acknowledge(first.qn)
    outbox.acknowledge("20260101000000000")
    outbox.close()
    again = Outbox(tmp_path / "north.sqlite", PLAN)
    assert again.waiting(10) == [second]
    assert (again.figures().held, again.figures().acknowledged) == (1, 1)
    assert len(again.history("2011", NOW_MS, NOW_MS + HOUR_MS)) == 2
    assert again.history("2011", NOW_MS + HOUR_MS, NOW_MS + 2 * HOUR_MS) == []
    again.close()


def test_numbers_are_never_used_twice(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + 2 * MINUTE_MS)
    measure(outbox, NOW_MS - HOUR_MS, NOW_MS - HOUR_MS + 2 * MINUTE_MS)  # the clock went back
    measure(outbox, NOW_MS, NOW_MS + 20 * MINUTE_MS)
    numbers = [report.qn for report in outbox.waiting(1_000)]
    assert len(numbers) == len(set(numbers))


def test_many_factors_are_told_in_parts(tmp_path: Path) -> None:
    factors = tuple(
        Factor(code=f"a{number:05d}", device="d", measurement="pm10", every_s=10)
        for number in range(40)
    )
    plan = Plan(
        factors=factors, zone=CHINA, real_time_s=60, minutes=10, kept_ms=DAY_MS, max_bytes=10**8
    )
    outbox = Outbox(tmp_path / "north.sqlite", plan)
    samples = [(f.code, Sample(NOW_MS + 59_000, 1.5, Quality.NORMAL)) for f in factors]
    outbox.take([], NOW_MS)
    outbox.take(samples, NOW_MS + MINUTE_MS)
    reports = outbox.waiting(10)
    assert [(r.part, r.of) for r in reports] == [(1, 2), (2, 2)]
    assert len({r.qn for r in reports}) == 2
    outbox.close()


def test_a_clock_that_jumps_ahead_makes_nothing_unacknowledged_old(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + 3 * MINUTE_MS)
    outbox.acknowledge(outbox.waiting()[0].qn)
    waiting = [report.qn for report in outbox.waiting(100)]
    outbox.take([], NOW_MS + 40 * 365 * DAY_MS)
    assert [r.qn for r in outbox.waiting(100)][: len(waiting)] == waiting
    assert outbox.figures().dropped == 0


def test_the_platforms_interval_outlives_a_restart(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "north.sqlite", PLAN)
    assert outbox.interval_s == 60
    outbox.set_interval(30)
    outbox.close()
    again = Outbox(tmp_path / "north.sqlite", PLAN)
    measure(again, NOW_MS, NOW_MS + MINUTE_MS + 10_000)
    assert len(told(again, "2011")) == 2
    again.close()


def test_a_damaged_file_is_known_as_such_and_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "north.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(DamagedError):
        Outbox(path, PLAN)
    assert set_aside(path).name == "north.sqlite.damaged-1"
    Outbox(path, PLAN).close()


def test_beyond_its_bytes_what_is_acknowledged_goes_first_and_then_the_oldest(
    tmp_path: Path,
) -> None:
    path, small = tmp_path / "north.sqlite", replace(PLAN, max_bytes=80_000)
    outbox = Outbox(path, replace(PLAN, max_bytes=10**8))
    for minute in range(400):
        at_ms = NOW_MS + minute * MINUTE_MS
        outbox.take([("a34002", Sample(at_ms, 72.0, Quality.NORMAL))], at_ms)
    made = outbox.waiting(10_000)
    for report in made[-50:]:
        outbox.acknowledge(report.qn)
    outbox.close()
    outbox = Outbox(path, small)
    outbox.take([], NOW_MS + 400 * MINUTE_MS)
    left = outbox.waiting(10_000)
    assert 0 < len(left) < len(made) - 50
    assert not {report.qn for report in left} & {report.qn for report in made[:100]}
    assert outbox.figures().dropped > 0
    assert outbox.history("2011", 0, 2**60) == [r for r in left if r.command == "2011"][:1_000]
    for minute in range(400, 800):  # and it stays within them
        at_ms = NOW_MS + minute * MINUTE_MS
        outbox.take([("a34002", Sample(at_ms, 72.0, Quality.NORMAL))], at_ms)
    outbox.close()
    assert path.stat().st_size < 300_000


def test_a_clock_that_was_far_ahead_does_not_end_reports(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + HOUR_MS)
    ahead_ms = NOW_MS + 18_000 * DAY_MS
    outbox.take([("a34002", Sample(ahead_ms, 1.0, Quality.NORMAL))], ahead_ms)
    measure(outbox, NOW_MS + HOUR_MS, NOW_MS + 3 * HOUR_MS)
    assert len(told(outbox, "2051")) >= 11
    assert len(told(outbox, "2061")) == 2


def test_a_clock_that_is_set_back_a_little_makes_no_report_twice(outbox: Outbox) -> None:
    measure(outbox, NOW_MS, NOW_MS + 31 * MINUTE_MS)
    measure(outbox, NOW_MS + 29 * MINUTE_MS, NOW_MS + HOUR_MS)
    times = [cp.split(";")[0] for cp in told(outbox, "2051")]
    assert len(times) == len(set(times)) == 5
