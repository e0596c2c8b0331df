"""Names of what is computed."""

from __future__ import annotations

import pytest

from contract.aggregates import PERIODS_MS, computed_names, is_aggregable, period_ms_of
from contract.quantities import quantity_of


def test_levels_give_the_figures_of_noise() -> None:
    assert computed_names("noise_la", "20min") == (
        "noise_laeq.20min",
        "noise_l10.20min",
        "noise_l50.20min",
        "noise_l90.20min",
        "noise_lmax.20min",
        "valid_rate.noise_la_20min",
    )


def test_a_channel_goes_before_the_period() -> None:
    assert computed_names("pm10", "1h") == ("pm10.1h", "valid_rate.pm10_1h")
    assert computed_names("pm10.inlet", "1h") == ("pm10.inlet_1h", "valid_rate.pm10_inlet_1h")


@pytest.mark.parametrize("period", PERIODS_MS)
@pytest.mark.parametrize("measurement", ["noise_la", "pm10", "gas_pressure.inlet"])
def test_every_name_is_of_a_quantity(measurement: str, period: str) -> None:
    for name in computed_names(measurement, period):
        quantity_of(name)


def test_only_levels_and_means_are_computed() -> None:
    assert is_aggregable("noise_la")
    assert is_aggregable("pm25")
    for name in ("noise_laeq", "noise_lmax", "rainfall", "wind_direction", "gas_volume", "what"):
        assert not is_aggregable(name)


@pytest.mark.parametrize("period", PERIODS_MS)
@pytest.mark.parametrize("measurement", ["noise_la", "gas_pressure.inlet"])
def test_a_computed_name_tells_its_period_and_no_other_does(measurement: str, period: str) -> None:
    assert period_ms_of(measurement) is None
    for name in computed_names(measurement, period):
        assert period_ms_of(name) == PERIODS_MS[period]
