"""Usual ranges lie inside the physical ones, and every quantity has one."""

from __future__ import annotations

import pytest

from contract.quantities import QUANTITIES, Kind
from contract.units import conversion
from edge.core.usual import OF_KIND, USUAL, around, is_usual, usual_of


def test_every_quantity_has_a_usual_range() -> None:
    assert set(USUAL) == set(QUANTITIES)
    assert set(OF_KIND) == set(Kind)


@pytest.mark.parametrize("name", sorted(USUAL))
def test_usual_is_physical_and_typical_is_usual(name: str) -> None:
    usual, quantity = USUAL[name], QUANTITIES[name]
    assert quantity.low <= usual.low <= usual.typical <= usual.high <= quantity.high
    assert usual.step > 0
    assert not usual.decades or usual.low > 0
    for unit in usual.units:
        conversion(unit, quantity.unit)  # raises if it does not fit


def test_a_channel_is_usual_as_its_quantity() -> None:
    assert usual_of("gas_pressure.inlet") is USUAL["gas_pressure"]
    with pytest.raises(KeyError):
        usual_of("gas_presure")


def test_zero_is_usual_only_where_nothing_is_ordinary() -> None:
    assert is_usual("rainfall", 0.0)
    assert is_usual("gas_lel", 0.0)
    assert is_usual("wind_speed", 0.0)
    assert not is_usual("noise_la", 0.0)
    assert not is_usual("pm10", 0.0)
    assert is_usual("noise_la", 59.9)
    assert not is_usual("noise_la", 599.0)


def test_around_what_another_instrument_shows() -> None:
    usual = around("noise_la", 63.5)
    assert usual.low < 63.5 < usual.high
    assert usual.high - usual.low < 15
    assert around("water_do", 0.0).low < 0.0 < around("water_do", 0.0).high
