"""How a value came about: words → raw number → scaled, in the device's unit → canonical value.

Decoding for people: the same extraction as device_profiles.core.decode, one measurement at a time.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence

import msgspec

from contract.quality import Quality
from contract.quantities import quantity_of
from contract.readings import Reading
from contract.units import convert
from device_profiles.core.registers import Extractor
from device_profiles.core.values import Block
from device_profiles.schema import Input, Modbus, Point, RegisterMeasurement
from edge.core.hexwords import show_address, show_words

OWN_ORDERS = ("ABCD", "AB", "ABCDEFGH")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of one poll or message, on its way.

    place: where it lies. came: as it came: words in hex, JSON, text; empty if nothing did.
    raw: the number in it. scaled: in `sent`, the device's unit. value: in `unit`, the canonical
    one, plausible from `low` to `high`. why: what stands in the way of a value.
    """

    measurement: str
    place: str
    came: str
    raw: float | None
    scaled: float | None
    sent: str
    value: float | None
    unit: str
    quality: Quality
    low: float
    high: float
    why: str = ""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a measurement came from: the first half of a Step."""

    place: str
    came: str = ""
    raw: float | None = None
    sent: str = ""
    why: str = ""


def step_of(reading: Reading, origin: Origin, low: float, high: float) -> Step:
    """Join where a measurement came from with what became of it."""
    unit = quantity_of(reading.measurement).unit
    sent = origin.sent or unit
    return Step(
        measurement=reading.measurement,
        place=origin.place,
        came=origin.came,
        raw=origin.raw,
        scaled=None if reading.value is None else convert(reading.value, unit, sent),
        sent=sent,
        value=reading.value,
        unit=unit,
        quality=reading.quality,
        low=low,
        high=high,
        why=origin.why if reading.value is None else "",
    )


def register_origins(
    modbus: Modbus, blocks: Sequence[Block], answers: Sequence[bytes | None]
) -> dict[str, Origin]:
    """Tell where each measurement of a poll came from, by name.

    Args: blocks, answers: the requests of one poll and what they brought, as for decode.
    """
    raws = {name: raw_of(point, blocks, answers) for name, point in modbus.points().items()}
    return {
        name: Origin(
            place=place_of(part),
            came=show_words(words_of(part, blocks, answers)),
            raw=raws[name],
            sent=unit_sent(part, modbus, raws) or "",
            why=_why(name, part, modbus, raws),
        )
        for name, part in modbus.measurements.items()
    }


def raw_of(point: Point, blocks: Sequence[Block], answers: Sequence[bytes | None]) -> float | None:
    """Return a point's raw number; None if it was not answered, NaN if it is none of its type."""
    for block, answer in zip(blocks, answers, strict=True):
        if _holds(block, point):
            (raw,) = Extractor(block, [point])(answer)
            return raw
    return None


def words_of(
    point: Point, blocks: Sequence[Block], answers: Sequence[bytes | None]
) -> tuple[int, ...]:
    """Return the words that a point takes; none for bits and what was not answered."""
    if point.type == "bit":
        return ()
    for block, answer in zip(blocks, answers, strict=True):
        if _holds(block, point) and answer is not None:
            start = 2 * (point.address - block.address)
            return struct.unpack(f">{point.count}H", answer[start : start + 2 * point.count])
    return ()


def _holds(block: Block, point: Point) -> bool:
    end = point.address + point.count
    return (
        block.function == point.function
        and block.address <= point.address
        and end <= block.address + block.count
    )


def unit_sent(
    part: RegisterMeasurement, modbus: Modbus, raws: Mapping[str, float | None]
) -> str | None:
    """Return the unit that the device sends now; None if its code is unknown."""
    if not part.unit_from:
        return part.unit or None
    code = raws.get(part.unit_from)
    units = modbus.inputs[part.unit_from].units or {}
    return units.get(int(code)) if code is not None and math.isfinite(code) else None


def place_of(point: Point) -> str:
    """Write where a point lies: 0x01FE uint32, with the order where it is not Modbus' own."""
    order = "" if point.order in OWN_ORDERS or point.type == "bit" else f" {point.order}"
    bits = f" bits {point.bits[0]}-{point.bits[1]}" if point.bits else ""
    return f"{show_address(point.address)} {point.type}{order}{bits}"


def _why(
    name: str, part: RegisterMeasurement, modbus: Modbus, raws: Mapping[str, float | None]
) -> str:
    """Say why there is no value, if there is none."""
    raw = raws[name]
    if raw is None:
        return "no answer"
    if not math.isfinite(raw):
        return f"the words are no {part.type}"
    for key, what in ((part.unit_from, "unit"), (part.decimals_from, "decimals")):
        if key and not _known(modbus.inputs[key], raws.get(key), what):
            return f"{key} is {_number(raws.get(key))}, which the profile does not list"
    if part.enum is not None and raw not in part.enum:
        return f"the profile's enum does not list {raw:g}"
    return f"{raw:g} means: no value"


def _known(point: Input, raw: float | None, what: str) -> bool:
    if raw is None:
        return False
    listed = point.units if what == "unit" else point.enum
    return -9 <= raw <= 9 if listed is None else raw in listed


def _number(raw: float | None) -> str:
    return "not answered" if raw is None else f"{raw:g}"
