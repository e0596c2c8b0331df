"""Scaling without the dust of binary fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.quality import Quality
from contract.units import UNITS
from device_profiles.core.scaling import (
    by_number,
    exact_conversion,
    finish,
    finite,
    linear,
    no_value,
    sentinels_of,
)
from device_profiles.core.values import Value
from device_profiles.schema import PayloadMeasurement, Sentinel


@pytest.mark.parametrize("symbol", UNITS)
def test_conversions_between_decimal_units_are_whole(symbol: str) -> None:
    """1e-6 / 1e-9 is 999.9999999999999 in floating point; a milligram is 1000 micrograms."""
    if UNITS[symbol].dimension != "mass concentration":
        return
    factor, shift = exact_conversion(symbol, "ug/m3")
    assert factor in {Fraction(1, 1000), Fraction(1), Fraction(1000), Fraction(10**6)}
    assert shift == 0


def test_units_that_do_not_convert_are_refused() -> None:
    with pytest.raises(ValueError, match="does not convert"):
        linear(1, 0, "kPa", "mg/L")


@given(scale=st.floats(1e-300, 1e300), raw=st.integers(-(2**31), 2**32))
def test_any_scale_comes_close(scale: float, raw: int) -> None:
    assert linear(scale, 0, "kPa", "kPa")(raw) == pytest.approx(raw * scale, rel=1e-12)


def test_the_smallest_scale_there_is_still_scales() -> None:
    assert linear(5e-324, 0, "kPa", "kPa")(0) == 0
    assert math.isfinite(linear(5e-324, 1, "kPa", "kPa")(10))


def test_an_offset_is_in_the_profiles_unit() -> None:
    assert linear(1, -4, "bar", "kPa")(5) == 100
    assert linear(0.1, 0, "degF", "Cel")(320) == pytest.approx(0)


def test_the_last_steps_in_their_order() -> None:
    part = PayloadMeasurement(
        path="x", unit="bar", scale=0.1, sentinels=(Sentinel(raw=99, quality="manual"),)
    )
    last = finish("gas_pressure", part, {7.0: 20.0, 99.0: 1.0})
    assert last(7) == Value("gas_pressure", 200)
    assert last(99) == Value("gas_pressure", None, Quality.MANUAL)
    assert last(8) == Value("gas_pressure", None, Quality.FAULT)
    assert last(None, Quality.STOPPED) == Value("gas_pressure", None, Quality.STOPPED)
    assert last(None) == Value("gas_pressure", None, Quality.FAULT)
    assert last(math.nan, Quality.MANUAL).quality == Quality.MANUAL | Quality.FAULT
    assert sentinels_of(part) == {99: Quality.MANUAL}


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_only_finite_numbers_are_values(number: float) -> None:
    assert finite("battery", number, Quality.NORMAL) == no_value("battery", Quality.FAULT)
    assert finite("battery", 5, Quality.STUCK) == Value("battery", 5, Quality.STUCK)


def test_enums_are_keyed_as_raw_numbers() -> None:
    assert by_number({1: 2.5}) == {1.0: 2.5}
    assert by_number(None) is None
