"""What a platform is told, word by word."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.quality import Quality
from edge.core.hj212_report import Factor, Sample, flag_of, parts, period, real_time

PM10 = Factor(code="a34002", device="d", measurement="pm10", every_s=10)
LA = Factor(code="LA", device="n", measurement="noise_la", every_s=1, levels=True)


def samples(*values: float | None, quality: Quality = Quality.NORMAL) -> list[Sample]:
    return [Sample(at, value, quality) for at, value in enumerate(values)]


def test_real_time_data_have_value_and_flag() -> None:
    told = {"a34002": Sample(0, 72.0, Quality.NORMAL), "LA": Sample(0, 50.1, Quality.FAULT)}
    assert real_time(told) == ["a34002-Rtd=72,a34002-Flag=N", "LA-Rtd=50.1,LA-Flag=D"]
    assert real_time({"LA": Sample(0, None, Quality.COMMUNICATION)}) == ["LA-Flag=B"]


def test_period_data_have_least_mean_and_greatest() -> None:
    told = period([PM10], {"a34002": samples(60.0, 72.0, 90.0)}, 30)
    assert told == ["a34002-Min=60,a34002-Avg=74,a34002-Max=90,a34002-Flag=N"]


def test_levels_give_what_noise_stations_give() -> None:
    told = period([LA], {"LA": samples(*[float(100 - at) for at in range(60)])}, 60)
    assert told == [
        "Leq-Data=89.087,Leq-Flag=N",
        "LMx-Data=100,LMx-Flag=N",
        "LMn-Data=41,LMn-Flag=N",
        "L10-Data=95,L10-Flag=N",
        "L50-Data=71,L50-Flag=N",
        "L90-Data=47,L90-Flag=N",
    ]


def test_figures_of_a_device_that_gives_them_itself_are_averaged_their_way() -> None:
    leq = Factor(code="Leq", device="n", measurement="noise_laeq", every_s=60)
    (told,) = period([leq], {"Leq": samples(60.0, 70.0)}, 60)
    assert told == "Leq-Data=67.404,Leq-Flag=N"


@pytest.mark.parametrize(
    ("invalid", "flag"),
    [(Quality.CALIBRATION, "C"), (Quality.MAINTENANCE, "M"), (Quality.STALE, "D")],
)
def test_too_few_valid_samples_are_told_by_the_others_flag(invalid: Quality, flag: str) -> None:
    mixed = [*samples(60.0), *samples(1.0, 2.0, quality=invalid)]
    assert period([PM10], {"a34002": mixed}, 30) == [
        f"a34002-Min=60,a34002-Avg=60,a34002-Max=60,a34002-Flag={flag}"
    ]
    assert period([PM10], {"a34002": samples(5.0, quality=invalid)}, 30) == [f"a34002-Flag={flag}"]


def test_samples_that_did_not_come_are_a_communication_fault() -> None:
    assert period([PM10], {"a34002": samples(60.0)}, 600)[0].endswith("a34002-Flag=B")
    assert period([PM10], {}, 600) == []


def test_flags_that_are_ours_stay_ours() -> None:
    assert flag_of(Quality.CLOCK_UNSURE | Quality.COMPUTED | Quality.STUCK) == "N"
    assert flag_of(Quality.OVER_RANGE | Quality.CLOCK_UNSURE) == "T"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 60), max_size=30), st.integers(100, 900))
def test_parts_hold_every_group_once_and_none_is_too_long(sizes: list[int], most: int) -> None:
    groups = [f"{number:02d}" + "x" * size for number, size in enumerate(sizes)]
    told = parts("20261122120000", groups, most)
    assert all(each.startswith("DataTime=20261122120000") and len(each) <= most for each in told)
    assert [group for each in told for group in each.split(";")[1:]] == groups
