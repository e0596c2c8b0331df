from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cloud.core.columns import Columns
from cloud.core.model import Severity
from cloud.core.statistics import Figure, Statistics
from cloud.ports import Stepped
from cloud.web.console import charts, trends
from cloud.web.console.chosen import main_measurement, place
from cloud.web.console.summaries import summary
from cloud.web.limits import Limit
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot, read
from cloud.web.wording import Wording
from contract.clock import parse_iso
from contract.quality import Quality
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import ZONE, City

ZH = Wording(language="zh", zone=ZONE)
NOON_MS = parse_iso("2026-11-22T04:00:00Z")  # 12:00 in Shanghai
STEP_MS = 10_000


def chart(
    points: Stepped | None, limits: tuple[float, ...] = (), period_s: float = 1.0
) -> dict[str, object]:
    return charts.chart(
        points,
        measurement="noise_laeq",
        unit="dB(A)",
        limits=[
            Limit(title_zh="限值", title_en="limit", severity=Severity.HIGH, limit=limit)
            for limit in limits
        ],
        period_s=period_s,
        from_ms=NOON_MS - 60_000,
        to_ms=NOON_MS,
        step_ms=STEP_MS,
        w=ZH,
    )


def points(*at_s: int, mean: float = 55.0) -> Stepped:
    return Stepped(
        from_ms=[NOON_MS + at * 1000 for at in at_s],
        mean=[mean] * len(at_s),
        minimum=[mean - 1] * len(at_s),
        maximum=[mean + 2] * len(at_s),
        readings=[10] * len(at_s),
        excluded=[0] * len(at_s),
        quality=[0] * len(at_s),
    )


def line(options: dict[str, object]) -> dict[str, object]:
    series = options["series"]
    assert isinstance(series, list)
    found: dict[str, object] = series[2]
    return found


def test_local_time_whatever_the_browsers_zone() -> None:
    options = chart(points(-60))
    eight_hours_ms = 8 * 3_600_000
    assert options["useUTC"] is True
    assert line(options)["data"] == [[NOON_MS - 60_000 + eight_hours_ms, 55.0]]


def test_silence_breaks_the_line() -> None:
    data = line(chart(points(-60, -50, -20, -10)))["data"]
    assert isinstance(data, list)
    assert [value for _, value in data] == [55.0, 55.0, None, 55.0, 55.0]


def test_a_slow_device_is_not_silent_between_its_readings() -> None:
    data = line(chart(points(-60, 0), period_s=60.0))["data"]
    assert isinstance(data, list)
    assert [value for _, value in data] == [55.0, 55.0]


def test_limits_are_lines_and_the_axis_reaches_them() -> None:
    options = chart(points(-60, -50), limits=(60.0,))
    marks = line(options)["markLine"]
    assert isinstance(marks, dict)
    assert [mark["yAxis"] for mark in marks["data"]] == [60.0]
    axis = options["yAxis"]
    assert isinstance(axis, dict)
    assert axis["min"] <= 54
    assert axis["max"] > 60


def test_a_limit_far_away_does_not_flatten_the_curve() -> None:
    axis = chart(points(-60, -50), limits=(500.0,))["yAxis"]
    assert isinstance(axis, dict)
    assert axis["max"] < 60


@pytest.mark.parametrize("mean", [0.0, 55.0, -3.0, 1e6, 0.004])
def test_any_values_have_an_axis(mean: float) -> None:
    axis = chart(points(-60, -50, mean=mean))["yAxis"]
    assert isinstance(axis, dict)
    assert axis["min"] <= mean - 1
    assert axis["max"] >= mean + 2


def test_days_begin_at_local_midnight() -> None:
    offset_ms = charts.shift(ZH, NOON_MS)
    from_ms, to_ms, _ = charts.frame("1y", 0, NOON_MS, offset_ms)
    assert (from_ms + offset_ms) % 86_400_000 == 0
    assert ZH.moment(to_ms) == "2026-11-23 00:00:00"


def test_stretches_with_readings_that_do_not_count_are_shaded() -> None:
    found = replace(points(-60, -50, -30), excluded=[1, 2, 1], quality=[1, 1, 1])
    stretches = charts.flagged(found, STEP_MS)
    assert [(b - NOON_MS, e - NOON_MS) for b, e in stretches] == [
        (-60_000, -40_000),
        (-30_000, -20_000),
    ]
    areas = line(chart(found))["markArea"]
    assert isinstance(areas, dict)
    assert len(areas["data"]) == 2
    assert charts.flagged(None, STEP_MS) == []


def test_a_step_without_usable_readings_breaks_the_line() -> None:
    found = replace(
        points(-60, -50, -40), mean=[55.0, None, 55.0], minimum=[54.0, None, 54.0],
        maximum=[57.0, None, 57.0], readings=[1, 0, 1],
    )  # fmt: skip
    data = line(chart(found))["data"]
    assert isinstance(data, list)
    assert [value for _, value in data] == [55.0, None, 55.0]


def test_figures_are_told_with_what_they_rest_on() -> None:
    told = Statistics(
        readings=1_300,
        excluded=20,
        quality=Quality.CALIBRATION,
        due=1_440,
        valid_rate=1_300 / 1_440,
        figures=(
            Figure(name="LAeq", value=57.26, readings=1_300),
            Figure(name="Ln", value=None, readings=0),
        ),
        exceedance=None,
    )
    html = summary(told, "noise-01", "noise_laeq", NOON_MS - 60_000, NOON_MS, ZH)
    assert "57.3" in html
    assert "1300 个数据" in html
    assert "有效数据率 90.3%（1300/1440） · 20 个数据不计入（校准）" in html
    assert "Ln" not in html
    assert "/api/v1/export?device=noise-01&amp;measurement=noise_laeq" in html
    english = Wording(language="en", zone=ZONE)
    assert "cannot be told" in summary(None, "d", "tsp", 0, 1, english)
    plain = replace(told, figures=(Figure(name="min", value=1.0, readings=1),
                                   Figure(name="arithmetic", value=2.0, readings=1)))  # fmt: skip
    html = summary(plain, "d", "tsp", 0, 1, english)
    assert "minimum" in html
    assert "arithmetic mean" in html


def test_no_data_is_an_empty_chart() -> None:
    for nothing in (None, points()):
        assert line(chart(nothing))["data"] == []


@pytest.mark.parametrize(
    ("step", "nicer"), [(0.9, 1.0), (1.0, 1.0), (1.3, 2.0), (2.4, 5.0), (7.0, 10.0), (0.03, 0.05)]
)
def test_steps_of_an_axis(step: float, nicer: float) -> None:
    assert charts.nice(step) == pytest.approx(nicer)


def test_what_stands_for_a_device() -> None:
    names = ["noise_la", "battery", "noise_laeq", "something_new"]
    assert sorted(names, key=lambda name: place(name, "noise")) == [
        "noise_laeq",
        "noise_la",
        "battery",
        "something_new",
    ]


def columns(*rows: tuple[int, float]) -> Columns:
    return Columns(
        series=np.ones(len(rows), np.int32),
        observed_ms=np.array([at for at, _ in rows], np.int64),
        value=np.array([value for _, value in rows], np.float64),
        quality=np.zeros(len(rows), np.uint16),
    )


def test_a_curve_has_the_last_reading_of_each_step() -> None:
    rows = columns((0, 9.0), (1_000, 1.0), (30_000, 3.0), (1_800_000, 2.0), (1_800_001, 99.0))
    drawn = trends.polyline(rows, 0, 1_800_000)
    x = [float(point.split(",")[0]) for point in drawn.split()]
    y = [float(point.split(",")[1]) for point in drawn.split()]
    assert x == pytest.approx([0.1, 2, 120], abs=0.06)
    assert y == [32.0, 2.0, 17.0]  # SVG counts downwards


@pytest.mark.parametrize("rows", [(), ((0, 1.0),), ((0, 1.0), (10, 2.0))])
def test_too_little_for_a_curve(rows: tuple[tuple[int, float], ...]) -> None:
    assert trends.polyline(columns(*rows), 0, 1_800_000) == ""


def test_a_constant_is_a_line_in_the_middle() -> None:
    assert trends.polyline(columns((0, 5.0), (30_000, 5.0)), 0, 60_000) == "0.0,17.0 60.0,17.0"


@pytest.mark.parametrize(
    ("window", "known_s", "span_s", "step_s"),
    [
        ("1h", 86_400, 3_600, 10),
        ("6h", 86_400, 21_600, 60),
        ("24h", 86_400, 86_400, 240),
        ("7d", 9_999_999, 604_800, 1_800),
        ("30d", 9_999_999, 2_592_000, 7_200),
        ("1y", 99_999_999, 31_536_000, 86_400),
        ("1h", 600, 600, 2),  # known for ten minutes only
        ("7d", 600, 600, 2),
        ("1h", 0, 120, 1),
        ("1h", -5, 120, 1),
    ],
)
def test_a_frame_is_the_window_or_what_is_known(
    window: str, known_s: int, span_s: int, step_s: int
) -> None:
    from_ms, to_ms, step_ms = charts.frame(window, NOW_MS - known_s * 1000, NOW_MS)
    assert step_ms == step_s * 1000
    assert to_ms - step_ms <= NOW_MS < to_ms
    assert to_ms - from_ms == span_s * 1000
    assert (to_ms - from_ms) // step_ms <= charts.POINTS + 5  # a year has 365 days


def test_curves_of_a_city_leave_out_what_cannot_be_used(services: Services, city: City) -> None:
    snapshot = read(services, Snapshot(), frozenset())
    sensors = snapshot.sensors.values()
    before = trends.trends(services.series_store, sensors, NOW_MS)
    assert set(before) == set(snapshot.sensors)
    assert all(len(curve.split()) >= 60 for curve in before.values())
    spike = [Reading("gas-01", "gas_pressure", NOW_MS - 5_000, 9_000.0, Quality.OVER_RANGE)]
    city.write(spike, NOW_MS)
    after = trends.trends(services.series_store, sensors, NOW_MS)
    assert after["gas-01"] == before["gas-01"]
    assert main_measurement(snapshot.sensors["gas-01"]) == "gas_pressure"
