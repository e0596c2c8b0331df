"""Who is on a bus? What to ask, in which order, and what the answers mean."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum

from contract.errors import Timeout, TransportError
from edge.core.modbus import Disturbed, Refused

LOWEST_UNIT, HIGHEST_UNIT = 1, 255  # 248 and on are reserved, but gateways use 255
BAUDS = (1_200, 2_400, 4_800, 9_600, 14_400, 19_200, 38_400, 57_600, 115_200)
# How makers ship their devices; asked first, at every baud rate, for a quick find.
USUAL_UNITS = (1, 2, 3, 80, 55, 10, 100, 247)
# Exceptions by which a gateway says that nobody is there. Source: MODBUS Application Protocol §7.
OF_GATEWAY = (10, 11)

_RANGE = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?")


class Sign(StrEnum):
    """What an answer says of a unit id."""

    ANSWERS = "answers"
    REFUSES = "refuses"  # a Modbus exception: there is a device
    GARBLED = "garbled"  # something spoke, but not rightly
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One question: a unit id, and the baud rate to ask at; None where the bus has one."""

    unit_id: int
    baud: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Somebody. what: in words. took_s: until the answer."""

    unit_id: int
    baud: int | None
    sign: Sign
    what: str
    took_s: float


def parse_units(text: str) -> tuple[int, ...]:
    """Read `1-10,55` as unit ids, in the order given, each once.

    Raises: ValueError naming what is no unit id.
    """
    numbers: dict[int, None] = {}
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not LOWEST_UNIT <= first <= last <= HIGHEST_UNIT:
            raise ValueError(
                f"{part.strip()!r}: write unit ids from {LOWEST_UNIT} to {HIGHEST_UNIT}, as 1-10,55"
            )
        numbers.update(dict.fromkeys(range(first, last + 1)))
    return tuple(numbers)


def parse_bauds(text: str) -> tuple[int, ...]:
    """Read `9600,4800`, `1200-19200` (the usual ones in between), or `all` of the usual ones.

    Raises: ValueError naming what is no baud rate.
    """
    bauds: dict[int, None] = {}
    for part in ("1200-115200" if text == "all" else text).split(","):
        found = _RANGE.fullmatch(part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
        rates = [baud for baud in BAUDS if first <= baud <= last] if found and found[2] else [first]
        if not rates or not 300 <= rates[0] <= 1_000_000:
            raise ValueError(f"{part.strip()!r} is no baud rate; e.g. 9600, 1200-19200 or all")
        bauds.update(dict.fromkeys(rates))
    return tuple(bauds)


def plan_scan(units: Sequence[int], bauds: Sequence[int | None]) -> list[Try]:
    """Return all questions, those that usually find something first."""
    usual = [unit for unit in USUAL_UNITS if unit in units]
    others = [unit for unit in units if unit not in usual]
    return [
        Try(unit_id=unit, baud=baud) for part in (usual, others) for baud in bauds for unit in part
    ]


def sign_of(error: TransportError | None) -> Sign:
    """Tell what an answer, or its absence, says of a unit id."""
    match error:
        case None:
            return Sign.ANSWERS
        case Refused(code=code):
            return Sign.NOBODY if code in OF_GATEWAY else Sign.REFUSES
        case Disturbed():
            return Sign.GARBLED
        case _:
            return Sign.NOBODY


def say_sign(error: TransportError | None) -> str:
    """Say it in words."""
    match sign_of(error):
        case Sign.ANSWERS:
            return "answers"
        case Sign.REFUSES:
            return f"a device, by {error}"
        case Sign.GARBLED:
            return f"garbled: {error}"
        case Sign.NOBODY:
            return "no answer" if isinstance(error, Timeout) else str(error)


def conclusions(
    found: Sequence[Found], asked: Collection[int], *, serial: bool, gateway: bool
) -> tuple[str, ...]:
    """Say what a finished scan means, and what to try next.

    Args: asked: unit ids. serial: whether a serial line of our own. gateway: whether a gateway
          said that nobody is there, rather than nobody saying anything.
    """
    devices = [each for each in found if each.sign is not Sign.GARBLED]
    garbled = sorted({each.unit_id for each in found if each.sign is Sign.GARBLED})
    said: list[str] = []
    if len(asked) > 3 and {each.unit_id for each in devices} == set(asked):
        said.append(
            "every unit id answers: this is one device that does not look at it; any will do"
        )
    if garbled:
        which = ", ".join(map(str, garbled))
        said.append(
            f"unit id {which} is garbled: perhaps two devices share it (disconnect one), or baud"
            " rate, parity or stop bits are wrong, or another master is on the line"
        )
    if not devices:
        said += _ON_SERIAL if serial else _BEHIND_GATEWAY if gateway else _ON_TCP
    return tuple(said)


_ANYWHERE = (
    "does the sensor have power, and the right voltage?",
    "some devices are silent to registers they do not have: --start 0x2600, or --function 4",
    "some are slow: --timeout-s 1",
)
_ON_SERIAL = (
    "are A and B the right way round? Swapping them does no harm",
    "other baud rates: --bauds all; for another parity, change the bus in the configuration",
    *_ANYWHERE,
)
_BEHIND_GATEWAY = (
    "the gateway answers that it hears nobody: look at the line behind it: A and B, baud rate and"
    " parity in the gateway's own settings",
    *_ANYWHERE,
)
_ON_TCP = (
    "is this a Modbus gateway, its serial side set to the sensor's baud rate and parity?",
    "a gateway that passes serial frames on needs the driver modbus_rtu_over_tcp",
    *_ANYWHERE,
)
