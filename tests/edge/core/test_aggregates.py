"""Periods of the clock, late and invalid samples, and the rate of valid data."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quality import UNUSABLE, Quality
from contract.readings import Reading
from edge.core.aggregates import Aggregates, Wanted

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
HOUR_0_MS = 1_795_320_000_000  # 2026-11-22T04:00:00Z
COMPUTED, INCOMPLETE = Quality.COMPUTED, Quality.INCOMPLETE
SECOND = Wanted(periods=("1min",), every_s=1)


def dust(at_s: float, value: float | None = 60.0, quality: Quality = Quality.NORMAL) -> Reading:
    return Reading("d", "pm10", HOUR_0_MS + round(at_s * 1000), value, quality)


def counted(
    samples: list[Reading], wanted: Wanted = SECOND, *, now_s: float = 0.0, late_s: float = 10.0
) -> Aggregates:
    aggregates = Aggregates(
        {("d", "pm10"): wanted, ("d", "noise_la"): wanted},
        late_ms=round(late_s * 1000),
        least_percent=75,
    )
    aggregates.add(samples, HOUR_0_MS + round(now_s * 1000))
    return aggregates


def figures(aggregates: Aggregates, at_s: float) -> dict[str, tuple[float | None, Quality]]:
    found = aggregates.close(HOUR_0_MS + round(at_s * 1000))
    return {each.measurement: (each.value, each.quality) for each in found}


def test_a_minute_is_told_when_it_is_over_and_has_waited() -> None:
    aggregates = counted([dust(at, 40 + at) for at in range(60)])
    assert aggregates.close(HOUR_0_MS + 69_999) == []
    mean, rate = aggregates.close(HOUR_0_MS + 70_000)
    assert mean == Reading("d", "pm10.1min", HOUR_0_MS, 69.5, COMPUTED)
    assert rate == Reading("d", "valid_rate.pm10_1min", HOUR_0_MS, 100.0, COMPUTED)
    assert aggregates.close(HOUR_0_MS + 10 * HOUR_MS) == []


def test_noise_gives_its_five_figures() -> None:
    samples = [Reading("d", "noise_la", HOUR_0_MS + at * 1000, 100.0 - at) for at in range(60)]
    told = figures(counted(samples), 70)
    assert {name: value for name, (value, _) in told.items()} == {
        "noise_laeq.1min": pytest.approx(89.087, abs=0.001),
        "noise_l10.1min": 95.0,
        "noise_l50.1min": 71.0,
        "noise_l90.1min": 47.0,
        "noise_lmax.1min": 100.0,
        "valid_rate.noise_la_1min": 100.0,
    }


@pytest.mark.parametrize(
    "quality", [Quality.MAINTENANCE, Quality.CALIBRATION, Quality.FAULT, Quality.COMMUNICATION]
)
def test_invalid_samples_count_for_nothing_but_the_rate(quality: Quality) -> None:
    samples = [dust(at, 50.0) for at in range(45)] + [
        dust(at, 900.0, quality) for at in range(45, 60)
    ]
    assert figures(counted(samples), 70) == {
        "pm10.1min": (50.0, COMPUTED),
        "valid_rate.pm10_1min": (75.0, COMPUTED),
    }


def test_too_few_valid_samples_mark_the_figure() -> None:
    assert figures(counted([dust(at) for at in range(44)]), 70) == {
        "pm10.1min": (60.0, COMPUTED | INCOMPLETE),
        "valid_rate.pm10_1min": (73.333, COMPUTED),
    }
    assert INCOMPLETE in UNUSABLE
    assert COMPUTED not in UNUSABLE


def test_no_valid_sample_is_no_value_and_no_sample_is_nothing() -> None:
    silent = [dust(3, None, Quality.COMMUNICATION)]
    assert figures(counted(silent), 70) == {
        "pm10.1min": (None, COMPUTED | INCOMPLETE),
        "valid_rate.pm10_1min": (0.0, COMPUTED),
    }
    assert figures(counted([]), 70) == {}


def test_a_doubtful_clock_makes_a_doubtful_figure() -> None:
    samples = [dust(at) for at in range(59)] + [dust(59, 60.0, Quality.CLOCK_UNSURE)]
    assert figures(counted(samples), 70)["pm10.1min"] == (60.0, COMPUTED | Quality.CLOCK_UNSURE)


def test_a_period_cut_by_a_restart_tells_what_it_rests_on() -> None:
    """The hour's first half was measured by an agent that is no more."""
    half = Wanted(periods=("1h",), every_s=10)
    aggregates = counted([dust(at) for at in range(1_800, 3_600, 10)], half, now_s=1_800)
    assert figures(aggregates, 3_610) == {
        "pm10.1h": (60.0, COMPUTED | INCOMPLETE),
        "valid_rate.pm10_1h": (50.0, COMPUTED),
    }


def test_late_samples_count_until_the_period_is_closed() -> None:
    aggregates = counted([dust(at) for at in range(50)])
    aggregates.add([dust(55)], HOUR_0_MS + 69_999)
    aggregates.add([dust(56)], HOUR_0_MS + 70_000)
    assert aggregates.late == 1
    assert figures(aggregates, 70)["valid_rate.pm10_1min"] == (85.0, COMPUTED)
    aggregates.add([dust(57)], HOUR_0_MS + 71_000)
    assert aggregates.late == 2
    assert figures(aggregates, 200) == {}


def test_a_clock_that_goes_back_tells_no_period_twice() -> None:
    aggregates = counted([dust(at) for at in range(60)])
    assert figures(aggregates, 70)
    aggregates.add([dust(at) for at in range(60)], HOUR_0_MS + 30_000)
    assert figures(aggregates, 70) == {}
    assert figures(aggregates, 90) == {}


def test_more_samples_than_due_are_no_more_than_all() -> None:
    samples = [dust(at / 2) for at in range(120)]
    assert figures(counted(samples), 70)["valid_rate.pm10_1min"] == (100.0, COMPUTED)


def test_what_is_wanted_may_change_while_it_runs() -> None:
    aggregates = counted([dust(at) for at in range(60)])
    aggregates.want({("d", "noise_la"): SECOND})
    assert figures(aggregates, 70) == {}
    aggregates.want({("d", "pm10"): SECOND})
    aggregates.add([dust(61)], HOUR_0_MS + 61_000)
    aggregates.want({("d", "pm10"): SECOND, ("d", "pm25"): SECOND})
    assert "pm10.1min" in figures(aggregates, 130)


SAMPLES = st.lists(
    st.tuples(
        st.integers(0, 3 * HOUR_MS),
        st.one_of(st.none(), st.integers(0, 999).map(float)),
        st.sampled_from([Quality.NORMAL, Quality.FAULT, Quality.STUCK, Quality.OVER_RANGE]),
    ),
    max_size=60,
)


@settings(max_examples=80, deadline=None)
@given(SAMPLES, st.randoms(use_true_random=False))
def test_any_order_gives_what_a_simple_count_gives(
    told: list[tuple[int, float | None, Quality]], dice: object
) -> None:
    """Samples of three hours, all within the patience, in any order, closed bit by bit."""
    samples = [
        Reading("d", "pm10", HOUR_0_MS + at_ms, value, quality or Quality.FAULT)
        if value is None
        else Reading("d", "pm10", HOUR_0_MS + at_ms, value, quality)
        for at_ms, value, quality in told
    ]
    wanted = Wanted(periods=("1min", "20min", "1h"), every_s=600)
    aggregates = counted(samples, wanted, late_s=600)
    found = [r for at in range(0, 16_000, 500) for r in aggregates.close(HOUR_0_MS + at * 1000)]
    assert aggregates.late == 0
    expected = {}
    for period, length_ms in (("1min", MINUTE_MS), ("20min", 20 * MINUTE_MS), ("1h", HOUR_MS)):
        groups = defaultdict(list)
        for sample in samples:
            groups[sample.observed_ms // length_ms * length_ms].append(sample)
        for from_ms, members in groups.items():
            good = [m.value for m in members if m.value is not None and not m.quality & UNUSABLE]
            due = max(1, length_ms // 600_000)
            expected[period, from_ms] = (
                math.fsum(good) / len(good) if good else None,
                100 * min(len(good), due) / due,
            )
    means = {
        (r.measurement.split(".")[1], r.observed_ms): r for r in found if r.measurement[0] == "p"
    }
    rates = {
        (r.measurement.split("_")[-1], r.observed_ms): r for r in found if r.measurement[0] == "v"
    }
    assert means.keys() == rates.keys() == expected.keys()
    for key, (mean, rate) in expected.items():
        assert means[key].value == (None if mean is None else pytest.approx(mean, abs=0.001))
        assert rates[key].value == pytest.approx(rate, abs=0.001)
        assert bool(means[key].quality & INCOMPLETE) == (rate < 75 or mean is None)
