"""Units and the conversions between those of one dimension: to_base = value * factor + offset."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit: its dimension, and how its values become those of the dimension's base unit."""

    dimension: str
    factor: float = 1.0
    offset: float = 0.0


UNITS: dict[str, Unit] = {
    "1": Unit(dimension="number"),
    "%": Unit(dimension="number", factor=0.01),
    # A fraction of saturation or of a full battery is a number too; humidity and LEL are not.
    "dB(A)": Unit(dimension="sound level"),
    "ug/m3": Unit(dimension="mass concentration", factor=1e-9),
    "ng/m3": Unit(dimension="mass concentration", factor=1e-12),
    "mg/m3": Unit(dimension="mass concentration", factor=1e-6),
    "mg/L": Unit(dimension="mass concentration", factor=1e-3),
    "ug/L": Unit(dimension="mass concentration", factor=1e-6),
    "pH": Unit(dimension="acidity"),
    "NTU": Unit(dimension="turbidity"),
    "FNU": Unit(dimension="turbidity"),
    "S/m": Unit(dimension="conductivity"),
    "mS/cm": Unit(dimension="conductivity", factor=0.1),
    "uS/cm": Unit(dimension="conductivity", factor=1e-4),
    "Pa": Unit(dimension="pressure"),
    "hPa": Unit(dimension="pressure", factor=1e2),
    "kPa": Unit(dimension="pressure", factor=1e3),
    "MPa": Unit(dimension="pressure", factor=1e6),
    "mbar": Unit(dimension="pressure", factor=1e2),
    "bar": Unit(dimension="pressure", factor=1e5),
    "psi": Unit(dimension="pressure", factor=6894.757293168361),
    "kgf/cm2": Unit(dimension="pressure", factor=98066.5),
    "mH2O": Unit(dimension="pressure", factor=9806.65),
    "mmH2O": Unit(dimension="pressure", factor=9.80665),
    "m": Unit(dimension="length"),
    "cm": Unit(dimension="length", factor=1e-2),
    "mm": Unit(dimension="length", factor=1e-3),
    "m/s": Unit(dimension="speed"),
    "km/h": Unit(dimension="speed", factor=1 / 3.6),
    "deg": Unit(dimension="angle"),
    "rad": Unit(dimension="angle", factor=57.29577951308232),
    "Cel": Unit(dimension="temperature"),
    "K": Unit(dimension="temperature", offset=-273.15),
    "degF": Unit(dimension="temperature", factor=5 / 9, offset=-160 / 9),
    "%RH": Unit(dimension="relative humidity"),
    "%LEL": Unit(dimension="explosive limit"),
    "V": Unit(dimension="voltage"),
    "mV": Unit(dimension="voltage", factor=1e-3),
    "lx": Unit(dimension="illuminance"),
    "m3": Unit(dimension="volume"),
    "L": Unit(dimension="volume", factor=1e-3),
    "m3/h": Unit(dimension="flow"),
    "L/s": Unit(dimension="flow", factor=3.6),
    "dBm": Unit(dimension="signal power"),
    "dB": Unit(dimension="ratio"),
}


def convert(value: float, unit: str, to: str) -> float:
    """Convert a value between two units of one dimension.

    Raises: ValueError, naming both units, if either is unknown or their dimensions differ.
    """
    if unit == to:
        return value
    factor, offset = conversion(unit, to)
    return value * factor + offset


def conversion(unit: str, to: str) -> tuple[float, float]:
    """Return (factor, offset) such that value_in_to = value * factor + offset.

    Raises: ValueError, naming both units, if either is unknown or their dimensions differ.
    """
    source, target = UNITS.get(unit), UNITS.get(to)
    if source is None or target is None:
        raise ValueError(f"unknown unit {unit if source is None else to!r}")
    if source.dimension != target.dimension:
        raise ValueError(
            f"{unit!r} ({source.dimension}) does not convert to {to!r} ({target.dimension})"
        )
    factor, offset = source.factor / target.factor, (source.offset - target.offset) / target.factor
    return float(f"{factor:.15g}"), float(f"{offset:.15g}")  # 1e-6 / 1e-9 is 1000, not nearly
