"""A pressure transmitter set up in every way its map allows (domain facts §7, transmitter A)."""

from __future__ import annotations

import pytest

from device_profiles.loader import load_profile
from simulators.settings import set_up

PROFILE = load_profile("gas/pressure-transmitter-a")


def registers(chosen: dict[str, int], pressure_kpa: float) -> list[int]:
    """Return registers 2 to 4: unit, decimals, value."""
    table = set_up(PROFILE, {"gas_pressure": 2.0}, chosen).encode({"gas_pressure": pressure_kpa})
    return [table.image[3][address] for address in (2, 3, 4)]


def test_left_to_itself_it_takes_the_canonical_unit_and_the_decimals_that_fit() -> None:
    assert registers({}, 2.0) == [1, 3, 2000]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({"pressure_unit": 2}, [2, 0, 2000]),  # Pa: 8000 with headroom, so no decimal fits
        ({"pressure_unit": 4, "decimals": 1}, [4, 1, 200]),  # 20.0 mbar
        ({"pressure_unit": 0}, [0, 3, 2]),  # 0.002 MPa
        ({"pressure_unit": 1, "decimals": 0}, [1, 0, 2]),
        ({"pressure_unit": 8, "decimals": 0}, [8, 0, 204]),  # 203.9 mmH2O
    ],
)
def test_settings_a_technician_may_choose(chosen: dict[str, int], words: list[int]) -> None:
    assert registers(chosen, 2.0) == words


def test_below_the_atmosphere() -> None:
    assert registers({"pressure_unit": 1, "decimals": 2}, -2.0) == [1, 2, 0xFF38]


def test_the_value_held_is_what_the_registers_say() -> None:
    device = set_up(PROFILE, {"gas_pressure": 2.0}, {"pressure_unit": 4, "decimals": 1})
    assert device.encode({"gas_pressure": 2.0049}).values == {"gas_pressure": pytest.approx(2.0)}
    assert device.resolution("gas_pressure") == pytest.approx(0.01)


def test_an_unknown_input_is_named() -> None:
    with pytest.raises(ValueError, match="no input 'unit'; it has pressure_unit, decimals"):
        set_up(PROFILE, {}, {"unit": 1})


def test_other_protocols_have_no_registers() -> None:
    with pytest.raises(ValueError, match="is no Modbus profile"):
        set_up(load_profile("manhole/milesight-em310-tilt"), {})
