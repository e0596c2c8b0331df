"""Checks that all ways of measuring share: names, units, scale, range, sentinels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from contract.codec import CHANNEL
from contract.quantities import QUANTITIES, Quantity, split_measurement
from contract.units import UNITS
from device_profiles.reading.report import Report, nearest
from device_profiles.reading.settle import canonical_range
from device_profiles.schema import RANGE_OF_THE_QUANTITY, Derived, Measurement

INPUT_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
NOT_HEX = "not bytes in hex, two digits each"


def quantity_at(path: str, name: str, report: Report) -> Quantity | None:
    """Return the quantity that a measurement is of; None, and a problem, if it is of none."""
    key, channel = split_measurement(name)
    quantity = QUANTITIES.get(key)
    if quantity is None:
        report.add(path, f"unknown quantity {key!r}{nearest(key, QUANTITIES)}")
    elif name != key and not CHANNEL.fullmatch(channel):
        report.add(path, f"channel {channel!r}; allowed are a-z, 0-9, _ and -, up to 32")
    return quantity


def check_measurement(path: str, name: str, part: Measurement, report: Report) -> None:
    """Check what all ways of measuring share. Follows no other register."""
    quantity = quantity_at(path, name, report)
    if part.scale == 0:
        report.add(f"{path}.scale", "must not be 0")
    for index, sentinel in enumerate(part.sentinels):
        if sentinel.quality == "normal":
            report.add(f"{path}.sentinels[{index}].quality", "no value is never normal")
    follows = getattr(part, "unit_from", "")
    if quantity is None:
        return
    if not follows and not check_unit(path, part.unit, quantity, report):
        return
    check_range(path, name, part, quantity, report)


def check_unit(path: str, unit: str, quantity: Quantity, report: Report) -> bool:
    """Check that a unit is written, known, and fits the quantity."""
    if not unit:
        report.add(path, f"key unit is missing; {quantity.key} is sent in {_units(quantity)}")
    elif unit not in UNITS:
        report.add(f"{path}.unit", f"unknown unit {unit!r}{nearest(unit, quantity.units)}")
    elif unit not in quantity.units:
        report.add(
            f"{path}.unit",
            f"{unit} is {UNITS[unit].dimension}, but {quantity.key} is"
            f" {UNITS[quantity.unit].dimension}; allowed: {_units(quantity)}",
        )
    return unit in quantity.units


def check_range(
    path: str, name: str, part: Measurement | Derived, quantity: Quantity, report: Report
) -> None:
    """Check that a range goes up, and lies in what the quantity can be."""
    if part.range == RANGE_OF_THE_QUANTITY:
        return
    low, high = part.range if isinstance(part, Derived) else canonical_range(name, part)
    if low >= high:
        report.add(f"{path}.range", f"{list(part.range)} does not go up; write [lowest, highest]")
    elif low < quantity.low or high > quantity.high:
        report.add(
            f"{path}.range",
            f"{low:g} to {high:g} {quantity.unit} is more than {quantity.key} can be;"
            f" allowed: {quantity.low:g} to {quantity.high:g} {quantity.unit}",
        )


def check_refers(
    path: str, names: Iterable[str], known: Mapping[str, object], report: Report
) -> None:
    """Check that measurements which a rule speaks of are there."""
    for index, name in enumerate(names):
        if name not in known:
            report.add(f"{path}[{index}]", f"no measurement {name!r}{nearest(name, known)}")


def _units(quantity: Quantity) -> str:
    return ", ".join(quantity.units)


def is_hex(text: str) -> bool:
    """Whether a text is bytes in hex, with blanks between them or not."""
    return re.fullmatch(r"\s*([0-9A-Fa-f]{2}\s*)*", text) is not None
