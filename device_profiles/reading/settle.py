"""Settle what depends on other keys, so that a loaded profile says everything outright."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from contract.quantities import quantity_of
from contract.units import conversion
from device_profiles.reading.report import Report
from device_profiles.schema import (
    RANGE_OF_THE_QUANTITY,
    Derived,
    FactorMeasurement,
    Input,
    Modbus,
    PayloadMeasurement,
    RegisterMeasurement,
    Start,
    Write,
)

AnyPoint = TypeVar("AnyPoint", Input, RegisterMeasurement)
Addressed = TypeVar("Addressed", Input, RegisterMeasurement, Start, Write)
Ranged = TypeVar("Ranged", RegisterMeasurement, PayloadMeasurement, FactorMeasurement)


def settle_modbus(modbus: Modbus, report: Report) -> Modbus:
    """Count all addresses from zero, and give every point its function and order."""
    base = modbus.registers_count_from

    def point(path: str, item: AnyPoint) -> AnyPoint:
        return replace(
            _counted(path, item, base, report),
            function=item.function if report.has(f"{path}.function") else modbus.function,
            order=item.order if report.has(f"{path}.order") else modbus.order,
        )

    def write(path: str, item: Write) -> Write:
        order = item.order if report.has(f"{path}.order") else modbus.order
        return replace(_counted(path, item, base, report), order=order)

    starts = tuple(
        _counted(f"modbus.requests.start[{index}]", start, base, report)
        for index, start in enumerate(modbus.requests.start)
    )
    holes = tuple((first - base, last - base) for first, last in modbus.requests.holes)
    return replace(
        modbus,
        requests=replace(modbus.requests, start=starts, holes=holes),
        measurements={
            name: point(f"modbus.measurements.{name}", item)
            for name, item in modbus.measurements.items()
        },
        inputs={name: point(f"modbus.inputs.{name}", item) for name, item in modbus.inputs.items()},
        writes={name: write(f"modbus.writes.{name}", item) for name, item in modbus.writes.items()},
    )


def settle_ranges(measurements: Mapping[str, Ranged]) -> dict[str, Ranged]:
    """Give every measurement its range in the canonical unit; only for what has been checked."""
    return {
        name: replace(item, range=canonical_range(name, item))
        for name, item in measurements.items()
    }


def settle_derived(derived: Mapping[str, Derived]) -> dict[str, Derived]:
    """Give every derived measurement its range; only for what has been checked."""
    return {name: replace(item, range=_own_or(item.range, name)) for name, item in derived.items()}


def canonical_range(
    name: str, item: RegisterMeasurement | PayloadMeasurement | FactorMeasurement
) -> tuple[float, float]:
    """Return a measurement's range in the quantity's canonical unit.

    Raises: ValueError if its unit does not fit the quantity.
    """
    canonical = quantity_of(name).unit
    low, high = _own_or(item.range, name)
    if item.range == RANGE_OF_THE_QUANTITY:
        return low, high
    factor, shift = conversion(item.unit or canonical, canonical)
    return float(f"{low * factor + shift:.12g}"), float(f"{high * factor + shift:.12g}")


def _own_or(written: tuple[float, float], name: str) -> tuple[float, float]:
    quantity = quantity_of(name)
    return (quantity.low, quantity.high) if written == RANGE_OF_THE_QUANTITY else written


def _counted(path: str, item: Addressed, base: int, report: Report) -> Addressed:
    address = item.address - base
    if address < 0:
        report.add(f"{path}.address", "0, but registers_count_from is 1: the first register is 1")
        address = 0
    return replace(item, address=address)
