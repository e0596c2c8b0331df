"""HJ 212-2017 as a station writes and reads it. Pure, and apart from what the edge reads with.

Source: HJ 212-2017 §6.3, annex A (check), annex C (commands).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import msgspec

from contract.quantities import quantity_of
from contract.units import convert
from device_profiles.schema import FactorMeasurement, Profile

CHINA = timezone(timedelta(hours=8))
MAX_CP = 950
REAL_TIME, MINUTES, HOURS, DAYS = "2011", "2051", "2061", "2031"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a station says it is. version: of the standard, 1 for 2017, 2 for 2025."""

    mn: str
    password: str
    system: str
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One report: the words between && and &&, in as many parts as it takes, and what they say.

    values: measurement -> the canonical value that the words really say.
    """

    command: str
    time_ms: int
    parts: tuple[str, ...]
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A command from the centre."""

    qn: str
    command: str
    words: Mapping[str, str]


def checksum(text: bytes) -> str:
    """Return the four hex digits after the data segment."""
    value = 0xFFFF
    for byte in text:
        value = value // 256 ^ byte
        for _ in range(8):
            value, out = divmod(value, 2)
            value ^= 0xA001 * out
    return f"{value:04X}"


def wrap(segment: str) -> bytes:
    """Return a data segment with head, check and line end."""
    raw = segment.encode("ascii")
    return f"##{len(raw):04d}{segment}{checksum(raw)}\r\n".encode("ascii")


def upload(
    who: Identity, qn: str, command: str, words: str, part: tuple[int, int] | None = None
) -> bytes:
    """Write a command that wants an answer. part: (number, of how many)."""
    flag = who.version * 4 + 1 + (2 if part else 0)
    split = f"PNUM={part[1]};PNO={part[0]};" if part else ""
    return wrap(
        f"QN={qn};ST={who.system};CN={command};PW={who.password};MN={who.mn};"
        f"Flag={flag};{split}CP=&&{words}&&"
    )


def answer(who: Identity, qn: str, command: str, words: str) -> bytes:
    """Write a 9011 or 9012 to a request of the centre."""
    return wrap(
        f"QN={qn};ST=91;CN={command};PW={who.password};MN={who.mn};Flag={who.version * 4};"
        f"CP=&&{words}&&"
    )


def read(line: bytes) -> Received | None:
    """Read what the centre sent, from ## to the line end; None if it is not sound."""
    start = line.find(b"##")
    body = line[start:].rstrip(b"\r\n")
    if start < 0 or len(body) < 10 or not body[2:6].isdigit():
        return None
    segment = body[6:-4]
    if int(body[2:6]) != len(segment) or body[-4:].decode("latin-1").upper() != checksum(segment):
        return None
    before, _, words = segment.decode("latin-1").partition("CP=&&")
    fields = dict(item.split("=", 1) for item in before.split(";") if "=" in item)
    inside = words.removesuffix("&&").replace(",", ";").split(";")
    return Received(
        qn=fields.get("QN", ""),
        command=fields.get("CN", ""),
        words=dict(item.split("=", 1) for item in inside if "=" in item),
    )


def report(
    profile: Profile,
    command: str,
    time_ms: int,
    values: Mapping[str, float],
    *,
    quality: Mapping[str, str] | None = None,
    most: int = MAX_CP,
) -> Told | None:
    """Write the values that a command carries; None if the profile has none for it.

    Args:    values: measurement -> canonical value. quality: measurement -> flag, if not N.
             most: characters between && and && in one part.
    Raises:  ValueError if the profile is none of HJ 212.
    """
    if profile.hj212 is None:
        raise ValueError(f"{profile.name} is no HJ 212 profile")
    groups: dict[str, list[str]] = {}
    flags: dict[str, str] = {}
    held: dict[str, float] = {}
    for name, part in profile.hj212.measurements.items():
        if part.command != command or name not in values:
            continue
        text, held[name] = _told(name, part, values[name])
        suffix = part.suffix or ("Rtd" if command == REAL_TIME else "Avg")
        groups.setdefault(part.factor, []).append(f"{part.factor}-{suffix}={text}")
        flags[part.factor] = (quality or {}).get(name, "N")
    if not groups:
        return None
    items = [",".join([*told, f"{key}-Flag={flags[key]}"]) for key, told in groups.items()]
    time = f"DataTime={local(time_ms)[:14]}"
    parts = tuple(_split(time, items, most))
    return Told(command=command, time_ms=time_ms, parts=parts, values=held)


def with_units(profile: Profile, units: Mapping[str, str]) -> Profile:
    """Return the profile of a station that sends other units: measurement -> unit."""
    if profile.hj212 is None:
        raise ValueError(f"{profile.name} is no HJ 212 profile")
    parts = {
        name: msgspec.structs.replace(part, unit=units.get(name, part.unit))
        for name, part in profile.hj212.measurements.items()
    }
    block = msgspec.structs.replace(profile.hj212, measurements=parts)
    return msgspec.structs.replace(profile, hj212=block)


def local(at_ms: int) -> str:
    """Return YYYYMMDDhhmmsszzz in China's time."""
    at = datetime.fromtimestamp(at_ms // 1000, CHINA)
    return at.strftime("%Y%m%d%H%M%S") + f"{at_ms % 1000:03d}"


def utc_ms(text: str) -> int:
    """Return YYYYMMDDhhmmss of China's time in UTC milliseconds. Raises: ValueError."""
    at = datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=CHINA)
    return int(at.timestamp()) * 1000


def _told(name: str, part: FactorMeasurement, value: float) -> tuple[str, float]:
    """Return the number as the station writes it, and the canonical value of that."""
    canonical = quantity_of(name).unit
    number = (convert(value, canonical, part.unit) - part.offset) / part.scale
    decimals = 3 if abs(number) < 1 else 2 if abs(number) < 10 else 1
    text = f"{number:.{decimals}f}"
    back = convert(float(text) * part.scale + part.offset, part.unit, canonical)
    return text, float(f"{back:.12g}")


def _split(time: str, items: Sequence[str], most: int) -> Iterator[str]:
    words = time
    for item in items:
        if words != time and len(words) + 1 + len(item) > most:
            yield words
            words = time
        words += f";{item}"
    yield words
