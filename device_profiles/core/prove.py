"""Run a profile's vectors through the decoders that the edge uses."""

from __future__ import annotations

import math
from collections.abc import Iterable

from contract.clock import iso_utc, parse_iso
from contract.errors import DecodeError
from contract.quality import Quality, from_letters, to_letters
from contract.quantities import quantity_of
from contract.units import convert
from device_profiles.core.decode import compile_decoder
from device_profiles.core.encode import encode_write, written_pdu
from device_profiles.core.frames import exchange_of, unwrap
from device_profiles.core.hj212 import compile_factor_decoder, parse_frame
from device_profiles.core.payload import compile_payload_decoder
from device_profiles.core.values import Message, Value
from device_profiles.schema import Expected, Profile, Vector, Write, WriteVector

# A float32 keeps seven digits; a source that rounds more says `within`.
RELATIVE, ABSOLUTE = 2e-7, 1e-9


def prove(profile: Profile, vector: Vector) -> list[str]:
    """Decode a vector's frame, and say what differs from what it expects; nothing if all is right.

    Everything that the frame yields must be expected, so that nothing goes unproven.
    """
    try:
        message = decode_vector(profile, vector)
    except (DecodeError, ValueError) as error:
        return [f"does not decode: {error}"]
    return [*_compare_values(vector, message.values), *_compare_rest(vector, message)]


def prove_write(write: Write, vector: WriteVector) -> list[str]:
    """Encode a write's value, and say how it differs from the bytes that somebody published."""
    try:
        _, published = unwrap(bytes.fromhex(vector.request), vector.framing)
        written = written_pdu(write, encode_write(write, vector.value))
    except (DecodeError, ValueError) as error:
        return [f"{vector.value!r}: {error}"]
    if written == published:
        return []
    told = f"{vector.value!r} is written as {written.hex(' ').upper()}"
    return [f"{told}; expected {published.hex(' ').upper()}"]


def decode_vector(profile: Profile, vector: Vector) -> Message:
    """Decode a vector's frame, of whatever protocol.

    Raises: DecodeError if the frame is none of its protocol, or fits no envelope.
    """
    if profile.protocol == "modbus":
        exchanges = [exchange_of(part, vector.framing) for part in (vector, *vector.also)]
        decoder = compile_decoder(profile, [block for block, _ in exchanges], vector.installed)
        return Message("", None, tuple(decoder.decode([data for _, data in exchanges])))
    if profile.protocol == "hj212":
        frame = parse_frame(vector.frame.strip().encode())
        return compile_factor_decoder(profile, vector.units).decode(frame, vector.installed)
    installed = {vector.device.lower(): vector.installed}
    payload = compile_payload_decoder(profile)
    message = payload.decode(vector.frame.encode(), vector.topic, installed)
    if message is None:
        raise DecodeError("the message fits no envelope of the profile: no device id found")
    return message


def _compare_values(vector: Vector, values: Iterable[Value]) -> list[str]:
    found = {value.measurement: value for value in values}
    wrong = [f"{name}: expected, but not decoded" for name in vector.expect if name not in found]
    wrong += [
        f"{name}: decoded {shown(value)}, but not expected"
        for name, value in found.items()
        if name not in vector.expect
    ]
    return wrong + [
        f"{name}: decoded {shown(found[name])}, expected {shown_expected(expected)}"
        for name, expected in vector.expect.items()
        if name in found and not agrees(found[name], expected)
    ]


def _compare_rest(vector: Vector, message: Message) -> list[str]:
    wrong: list[str] = []
    if vector.device and vector.device.lower() != message.device_address:
        wrong.append(f"device: found {message.device_address}, expected {vector.device.lower()}")
    if vector.time and parse_iso(vector.time) != message.observed_ms:
        found = "none" if message.observed_ms is None else iso_utc(message.observed_ms)
        wrong.append(f"time: found {found}, expected {vector.time}")
    return wrong


def agrees(value: Value, expected: float | Expected) -> bool:
    """Whether a decoded value is what a vector expects."""
    if not isinstance(expected, Expected):
        expected = Expected(value=expected)
    if value.quality != from_letters(expected.quality):
        return False
    if value.value is None or expected.value is None:
        return value.value is expected.value
    canonical = quantity_of(value.measurement).unit
    want = convert(expected.value, expected.unit or canonical, canonical)
    if expected.within is None:
        return math.isclose(value.value, want, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    span = convert(expected.value + expected.within, expected.unit or canonical, canonical) - want
    return abs(value.value - want) <= abs(span) + ABSOLUTE


def shown(value: Value) -> str:
    """Write a decoded value for people: 8.24 mg/L (D)."""
    number = "none" if value.value is None else f"{value.value:.9g}"
    mark = f" ({to_letters(value.quality)})" if value.quality != Quality.NORMAL else ""
    return f"{number} {quantity_of(value.measurement).unit}{mark}"


def shown_expected(expected: float | Expected) -> str:
    """Write what a vector expects for people."""
    if not isinstance(expected, Expected):
        return f"{expected:.9g}"
    number = "none" if expected.value is None else f"{expected.value:.9g}"
    mark = f" ({expected.quality})" if expected.quality else ""
    return f"{number} {expected.unit}{mark}".replace("  ", " ")
