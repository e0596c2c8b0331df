"""Measurements that follow other registers."""

from __future__ import annotations

import pytest

from contract.quality import Quality
from device_profiles.core.following import MOST_DECIMALS, follower, inputs_of
from device_profiles.core.values import Value
from device_profiles.schema import Input, RegisterMeasurement


def test_inputs_are_those_that_are_named() -> None:
    part = RegisterMeasurement(address=0, unit_from="u", decimals_from="d")
    assert inputs_of(part) == ("u", "d")
    assert inputs_of(RegisterMeasurement(address=0, unit="kPa")) == ()


@pytest.mark.parametrize("decimals", range(-MOST_DECIMALS, MOST_DECIMALS + 1))
def test_decimals_may_go_either_way_and_leave_no_dust(decimals: int) -> None:
    part = RegisterMeasurement(address=0, unit="kPa", decimals_from="d")
    follow = follower(
        "gas_pressure", part, {"d": Input(address=1)}, {"gas_pressure": 0, "d": 1}, {}
    )
    assert follow([123, decimals]) == Value("gas_pressure", float(f"123e{-decimals}"))


@pytest.mark.parametrize("decimals", [0.5, 10, -10, float("nan")])
def test_other_numbers_of_decimals_are_no_value(decimals: float) -> None:
    part = RegisterMeasurement(address=0, unit="kPa", decimals_from="d")
    follow = follower(
        "gas_pressure", part, {"d": Input(address=1)}, {"gas_pressure": 0, "d": 1}, {}
    )
    assert follow([123, decimals]) == Value("gas_pressure", None, Quality.FAULT)
