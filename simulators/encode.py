"""A profile and values in canonical units into a device's registers. Pure.

The inverse of what the edge decodes, written apart from it: canonical value -> the device's unit ->
offset and scale off -> a raw number that the type can carry -> words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contract.quantities import quantity_of
from contract.units import convert
from device_profiles.schema import Input, Modbus, Point, RegisterMeasurement
from simulators.modbus_frames import Image
from simulators.words import fitted, limits, pack, pack_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Where one point lies: function code and addresses, zero-based."""

    function: int
    addresses: range


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A device's registers at one moment.

    values: measurement -> the canonical value that the registers really say, at their resolution.
    """

    image: Image
    values: Mapping[str, float]


class RegisterMap:
    """How one device is set up: its profile's modbus block, and what its inputs hold.

    settings: input -> raw number: units, decimals, scales and statuses as set on this device.
    """

    def __init__(self, *, name: str, modbus: Modbus, settings: Mapping[str, int]) -> None:
        self.name = name
        self.modbus = modbus
        self.settings = dict(settings)
        self.spans = spans(modbus)
        self._unmeasured = blank(modbus)
        for key, point in modbus.inputs.items():
            _write(self._unmeasured, point, self._input_words(key, point))

    def encode(self, values: Mapping[str, float]) -> Encoded:
        """Return the registers that hold `values` (measurement -> canonical unit).

        A measurement without a value reads as zero, like the holes in between.
        """
        cells = {function: dict(table) for function, table in self._unmeasured.items()}
        held = {}
        for name, value in values.items():
            point = self.modbus.measurements[name]
            raw = self.raw(name, value)
            held[name] = self.value(name, raw)
            _write(cells, point, _words(point, raw))
        return Encoded(image=cells, values=held)

    def raw(self, name: str, value: float) -> float:
        """Return the raw number that comes nearest to a canonical value."""
        measurement = self.modbus.measurements[name]
        scaled = convert(value, quantity_of(name).unit, self._unit(measurement))
        number = (scaled - measurement.offset) / self._scale(measurement)
        if measurement.enum is not None:
            return nearest(measurement.enum, number)
        if measurement.type.startswith("string"):
            return float(_text(measurement, number))
        raw = fitted(measurement.type, number, measurement.bits)
        taken = {sentinel.raw for sentinel in measurement.sentinels}
        lowest, _ = limits(measurement.type, measurement.bits)
        step = 1 if raw == lowest else -1
        while raw in taken:
            raw += step
        return raw

    def value(self, name: str, raw: float) -> float:
        """Return the canonical value that a raw number stands for."""
        measurement = self.modbus.measurements[name]
        number = raw if measurement.enum is None else measurement.enum[int(raw)]
        scaled = number * self._scale(measurement) + measurement.offset
        value = convert(scaled, self._unit(measurement), quantity_of(name).unit)
        return float(f"{value:.12g}")  # 43.3, not 43.300000000000004

    def resolution(self, name: str) -> float:
        """Return the canonical step between two raw numbers (0 for floats)."""
        measurement = self.modbus.measurements[name]
        if measurement.type.startswith(("float", "string")):
            return 0.0
        return abs(self.value(name, 1) - self.value(name, 0)) if measurement.enum is None else 0.0

    def _unit(self, measurement: RegisterMeasurement) -> str:
        if not measurement.unit_from:
            return measurement.unit
        units = self.modbus.inputs[measurement.unit_from].units or {}
        return units[self.settings[measurement.unit_from]]

    def _scale(self, measurement: RegisterMeasurement) -> float:
        scale = measurement.scale
        if measurement.scale_from:
            scale *= self._number(measurement.scale_from)
        if measurement.decimals_from:
            scale /= 10.0 ** self._number(measurement.decimals_from)
        return scale

    def _number(self, name: str) -> float:
        raw = self.settings[name]
        enum = self.modbus.inputs[name].enum
        return raw if enum is None else enum[raw]

    def _input_words(self, name: str, point: Input) -> list[int]:
        if point.type.startswith("string"):
            return pack_text(self.name, point.type, point.length, point.order)
        return pack(point.type, self.settings[name], point.order, point.bits)


def nearest(enum: Mapping[int, float], number: float) -> int:
    """Return the raw number that stands for the number nearest to `number`."""
    return min(enum, key=lambda raw: abs(enum[raw] - number))


def blank(modbus: Modbus) -> dict[int, dict[int, int]]:
    """Return the registers with nothing in them.

    Addresses between the first and the last point read as zero where the profile allows holes in a
    request; elsewhere they do not exist, nor do the ones it forbids.
    """
    forbidden = {at for first, last in modbus.requests.holes for at in range(first, last + 1)}
    cells: dict[int, dict[int, int]] = {}
    for function in sorted({span.function for span in spans(modbus).values()}):
        used = [at for s in spans(modbus).values() if s.function == function for at in s.addresses]
        everything = range(min(used), max(used) + 1) if modbus.requests.max_hole else used
        cells[function] = {at: 0 for at in everything if at not in forbidden}
    for start in modbus.requests.start:
        if start.function <= 4:
            cells.setdefault(start.function, {}).update(
                dict.fromkeys(range(start.address, start.address + start.count), 0)
            )
    return cells


def spans(modbus: Modbus) -> dict[str, Span]:
    """Return where every point lies, by name."""
    return {
        name: Span(
            function=point.function, addresses=range(point.address, point.address + point.count)
        )
        for name, point in modbus.points().items()
    }


def _words(point: Point, raw: float) -> list[int]:
    if point.type.startswith("string"):
        return pack_text(_text(point, raw), point.type, point.length, point.order)
    return pack(point.type, raw, point.order, point.bits)


def _text(point: Point, number: float) -> str:
    """Return a number as the text that fits a string: with two decimals, or as many as fit."""
    characters = point.length * (2 if point.type == "string" else 1)
    texts = (f"{number:.{decimals}f}" for decimals in (2, 1, 0))
    return next((text for text in texts if len(text) <= characters), "9" * characters)


def _write(cells: dict[int, dict[int, int]], point: Point, words: Iterable[int]) -> None:
    """Put words where the point lies; halves and bit fields share theirs with others."""
    table = cells[point.function]
    for address, word in enumerate(words, start=point.address):
        table[address] |= word
