from __future__ import annotations

import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cloud.core import statistics as stats
from cloud.core.columns import Columns
from cloud.core.schedule import DayHours
from contract.clock import parse_iso
from contract.quality import Quality
from contract.quantities import Averaging

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOURS = DayHours()
MINUTE_MS = 60_000
DAY_MS = 86_400_000
MIDNIGHT_MS = parse_iso("2026-11-22T00:00:00+08:00")


def columns(at: list[int], values: list[float], quality: list[int] | None = None) -> Columns:
    return Columns(
        series=np.ones(len(at), np.int32),
        observed_ms=np.array(at, np.int64),
        value=np.array(values, np.float64),
        quality=np.array(quality or [0] * len(at), np.uint16),
    )


def a_day(level: float, night: float) -> Columns:
    """A reading a minute from local midnight, at one level by day and another by night."""
    at = [MIDNIGHT_MS + n * MINUTE_MS for n in range(1_440)]
    return columns(at, [level if 360 <= n < 1_320 else night for n in range(1_440)])


def told(
    given: Columns, averaging: Averaging = Averaging.ENERGY, limit: float | None = None
) -> tuple[stats.Statistics, dict[str, stats.Figure]]:
    found = stats.statistics(
        given,
        averaging,
        from_ms=MIDNIGHT_MS,
        to_ms=MIDNIGHT_MS + DAY_MS,
        period_s=60.0,
        zone=SHANGHAI,
        hours=HOURS,
        limit=limit,
    )
    return found, {figure.name: figure for figure in found.figures}


def test_a_day_of_noise() -> None:
    found, figures = told(a_day(60.0, 50.0), limit=55.0)
    energy = 10 * math.log10((16 * 10**6 + 8 * 10**5) / 24)
    assert figures["LAeq"].value == pytest.approx(energy)
    assert [figures[name].value for name in ("Ld", "Ln")] == pytest.approx([60, 50])
    assert (figures["Ld"].readings, figures["Ln"].readings) == (960, 480)
    assert figures["Ldn"].value == pytest.approx(60.0)  # a night 10 dB quieter weighs the same
    assert (figures["Lmax"].value, figures["Lmin"].value) == (60.0, 50.0)
    assert (found.due, found.readings, found.valid_rate) == (1_440, 1_440, 1.0)
    assert found.exceedance is not None
    assert found.exceedance.minutes == 960
    assert found.exceedance.share == pytest.approx(2 / 3)


def test_ln_is_the_level_exceeded_n_percent_of_the_time() -> None:
    levels = [float(n) for n in range(101)]
    _, figures = told(columns([MIDNIGHT_MS + n for n in range(101)], levels))
    names = ("L5", "L10", "L50", "L90", "L95")
    assert [figures[name].value for name in names] == [95, 90, 50, 10, 5]


def test_a_percentile_of_anything_else_counts_from_below() -> None:
    values = [float(n) for n in range(101)]
    _, figures = told(columns([MIDNIGHT_MS + n for n in range(101)], values), Averaging.ARITHMETIC)
    assert figures["P90"].value == 90
    assert (figures["arithmetic"].value, figures["min"].value, figures["max"].value) == (50, 0, 100)


def test_a_direction_has_an_average_and_no_order() -> None:
    _, figures = told(columns([MIDNIGHT_MS, MIDNIGHT_MS + 1], [350.0, 10.0]), Averaging.VECTOR)
    assert list(figures) == ["vector"]


def test_rain_adds_up() -> None:
    _, figures = told(columns([MIDNIGHT_MS, MIDNIGHT_MS + 1], [0.2, 0.3]), Averaging.SUM)
    assert figures["sum"].value == pytest.approx(0.5)
    assert list(figures) == ["sum", "min", "max"]


def test_what_does_not_count_is_told_and_lowers_the_valid_rate() -> None:
    flags = [0, int(Quality.CALIBRATION), int(Quality.STUCK)]
    at = [MIDNIGHT_MS + n * MINUTE_MS for n in range(3)]
    found, figures = told(columns(at, [50.0, 99.0, 50.0], flags))
    assert (found.readings, found.excluded) == (2, 1)
    assert found.quality == Quality.CALIBRATION | Quality.STUCK
    assert found.valid_rate == pytest.approx(2 / 1_440)
    assert figures["Lmax"].value == 50.0


def test_nothing_at_all() -> None:
    found, figures = told(columns([], []), limit=1.0)
    assert all(figure.value is None for figure in figures.values())
    assert found.exceedance == stats.Exceedance(limit=1.0, minutes=0.0, share=None, readings=0)
    assert found.valid_rate == 0.0
    assert told(columns([], []), Averaging.ARITHMETIC)[1]["P50"].value is None


def test_without_a_night_there_is_no_ldn() -> None:
    assert stats.day_night_level(60.0, None, HOURS) is None
    assert stats.day_night_level(None, 60.0, HOURS) is None
    noon = MIDNIGHT_MS + DAY_MS // 2
    figures = {f.name: f for f in stats.noise_figures(columns([noon], [50.0]), SHANGHAI, HOURS)}
    assert (figures["Ldn"].value, figures["Ln"].readings) == (None, 0)


def test_ldn_after_the_formula() -> None:
    expected = 10 * math.log10((16 * 10**6.2 + 8 * 10 ** (0.1 * (48 + 10))) / 24)
    assert stats.day_night_level(62.0, 48.0, HOURS) == pytest.approx(expected)


def test_day_is_from_6_to_22_local_time() -> None:
    at = [
        parse_iso(f"2026-11-22T{clock}+08:00")
        for clock in ("05:59:59.999", "06:00:00", "21:59:59.999", "22:00:00")
    ]
    is_day = stats.by_day(np.array(at, np.int64), SHANGHAI, HOURS)
    assert is_day.tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    ("at_s", "period_s", "minutes"),
    [
        ([0, 60, 120], 60.0, 3.0),
        ([0, 60, 3_600], 60.0, 3.0),  # silence is no exceedance
        ([0, 61, 121], 60.0, 121 / 60 + 1),  # jitter is no silence
        ([0, 10, 20], None, 0.5),
        ([0], None, 1.0),
    ],
)
def test_a_reading_stands_until_the_next_and_for_a_period_at_most(
    at_s: list[int], period_s: float | None, minutes: float
) -> None:
    given = columns([s * 1000 for s in at_s], [9.0] * len(at_s))
    found = stats.exceedance(given, np.ones(len(at_s), np.bool_), 5.0, period_s)
    assert found.minutes == pytest.approx(minutes)
    assert found.readings == len(at_s)


def test_what_does_not_count_exceeds_nothing() -> None:
    given = columns([0, 60_000], [9.0, 9.0])
    found = stats.exceedance(given, np.array([True, False]), 5.0, 60.0)
    assert (found.minutes, found.share) == (1.0, 1.0)


def test_plain_figures_and_due() -> None:
    assert [f.name for f in stats.plain_figures(columns([0], [1.0]), Averaging.LAST)] == [
        "last",
        "min",
        "max",
    ]
    assert stats.due_readings(0, 3_600_000, 60.0) == 60
    assert stats.due_readings(0, 3_600_000, None) is None
    assert stats.due_readings(0, 1, 60.0) == 1
