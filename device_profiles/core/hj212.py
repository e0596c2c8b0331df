"""HJ 212 data segments into values, and the frame around them (HJ 212-2017 §6, annex A).

frame = parse_frame(bytes)                                # raises DecodeError, never guesses
message = compile_factor_decoder(profile, units).decode(frame)
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import msgspec

from contract.errors import DecodeError
from contract.quality import Quality
from device_profiles.core.derive import derive
from device_profiles.core.scaling import Finish, finish
from device_profiles.core.times import china_ms
from device_profiles.core.values import Message
from device_profiles.schema import FactorMeasurement, Profile

MAX_SEGMENT = 1024
_MN = re.compile(r"[0-9A-Za-z]{1,24}")
_FLAGS = {
    "N": Quality.NORMAL,
    "F": Quality.STOPPED,
    "M": Quality.MAINTENANCE,
    "S": Quality.MANUAL,
    "D": Quality.FAULT,
    "C": Quality.CALIBRATION,
    "T": Quality.OVER_RANGE,
    "B": Quality.COMMUNICATION,
}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One HJ 212 frame, taken apart. cp: the items between && and &&, e.g. "LA-Rtd" -> "50.1"."""

    header: dict[str, str]
    cp: dict[str, str]

    @property
    def command(self) -> str:
        """CN, e.g. 2011."""
        return self.header.get("CN", "")

    @property
    def station(self) -> str:
        """MN, in small letters as all addresses."""
        return self.header.get("MN", "").lower()


def crc(segment: bytes) -> int:
    """Return the check of a data segment.

    Not Modbus' CRC: the high byte is shifted away before the byte is added.
    Source: HJ 212-2017 annex A.
    """
    register = 0xFFFF
    for byte in segment:
        register = _CRC_TABLE[(register >> 8) ^ byte]
    return register


def _crc_entry(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register


# Eight bits of state are left after each byte: the standard's inner loop has 256 outcomes.
_CRC_TABLE = tuple(_crc_entry(register) for register in range(256))


def parse_frame(data: bytes) -> Frame:
    """Take one whole frame apart, from ## to the check, with or without CR LF.

    Raises: DecodeError if head, length, check, or the syntax of a field is wrong.
    """
    body = data.removesuffix(b"\r\n")
    if not body.startswith(b"##") or not body[2:6].isdigit():
        raise DecodeError(f"{body[:6]!r} is no head; expected ## and four digits")
    length, segment, check = int(body[2:6]), body[6:-4], body[-4:]
    if length > MAX_SEGMENT or length != len(segment):
        raise DecodeError(f"{len(segment)} bytes of data; the head says {length}")
    if not re.fullmatch(rb"[0-9A-Fa-f]{4}", check) or int(check, 16) != crc(segment):
        raise DecodeError(f"check is {check!r}; computed {crc(segment):04X}")
    return parse_segment(segment)


def parse_segment(segment: bytes) -> Frame:
    """Take a data segment apart, CP=&&…&& last.

    Raises: DecodeError naming the item that is wrong or told twice.
    """
    try:
        text = segment.decode("ascii")
    except UnicodeDecodeError as error:
        raise DecodeError("the data segment is not ASCII") from error
    head, opened, rest = text.partition("CP=&&")
    if not opened or not rest.endswith("&&") or "&&" in rest[:-2]:
        raise DecodeError("no CP=&&…&& at the end of the data segment")
    header = _items(head.removesuffix(";").split(";"))
    if not _MN.fullmatch(header.get("MN", "")):
        raise DecodeError(f"MN is {header.get('MN')!r}; expected 1 to 24 letters and digits")
    inner = rest[:-2].rstrip(";")
    return Frame(header=header, cp=_items(re.split("[;,]", inner)) if inner else {})


def _items(parts: list[str]) -> dict[str, str]:
    items: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not key or not equals or key in items:
            raise DecodeError(f"item {part[:40]!r} is not key=value, or told twice")
        items[key] = value
    return items


def compile_factor_decoder(
    profile: Profile, units: Mapping[str, str] | None = None
) -> FactorDecoder:
    """Prepare the decoding of one station's data.

    Args:    units: measurement -> unit that this very station sends, where not the profile's.
    Raises:  ValueError if the profile is not one of HJ 212, or a unit does not fit its quantity.
    """
    if profile.hj212 is None:
        raise ValueError(f"{profile.name} is not a profile of an HJ 212 station")
    return FactorDecoder(profile, units or {})


class FactorDecoder:
    """Turns frames of one station into values; see the module's docstring.

    The frame's ST is not asked for: stations that measure dust and noise send either.
    """

    def __init__(self, profile: Profile, units: Mapping[str, str]) -> None:
        block = profile.hj212
        parts = {} if block is None else block.measurements
        self._derived = profile.derived
        self._items: list[tuple[str, str, str, Finish]] = []
        for name, part in parts.items():
            unit = units.get(name, part.unit)
            last = finish(name, msgspec.structs.replace(part, unit=unit))
            self._items.append((part.command, item_of(part), f"{part.factor}-Flag", last))

    def decode(self, frame: Frame, installed: Mapping[str, float] | None = None) -> Message:
        """Read one frame. Averages bear the time at which their period began.

        Returns: values that the frame has; empty for frames of other commands.
        Raises:  DecodeError if DataTime is no time, or a flag is none of HJ 212's.
        """
        values = [
            last(_number(frame.cp[item]), _flag(frame.cp.get(flag_item, "N")))
            for command, item, flag_item, last in self._items
            if command == frame.command and item in frame.cp
        ]
        values += derive(self._derived, values, installed or {})
        return Message(frame.station, observed_ms(frame), tuple(values))


def item_of(part: FactorMeasurement) -> str:
    """Return the key of a measurement in CP, e.g. a34001-Rtd."""
    return f"{part.factor}-{part.suffix or ('Rtd' if part.command == '2011' else 'Avg')}"


def observed_ms(frame: Frame) -> int | None:
    """Return DataTime in UTC milliseconds; None for a frame without.

    Raises: DecodeError if it is no time.
    """
    told = frame.cp.get("DataTime")
    if told is None:
        return None
    try:
        return china_ms(told)
    except ValueError as error:
        raise DecodeError(f"DataTime {told[:20]!r} is not YYYYMMDDhhmmss") from error


def _number(text: str) -> float:
    """Read a value; NaN for what is no plain decimal number."""
    return float(text) if re.fullmatch(r"[+-]?\d{1,15}(\.\d{0,15})?", text) else math.nan


def _flag(letter: str) -> Quality:
    if letter not in _FLAGS:
        raise DecodeError(f"flag {letter[:8]!r} is none of {', '.join(_FLAGS)}")
    return _FLAGS[letter]
