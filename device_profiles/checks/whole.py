"""Checks of what stands beside the protocol's block: derived measurements and vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from contract.aggregates import LEVEL, OF_LEVELS, is_aggregable
from contract.clock import parse_iso
from contract.quality import from_letters
from contract.quantities import QUANTITIES, split_measurement
from contract.units import UNITS
from device_profiles.checks.common import NOT_HEX, check_range, check_unit, is_hex, quantity_at
from device_profiles.reading.report import Report, nearest
from device_profiles.schema import Derived, Expected, Protocol, Vector

_OPERANDS = {
    "tilt_from_axes": 3,
    "tilt_from_roll_pitch": 2,
    "change_from_installed": 1,
    "installed_minus_current": 1,
}


def check_derived(
    derived: Mapping[str, Derived], measured: Mapping[str, object], report: Report
) -> None:
    """Check derived measurements; measured: those that the device sends."""
    for name, part in derived.items():
        path = f"derived.{name}"
        quantity = quantity_at(path, name, report)
        if name in measured:
            report.add(path, "is measured already")
        if len(part.of) != _OPERANDS[part.how]:
            report.add(f"{path}.of", f"{part.how} takes {_OPERANDS[part.how]} measurements")
        for index, of in enumerate(part.of):
            if of not in measured:
                report.add(f"{path}.of[{index}]", f"no measurement {of!r}{nearest(of, measured)}")
        for of in part.installed:
            if of not in part.of:
                report.add(f"{path}.installed.{of}", f"not in of{nearest(of, part.of)}")
        if quantity is not None:
            check_range(path, name, part, quantity, report)
            _check_dimension(path, name, part, report)


def check_aggregates(
    aggregates: Mapping[str, Sequence[str]], given: Collection[str], report: Report
) -> None:
    """Check what the edge is to compute; given: what the device gives."""
    for name, periods in aggregates.items():
        path = f"aggregates.{name}"
        if name not in given:
            report.add(path, f"no measurement{nearest(name, given)}")
        elif not is_aggregable(name):
            report.add(path, f"no statistics of it are computed; of {LEVEL}, and of what has means")
        of_levels = OF_LEVELS if name == LEVEL else ()
        for own in (each for each in of_levels if each in given):
            report.add(path, f"the device gives {own} itself")
        for index, period in enumerate(periods):
            if period in periods[:index]:
                report.add(f"{path}[{index}]", f"{period} is there already")


def _check_dimension(path: str, name: str, part: Derived, report: Report) -> None:
    result = _dimension(name)
    for index, of in enumerate(part.of):
        if _dimension(of) not in ("", result):
            report.add(f"{path}.of[{index}]", f"{of} is {_dimension(of)}, but {name} is {result}")


def _dimension(name: str) -> str:
    quantity = QUANTITIES.get(split_measurement(name)[0])
    return "" if quantity is None else UNITS[quantity.unit].dimension


def check_vectors(
    vectors: Iterable[Vector],
    protocol: Protocol,
    names: Iterable[str],
    installable: Iterable[str],
    report: Report,
) -> None:
    """Check what can be said of vectors without decoding them; names: all the profile yields."""
    known = dict.fromkeys(names)
    for index, vector in enumerate(vectors):
        path = f"vectors[{index}]"
        _check_frames(path, vector, protocol, report)
        for name, expected in vector.expect.items():
            if name not in known:
                report.add(f"{path}.expect.{name}", f"no such measurement{nearest(name, known)}")
            elif isinstance(expected, Expected):
                _check_expected(f"{path}.expect.{name}", name, expected, report)
        for name, unit in vector.units.items():
            _check_station_unit(f"{path}.units.{name}", name, unit, protocol, report)
        for name in vector.installed:
            if name not in installable:
                report.add(f"{path}.installed.{name}", "no derived measurement needs it")
        if vector.time:
            try:
                parse_iso(vector.time)
            except ValueError as error:
                report.add(f"{path}.time", str(error))


def _check_station_unit(
    path: str, name: str, unit: str, protocol: Protocol, report: Report
) -> None:
    quantity = quantity_at(path, name, report)
    if protocol != "hj212":
        report.add(path, "only HJ 212 stations have units of their own")
    elif quantity is not None and unit not in quantity.units:
        check_unit(path, unit, quantity, report)


def _check_expected(path: str, name: str, expected: Expected, report: Report) -> None:
    quantity = QUANTITIES.get(split_measurement(name)[0])
    if expected.unit and quantity is not None:
        check_unit(path, expected.unit, quantity, report)
    try:
        quality = from_letters(expected.quality)
    except ValueError as error:
        report.add(f"{path}.quality", str(error))
        return
    if expected.value is None and not quality:
        report.add(path, "no value is never normal; write its quality, e.g. D")


def _check_frames(path: str, vector: Vector, protocol: Protocol, report: Report) -> None:
    if protocol != "modbus":
        if vector.request or vector.also:
            report.add(path, "request and also are for Modbus only")
        return
    for key in ("topic", "device", "time"):
        if getattr(vector, key):
            report.add(f"{path}.{key}", "not for Modbus")
    places = [path, *(f"{path}.also[{index}]" for index in range(len(vector.also)))]
    for place, exchange in zip(places, (vector, *vector.also), strict=True):
        if not exchange.request:
            report.add(place, "key request is missing: the bytes that the frame answers, in hex")
        for key, text in (("request", exchange.request), ("frame", exchange.frame)):
            if not is_hex(text):
                report.add(f"{place}.{key}", NOT_HEX)
