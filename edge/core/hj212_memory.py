"""What one HJ 212 station has told lately: what came before, and which parts have not come.

Data is identified by command and DataTime (and station), not by QN: a station that has missed our
acknowledgement sends the same again, and the parts of a split packet each have a QN of their own.
Each part is read as it comes: a station may wait for one to be acknowledged before it sends the
next, and it is acknowledged only when it is on disk (docs/decisions/0010).
What is remembered is bounded: per command, the data of the latest 32 DataTimes.
Source: HJ 212-2017 §6.2 (10 s, 3 times), annex C.50.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

import msgspec

from contract.errors import DecodeError
from device_profiles.core.hj212 import Frame

REMEMBERED = 32
MAX_PARTS = 64
# The station has given a part up by then: 10 s and three times again, for each of several parts.
LATE_MS = 120_000
TIME_KEY = "DataTime"


class Part(msgspec.Struct, frozen=True):
    """Which part of how many: PNO of PNUM, counted from 1."""

    number: int
    of: int


class Taken(Enum):
    """What became of data that was taken."""

    NEW = "new"
    REPEATED = "repeated"
    CONTRADICTS = "contradicts"  # the same factor of the same time had another value


class Missed(msgspec.Struct, frozen=True):
    """Parts that never came: of which command and DataTime, and how many."""

    command: str
    time: str
    parts: int


@dataclass(slots=True, kw_only=True)
class _Datum:
    """Data of one command and one DataTime. missing: parts that have not come."""

    since_ms: int
    parts: int = 0
    missing: set[int] = field(default_factory=set)
    items: dict[str, str] = field(default_factory=dict)
    told: bool = False


class Memory:
    """What one station has told; shared by its connections."""

    def __init__(self) -> None:
        self._told: dict[str, OrderedDict[str, _Datum]] = defaultdict(OrderedDict)

    def take(self, frame: Frame, part: Part | None, now_ms: int) -> tuple[Taken, Frame | None]:
        """Take data in; return what became of it, and what of it is new and to be read.

        Args:    frame: has a DataTime. part: of split data. now_ms: any clock's, UTC or not.
        Raises:  DecodeError if the data is said to have another number of parts than before.
        """
        time = frame.cp[TIME_KEY]
        told = self._told[frame.command]
        known = told.get(time)
        datum = known or _Datum(since_ms=now_ms)
        if _contradicts(datum.items, frame.cp):
            return Taken.CONTRADICTS, None
        if part is not None and datum.parts not in (0, part.of):
            raise DecodeError(f"PNUM is {part.of}, of another part it was {datum.parts}")
        told[time] = datum
        told.move_to_end(time)
        if len(told) > REMEMBERED:
            told.popitem(last=False)
        fresh = {k: v for k, v in frame.cp.items() if k != TIME_KEY and k not in datum.items}
        _note_part(datum, part)
        datum.items |= fresh
        if known is not None and not fresh:
            return Taken.REPEATED, None
        cp = {TIME_KEY: time, **_with_flags(fresh, frame.cp)}
        return Taken.NEW, Frame(header=frame.header, cp=cp)

    def missed(self, now_ms: int) -> list[Missed]:
        """Return, once, of what parts are missing that should have come by now."""
        found = []
        for command, told in self._told.items():
            for time, datum in told.items():
                if datum.missing and not datum.told and now_ms - datum.since_ms >= LATE_MS:
                    datum.told = True
                    found.append(Missed(command, time, len(datum.missing)))
        return found


def _contradicts(items: Mapping[str, str], told: Mapping[str, str]) -> bool:
    return any(items.get(key, value) != value for key, value in told.items())


def _note_part(datum: _Datum, part: Part | None) -> None:
    if part is None:
        return
    if not datum.parts:
        datum.parts = part.of
        datum.missing = set(range(1, part.of + 1))
    datum.missing.discard(part.number)


def _with_flags(fresh: Mapping[str, str], cp: Mapping[str, str]) -> dict[str, str]:
    """Return fresh items with the flags of their factors, which may have been told before."""
    factors = {key.rpartition("-")[0] for key in fresh}
    flags = {key: cp[key] for factor in factors if (key := f"{factor}-Flag") in cp}
    return {**fresh, **flags}
