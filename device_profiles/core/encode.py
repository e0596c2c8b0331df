"""What a person wants written, as the bytes of a Modbus write; and what was read back, as words.

Nothing leaves here that the profile does not allow: not between two steps, not beyond the limits.
"""

from __future__ import annotations

import struct
from fractions import Fraction

from device_profiles.core.registers import FORMATS, Extractor, byte_places
from device_profiles.core.values import Block
from device_profiles.schema import Point, Write

COIL_FUNCTIONS = (5, 15)
COIL_ON, COIL_OFF = b"\xff\x00", b"\x00\x00"


def limits_of(write: Write) -> str:
    """Say what may be written, for people: "5 to 1440 min, in steps of 5", or names."""
    if write.values is not None:
        return ", ".join(write.values)
    unit = f" {write.unit}" if write.unit else ""
    steps = "" if _is_float(write) else f", in steps of {abs(write.scale):g}"
    return f"{write.low:g} to {write.high:g}{unit}{steps}"


def encode_write(write: Write, value: float | str) -> bytes:
    """Return what a write carries: its registers in wire order, or for a coil one byte, 0 or 1.

    Args:    value: a number in write.unit; or a name, where the profile lists names.
    Raises:  ValueError saying what may be written, if this may not.
    """
    raw = _raw_of(write, value)
    if write.function in COIL_FUNCTIONS:
        return bytes([int(raw)])
    number = _packed(write, raw)
    data = bytearray(len(number))
    for place, byte in zip(byte_places(_point(write), write.address), number, strict=True):
        data[place] = byte
    return bytes(data)


def written_pdu(write: Write, data: bytes) -> bytes:
    """Return a write's PDU, from what encode_write returns.

    Source: MODBUS Application Protocol v1.1b3 §6.5, §6.6, §6.11, §6.12.
    """
    head = struct.pack(">BH", write.function, write.address)
    match write.function:
        case 5:
            return head + (COIL_ON if data[0] else COIL_OFF)
        case 6:
            return head + data
        case _:
            return head + struct.pack(">HB", _point(write).count, len(data)) + data


def back_block(write: Write) -> Block:
    """Return the request that reads back what was written."""
    point = _point(write)
    return Block(point.function, point.address, point.count)


def decode_back(write: Write, data: bytes) -> float | str | None:
    """Return what a device holds: a number in write.unit, or the name of it if it has one.

    Args:    data: of the answer to back_block.
    Returns: None if it is no number of its type.
    """
    (raw,) = Extractor(back_block(write), (_point(write),))(data)
    if raw is None or raw - raw != 0.0:
        return None
    for name, listed in (write.values or {}).items():
        if listed == raw:
            return name
    return float(Fraction(raw) * Fraction(repr(write.scale)))


def _raw_of(write: Write, value: float | str) -> float:
    if write.values is not None:
        if not isinstance(value, str) or value not in write.values:
            raise ValueError(f"{value!r} may not be written; allowed: {limits_of(write)}")
        return write.values[value]
    if isinstance(value, str | bool) or value - value != 0.0:
        raise ValueError(f"{value!r} is no number; allowed: {limits_of(write)}")
    if write.low is None or write.high is None or not write.low <= value <= write.high:
        raise ValueError(f"{value:g} may not be written; allowed: {limits_of(write)}")
    exact = Fraction(repr(value)) / Fraction(repr(write.scale))
    if _is_float(write):
        return float(exact)
    if exact.denominator != 1:
        raise ValueError(f"{value:g} is between two steps; allowed: {limits_of(write)}")
    return int(exact)


def _packed(write: Write, raw: float) -> bytes:
    """Return a raw number, most significant byte first."""
    if write.type.startswith("bcd"):
        return bytes.fromhex(f"{int(raw):0{4 * _point(write).count}d}")
    return struct.pack(f">{FORMATS[write.type]}", raw)


def _point(write: Write) -> Point:
    coil = write.function in COIL_FUNCTIONS
    return Point(
        address=write.address, type=write.type, order=write.order, function=1 if coil else 3
    )


def _is_float(write: Write) -> bool:
    return write.type.startswith("float")
