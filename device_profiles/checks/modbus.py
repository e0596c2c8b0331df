"""Checks of the modbus block, once settled: addresses are those on the wire."""

from __future__ import annotations

from collections.abc import Mapping

from contract.quantities import QUANTITIES, split_measurement
from device_profiles.checks.common import (
    INPUT_NAME,
    NOT_HEX,
    check_measurement,
    check_refers,
    check_unit,
    is_hex,
)
from device_profiles.checks.points import check_overlaps, check_point, in_holes, raw_bounds
from device_profiles.core.following import inputs_of
from device_profiles.reading.report import Report, nearest
from device_profiles.schema import Input, Modbus, Point, RegisterMeasurement, StatusRule, Write

MOST_ADDRESS = 0xFFFF
_WRITES_COILS = (5, 15)


def check_modbus(modbus: Modbus, report: Report) -> None:
    """Check a modbus block."""
    for name, part in modbus.measurements.items():
        path = f"modbus.measurements.{name}"
        check_measurement(path, name, part, report)
        _check_follows(path, name, part, modbus.inputs, report)
        _check_raw_numbers(path, part, report)
    for name, item in modbus.inputs.items():
        _check_input(f"modbus.inputs.{name}", name, item, modbus, report)
    for index, rule in enumerate(modbus.status):
        _check_status(f"modbus.status[{index}]", rule, modbus, report)
    for name, write in modbus.writes.items():
        _check_write(f"modbus.writes.{name}", name, write, report)
    _check_points(modbus, report)
    _check_requests(modbus, report)


def _check_points(modbus: Modbus, report: Report) -> None:
    paths: dict[str, Point] = {
        **{f"modbus.measurements.{name}": item for name, item in modbus.measurements.items()},
        **{f"modbus.inputs.{name}": item for name, item in modbus.inputs.items()},
    }
    requests = modbus.requests
    for path, point in paths.items():
        check_point(path, point, report)
        last = point.address + point.count - 1
        if last > MOST_ADDRESS:
            report.add(f"{path}.address", f"ends at {last:#06x}; the last register is 0xffff")
        cap = requests.max_coils if point.function <= 2 else requests.max_registers
        if point.count > cap:
            report.add(path, f"takes {point.count} registers; requests.max_registers is {cap}")
        if in_holes(point, requests.holes):
            report.add(f"{path}.address", f"{point.address:#06x} lies in requests.holes")
    check_overlaps(paths, report)


def _check_follows(
    path: str,
    name: str,
    part: RegisterMeasurement,
    inputs: Mapping[str, Input],
    report: Report,
) -> None:
    for key, of in (
        ("unit_from", part.unit_from),
        ("scale_from", part.scale_from),
        ("decimals_from", part.decimals_from),
    ):
        if of and of not in inputs and not report.has(f"modbus.inputs.{of}"):
            report.add(f"{path}.{key}", f"no input {of!r}{nearest(of, inputs)}")
    if not part.unit_from:
        return
    if part.unit:
        report.add(f"{path}.unit", "either unit or unit_from, not both")
    quantity = QUANTITIES.get(split_measurement(name)[0])
    teller = inputs.get(part.unit_from)
    if teller is None or quantity is None:
        return
    if not teller.units:
        report.add(f"{path}.unit_from", f"input {part.unit_from} has no units: {{0: MPa, …}}")
    for code, unit in (teller.units or {}).items():
        at = f"modbus.inputs.{part.unit_from}.units.{code}"
        if unit not in quantity.units:
            check_unit(at, unit, quantity, report)


def _check_raw_numbers(path: str, part: RegisterMeasurement, report: Report) -> None:
    bounds = raw_bounds(part)
    for index, sentinel in enumerate(part.sentinels):
        if not bounds[0] <= sentinel.raw <= bounds[1]:
            report.add(
                f"{path}.sentinels[{index}].raw",
                f"{sentinel.raw:g} cannot be in {part.type}; allowed: {bounds[0]:g} to"
                f" {bounds[1]:g}",
            )
    if part.enum is not None:
        _check_enum(f"{path}.enum", part, part.enum, report)


def _check_enum(path: str, point: Point, enum: Mapping[int, object], report: Report) -> None:
    low, high = raw_bounds(point)
    if point.type.startswith(("float", "string")):
        report.add(path, f"a {point.type} has no whole numbers to list")
        return
    for raw in enum:
        if not low <= raw <= high:
            report.add(f"{path}.{raw}", f"cannot be in {point.type}; allowed: {low:g} to {high:g}")


def _check_input(path: str, name: str, item: Input, modbus: Modbus, report: Report) -> None:
    if not INPUT_NAME.fullmatch(name) or split_measurement(name)[0] in QUANTITIES:
        report.add(path, "an input's name is of a-z, 0-9 and _, and no quantity's")
    for key, enum in (("enum", item.enum), ("units", item.units)):
        if enum is not None:
            _check_enum(f"{path}.{key}", item, enum, report)
    used = {of for part in modbus.measurements.values() for of in inputs_of(part)}
    if name not in used | {rule.input for rule in modbus.status}:
        report.add(path, "no measurement and no status follows it; use it, or leave it out")


def _check_status(path: str, rule: StatusRule, modbus: Modbus, report: Report) -> None:
    check_refers(f"{path}.measurements", rule.measurements, modbus.measurements, report)
    if not rule.values and not rule.bits and rule.otherwise == "normal":
        report.add(path, "sets nothing; it needs values, bits or otherwise")
    teller = modbus.inputs.get(rule.input)
    if teller is None:
        if not report.has(f"modbus.inputs.{rule.input}"):
            report.add(
                f"{path}.input", f"no input {rule.input!r}{nearest(rule.input, modbus.inputs)}"
            )
        return
    _check_enum(f"{path}.values", teller, rule.values, report)
    width = 16 * teller.count
    for bit in rule.bits:
        if not 0 <= bit < width:
            report.add(f"{path}.bits.{bit}", f"{teller.type} has bits 0 to {width - 1}")


def _check_write(path: str, name: str, write: Write, report: Report) -> None:
    if not INPUT_NAME.fullmatch(name):
        report.add(path, "a write's name is of a-z, 0-9 and _")
    if write.scale == 0:
        report.add(f"{path}.scale", "must not be 0")
        return
    if (write.type == "bit") != (write.function in _WRITES_COILS):
        report.add(f"{path}.type", f"{write.type} does not go with function {write.function}")
        return
    point = Point(address=write.address, type=write.type, order=write.order, length=0)
    check_point(path, point, report, reads=False)
    if write.type.startswith(("string", "uint8", "int8")):
        report.add(f"{path}.type", f"{write.type} cannot be written; write whole registers")
        return
    if write.function == 6 and point.count != 1:
        report.add(f"{path}.function", "6 writes one register; use 16")
    _check_limits(path, point, write, report)
    for index, vector in enumerate(write.vectors):
        if not is_hex(vector.request):
            report.add(f"{path}.vectors[{index}].request", NOT_HEX)


def _check_limits(path: str, point: Point, write: Write, report: Report) -> None:
    least, most = raw_bounds(point)
    if write.values is not None:
        for word, raw in write.values.items():
            if not least <= raw <= most:
                report.add(f"{path}.values.{word}", f"{raw} cannot be in {write.type}")
        if write.low is not None or write.high is not None:
            report.add(path, "either values, or low and high")
        return
    if write.low is None or write.high is None:
        report.add(path, "needs limits: low and high, or values: {name: raw number}")
        return
    if write.low > write.high:
        report.add(f"{path}.high", f"{write.high:g} is below low")
    for key, limit in (("low", write.low), ("high", write.high)):
        if not least <= round(limit / write.scale, 6) <= most:
            report.add(f"{path}.{key}", f"{limit:g} / {write.scale:g} cannot be in {write.type}")


def _check_requests(modbus: Modbus, report: Report) -> None:
    for index, (first, last) in enumerate(modbus.requests.holes):
        if not 0 <= first <= last <= MOST_ADDRESS:
            report.add(f"modbus.requests.holes[{index}]", "write [first, last] address")
    for index, start in enumerate(modbus.requests.start):
        if (start.function in (5, 6)) and start.value is None:
            report.add(f"modbus.requests.start[{index}]", "functions 5 and 6 need a value")
