"""Which measurements stand for a device where there is room for a few."""

from __future__ import annotations

from cloud.web.queries.devices import Sensor
from contract.quantities import QUANTITIES, Kind, split_measurement

# By kind of device, the most telling first. Whatever else it measures comes after.
FIRST: dict[str, tuple[str, ...]] = {
    Kind.NOISE: ("noise_laeq", "noise_la", "noise_lmax"),
    Kind.DUST: ("tsp", "pm10", "pm25"),
    Kind.WATER: ("water_ph", "water_do", "water_nh3n", "water_turbidity"),
    Kind.GAS: ("gas_pressure", "gas_lel", "gas_temperature"),
    Kind.MANHOLE: ("tilt", "cover_open", "water_depth", "battery"),
}


def place(measurement: str, kind: str) -> tuple[int, int]:
    """Return what to sort a device's measurements by."""
    key = split_measurement(measurement)[0]
    first, known = FIRST.get(kind, ()), list(QUANTITIES)
    return (
        first.index(key) if key in first else len(first),
        known.index(key) if key in QUANTITIES else len(known),
    )


def main_measurement(sensor: Sensor) -> str:
    """Return the most telling of a device's measurements; "" if it has none yet."""
    return min(sensor.series, key=lambda name: place(name, sensor.kind), default="")
