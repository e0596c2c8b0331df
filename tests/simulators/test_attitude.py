"""Tilts and depths the other way round, against geometry done by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.schema import Derived
from simulators.attitude import axes, lean, roll_pitch, shown

AXES = Derived(how="tilt_from_axes", of=("angle_x", "angle_y", "angle_z"))


def test_a_flat_plate_leaning_along_an_axis() -> None:
    told = shown(AXES, 25, {}, heading_deg=0)
    assert told["angle_z"] == pytest.approx(65)
    assert abs(told["angle_x"]) + abs(told["angle_y"]) == pytest.approx(25)


def test_upside_down() -> None:
    assert shown(AXES, 180, {})["angle_z"] == pytest.approx(-90)


@given(st.floats(0, 180), st.floats(0, 360), st.floats(-60, 60), st.floats(-60, 60))
def test_the_angle_between_then_and_now_is_the_tilt(
    tilt: float, heading: float, x: float, y: float
) -> None:
    normal = (
        math.sin(math.radians(x)),
        math.sin(math.radians(y)) * math.cos(math.radians(x)),
        math.cos(math.radians(x)) * math.cos(math.radians(y)),
    )
    now = lean(normal, tilt, heading)
    assert math.hypot(*now) == pytest.approx(1)
    cosine = sum(a * b for a, b in zip(normal, now, strict=True))
    assert math.degrees(math.acos(max(-1, min(1, cosine)))) == pytest.approx(tilt, abs=1e-5)
    assert [math.sin(math.radians(angle)) for angle in axes(now)] == pytest.approx(now, abs=1e-9)


def test_roll_and_pitch_of_simple_positions() -> None:
    half = math.sqrt(0.5)
    assert roll_pitch((0, 0, 1)) == pytest.approx((0, 0))
    assert roll_pitch((0, half, half)) == pytest.approx((45, 0))
    assert roll_pitch((-half, 0, half)) == pytest.approx((0, 45))


def test_depth_and_change() -> None:
    depth = Derived(how="installed_minus_current", of=("water_distance",))
    assert shown(depth, 30, {"water_distance": 250}) == {"water_distance": 220}
    change = Derived(how="change_from_installed", of=("angle_x",), installed={"angle_x": 2})
    assert shown(change, 10, {}) == {"angle_x": 12}
