"""Tilt and depth from what is measured and how the device was installed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from device_profiles.core.derive import (
    angle_between,
    change_from_installed,
    derive,
    installed_minus_current,
    tilt_from_axes,
    tilt_from_roll_pitch,
)
from device_profiles.core.values import Value
from device_profiles.schema import Derived

Vector = tuple[float, float, float]

UNIT = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: math.hypot(*v) > 0.1)
ANGLE = st.floats(-180, 180)


def axes_of(v: Vector) -> Vector:
    """Tell a direction as an axis-to-horizontal sensor does."""
    length = math.hypot(*v)
    x, y, z = (math.degrees(math.asin(max(-1.0, min(1.0, part / length)))) for part in v)
    return x, y, z


def by_cosine(a: Vector, b: Vector) -> float:
    """The textbook's angle, poor near 0 and 180."""
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return math.degrees(math.acos(max(-1, min(1, dot / math.hypot(*a) / math.hypot(*b)))))


@given(a=UNIT, b=UNIT)
def test_the_angle_is_the_textbooks(a: Vector, b: Vector) -> None:
    assert angle_between(a, b) == pytest.approx(by_cosine(a, b), abs=1e-5)
    assert angle_between(a, b) == angle_between(b, a)


@given(a=UNIT, factor=st.floats(0.001, 1000))
def test_the_angle_does_not_depend_on_length(a: Vector, factor: float) -> None:
    x, y, z = a
    assert angle_between(a, (x * factor, y * factor, z * factor)) == pytest.approx(0, abs=1e-6)
    assert angle_between(a, (-x, -y, -z)) == pytest.approx(180, abs=1e-6)


def test_small_angles_are_exact() -> None:
    tiny = 1e-9
    assert angle_between((1, 0, 0), (1, tiny, 0)) == pytest.approx(math.degrees(tiny), rel=1e-9)


def test_nothing_has_no_direction() -> None:
    assert angle_between((0, 0, 0), (0, 0, 1)) == 0


@given(a=UNIT, b=UNIT)
def test_axes_tell_the_direction_back(a: Vector, b: Vector) -> None:
    assert tilt_from_axes(axes_of(a), axes_of(b)) == pytest.approx(by_cosine(a, b), abs=1e-5)


@pytest.mark.parametrize(
    ("now", "then", "tilt"),
    [
        ((0, 0, 90), (0, 0, 90), 0),
        ((0, 55, 35), (0, 0, 90), 55),
        ((90, 0, 0), (0, 0, 90), 90),
        ((0, 0, -90), (0, 0, 90), 180),
        ((10, 0, 80), (5, 0, 85), 5),
    ],
)
def test_the_tilt_of_a_cover(now: Vector, then: Vector, tilt: float) -> None:
    assert tilt_from_axes(now, then) == pytest.approx(tilt)


@given(roll=st.floats(-180, 180), then=st.floats(-180, 180))
def test_roll_alone_turns_by_its_difference(roll: float, then: float) -> None:
    turned = abs(roll - then) % 360
    assert tilt_from_roll_pitch((roll, 0), (then, 0)) == pytest.approx(
        min(turned, 360 - turned), abs=1e-6
    )


@given(pitch=st.floats(-90, 90))
def test_pitch_alone_turns_by_itself(pitch: float) -> None:
    assert tilt_from_roll_pitch((0, pitch), (0, 0)) == pytest.approx(abs(pitch), abs=1e-6)


def test_simple_differences() -> None:
    assert change_from_installed([12.0], [15.0]) == 3
    assert installed_minus_current([12.0], [250.0]) == 238


TILT = {
    "tilt": Derived(
        how="tilt_from_axes",
        of=("angle_x", "angle_y", "angle_z"),
        installed={"angle_x": 0, "angle_y": 0, "angle_z": 90},
    )
}
LYING = [Value("angle_x", 0), Value("angle_y", 0), Value("angle_z", 90)]


def test_the_record_of_the_device_wins_over_the_profile() -> None:
    (by_profile,) = derive(TILT, LYING, {})
    (by_record,) = derive(TILT, LYING, {"angle_x": 0, "angle_y": 90, "angle_z": 0})
    assert by_profile == Value("tilt", 0)
    assert by_record.value == pytest.approx(90)


def test_without_one_source_there_is_no_such_measurement() -> None:
    assert derive(TILT, LYING[:2], {}) == []


def test_a_source_without_value_leaves_none_with_its_quality() -> None:
    stopped = Value("angle_z", None, Quality.STOPPED)
    assert derive(TILT, [*LYING[:2], stopped], {}) == [Value("tilt", None, Quality.STOPPED)]


def test_what_was_never_installed_has_no_value() -> None:
    depth = {"water_depth": Derived(how="installed_minus_current", of=("water_distance",))}
    assert derive(depth, [Value("water_distance", 30)], {}) == [
        Value("water_depth", None, Quality.FAULT)
    ]
    assert derive(depth, [Value("water_distance", 30)], {"water_distance": 250}) == [
        Value("water_depth", 220)
    ]
