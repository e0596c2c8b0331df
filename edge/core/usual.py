"""What values on a street usually are: for telling a right guess from a wrong one, never for rules.

Narrower than contract.quantities' physical ranges: 140 dB(A) can be, but not beside a shop. Our own
judgement, from the limits and ranges of the standards that the rules cite and from makers' figures.
"""

from __future__ import annotations

from dataclasses import dataclass

from contract.quantities import QUANTITIES, Kind, quantity_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How a quantity behaves, in its canonical unit.

    low, high: hardly ever outside. typical: on an ordinary day. step: how much it moves between
    two reads a second apart; of what spans decades, the share of the value. decades: whether it
    spans decades. zero: whether nothing at all is ordinary: no rain, no gas, no water.
    units: those that devices send, the commonest first; empty: the canonical one.
    """

    low: float
    high: float
    typical: float
    step: float
    decades: bool = False
    zero: bool = False
    units: tuple[str, ...] = ()


def _even(low: float, high: float, typical: float, step: float, *units: str) -> Usual:
    return Usual(low=low, high=high, typical=typical, step=step, zero=low <= 0 <= high, units=units)


def _decades(
    low: float, high: float, typical: float, step: float, *units: str, zero: bool = False
) -> Usual:
    return Usual(
        low=low, high=high, typical=typical, step=step, decades=True, zero=zero, units=units
    )


_LEVEL = _even(30, 110, 58, 3.0)
_ANGLE = _even(-90, 90, 0, 0.5)
_DUST = ("ug/m3", "mg/m3")
_PRESSURE = ("kPa", "MPa", "Pa", "bar", "mbar")
_LENGTH = ("cm", "mm", "m")

USUAL: dict[str, Usual] = {
    **{key: _LEVEL for key in QUANTITIES if key.startswith("noise_")},
    "tsp": _decades(5, 1_500, 110, 0.1, *_DUST),
    "pm10": _decades(3, 800, 60, 0.1, *_DUST),
    "pm25": _decades(2, 500, 35, 0.1, *_DUST),
    "pm1": _decades(1, 300, 20, 0.1, *_DUST),
    "air_temperature": _even(-20, 45, 18, 0.2),
    "air_humidity": _even(10, 100, 65, 1.0),
    "air_pressure": _even(60, 105, 98, 0.05, "kPa", "hPa"),
    "wind_speed": _even(0, 20, 2, 1.0),
    "wind_direction": _even(0, 360, 180, 40),
    "wind_force": _even(0, 9, 2, 1.0),
    "rainfall": _decades(0.1, 200, 3, 0.1, zero=True),
    "illuminance": _decades(1, 130_000, 5_000, 0.1, zero=True),
    "water_ph": _even(5, 10, 7.4, 0.05),
    "water_do": _even(0.1, 16, 7, 0.1),
    "water_do_saturation": _even(1, 160, 80, 1.0, "%", "1"),
    "water_temperature": _even(0, 38, 17, 0.1),
    "water_conductivity": _decades(50, 5_000, 480, 0.02, "uS/cm", "mS/cm"),
    "water_turbidity": _decades(0.1, 1_000, 15, 0.1),
    "water_orp": _even(-400, 600, 200, 5),
    "water_transparency": _decades(2, 300, 50, 0.05),
    "water_cod": _decades(1, 300, 15, 0.05),
    "water_codmn": _decades(0.5, 60, 4, 0.05),
    "water_nh3n": _decades(0.02, 50, 0.6, 0.05),
    "water_tp": _decades(0.01, 10, 0.1, 0.05),
    "water_tn": _decades(0.1, 60, 1.5, 0.05),
    "water_chlorine": _decades(0.02, 5, 0.5, 0.05),
    "water_pressure": _decades(50, 1_600, 300, 0.02, *_PRESSURE),
    "water_flow": _decades(0.1, 5_000, 100, 0.05, zero=True),
    "water_depth": _decades(0.5, 600, 30, 0.05, *_LENGTH, zero=True),
    "water_distance": _decades(5, 1_500, 180, 0.02, *_LENGTH),
    # Low pressure at the tap (2 kPa) to medium pressure in the street (0.4 MPa).
    "gas_pressure": _decades(0.5, 400, 2.5, 0.05, *_PRESSURE),
    "gas_lel": _decades(0.1, 60, 1, 0.2, zero=True),
    "gas_temperature": _even(-20, 60, 16, 0.2),
    "gas_flow": _decades(0.1, 5_000, 40, 0.1, zero=True),
    "gas_volume": _decades(1, 1e8, 1e5, 0.001),
    "tilt": _even(0, 90, 1, 0.5),
    "angle_x": _ANGLE,
    "angle_y": _ANGLE,
    "angle_z": _ANGLE,
    "cover_open": _even(0, 1, 0, 0.01),
    "device_temperature": _even(-20, 75, 25, 0.2),
    "valid_rate": _even(0, 100, 100, 0.1),
    "battery": _even(10, 100, 90, 0.1),
    "battery_voltage": _even(2.5, 30, 3.7, 0.02, "V", "mV"),
    "signal_rssi": _even(-125, -40, -90, 4),
    "signal_snr": _even(-20, 15, 7, 3),
}

# What a device of a kind may have in its registers, the commonest first.
OF_KIND: dict[Kind, tuple[str, ...]] = {
    Kind.NOISE: ("noise_la", "noise_laeq"),
    Kind.DUST: (
        "pm25",
        "pm10",
        "tsp",
        "pm1",
        "air_temperature",
        "air_humidity",
        "air_pressure",
        "wind_speed",
        "wind_direction",
        "noise_la",
    ),
    Kind.WATER: (
        "water_temperature",
        "water_ph",
        "water_do",
        "water_turbidity",
        "water_conductivity",
        "water_do_saturation",
        "water_orp",
        "water_nh3n",
        "water_cod",
        "water_pressure",
        "water_depth",
        "water_distance",
    ),
    Kind.GAS: ("gas_pressure", "gas_lel", "gas_temperature", "gas_flow", "gas_volume"),
    Kind.MANHOLE: ("angle_x", "angle_z", "tilt", "water_distance", "device_temperature"),
}


def usual_of(measurement: str) -> Usual:
    """Return what is usual for a measurement: "gas_pressure.inlet" is a gas_pressure.

    Raises: KeyError if the name's first part is no quantity's key.
    """
    return USUAL[quantity_of(measurement).key]


def around(measurement: str, shown: float) -> Usual:
    """Return what is usual where somebody reads the right value, roughly, off another instrument.

    Args: shown: in the canonical unit.
    """
    usual = usual_of(measurement)
    off = max(0.05 * abs(shown), 2 * usual.step * (abs(shown) if usual.decades else 1.0), 1e-6)
    return Usual(
        low=shown - off,
        high=shown + off,
        typical=shown,
        step=min(usual.step, off),
        units=usual.units,
    )


def is_usual(measurement: str, value: float) -> bool:
    """Whether a canonical value is one that surprises nobody."""
    usual = usual_of(measurement)
    return usual.low <= value <= usual.high or (value == 0.0 and usual.zero)
