"""What one HJ 212 station has told lately: joins the parts of split data, knows what came before.

Data is identified by command and DataTime (and station), not by QN: a station that has missed our
acknowledgement sends the same again, and the parts of a split packet each have a QN of their own.
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
JOIN_MS = 120_000
TIME_KEY = "DataTime"


class Part(msgspec.Struct, frozen=True):
    """Which part of how many: PNO of PNUM, counted from 1."""

    number: int
    of: int


class Taken(Enum):
    """What became of data that was taken."""

    NEW = "new"
    WAITING = "waiting"  # for the parts that are missing
    REPEATED = "repeated"
    CONTRADICTS = "contradicts"  # the same factor of the same time had another value


class Joined(msgspec.Struct, frozen=True):
    """Data to be read: new items only, all parts in one. missing: parts that never came."""

    frame: Frame
    missing: int = 0


@dataclass(slots=True, kw_only=True)
class _Datum:
    """Data of one command and one DataTime. waiting: items that have not been handed on."""

    header: dict[str, str]
    since_ms: int
    parts: int = 0
    missing: set[int] = field(default_factory=set)
    items: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)

    def hand_on(self, time: str, missing: int = 0) -> Joined:
        """Return what waits, and wait for it no longer."""
        cp = {TIME_KEY: time, **self.waiting}
        self.waiting = {}
        return Joined(Frame(header=self.header, cp=cp), missing)


class Memory:
    """What one station has told; shared by its connections."""

    def __init__(self) -> None:
        self._told: dict[str, OrderedDict[str, _Datum]] = defaultdict(OrderedDict)

    def take(
        self, frame: Frame, part: Part | None, now_ms: int
    ) -> tuple[Taken, tuple[Joined, ...]]:
        """Take data in; return what became of it, and what is to be read now.

        Args:    frame: has a DataTime. part: of split data. now_ms: any clock's, UTC or not.
        Returns: what is to be read may be older data whose parts are given up to make room.
        Raises:  DecodeError if the data is said to have another number of parts than before.
        """
        time = frame.cp[TIME_KEY]
        told = self._told[frame.command]
        known = told.get(time)
        datum = known or _Datum(header=frame.header, since_ms=now_ms)
        if _contradicts(datum.items, frame.cp):
            return Taken.CONTRADICTS, ()
        if part is not None and datum.parts not in (0, part.of):
            raise DecodeError(f"PNUM is {part.of}, of another part it was {datum.parts}")
        told[time] = datum
        told.move_to_end(time)
        given_up = _make_room(told)
        fresh = {k: v for k, v in frame.cp.items() if k != TIME_KEY and k not in datum.items}
        wanted = _note_part(datum, part)
        datum.items |= fresh
        datum.waiting |= _with_flags(fresh, frame.cp)
        if known is not None and not fresh and not wanted:
            return Taken.REPEATED, given_up
        if datum.missing and now_ms - datum.since_ms < JOIN_MS:
            return Taken.WAITING, given_up
        return Taken.NEW, (*given_up, datum.hand_on(time))

    def expire(self, now_ms: int | None) -> tuple[Joined, ...]:
        """Give up waiting for parts that should have come by now; for all, if now_ms is None."""
        return tuple(
            datum.hand_on(time, len(datum.missing))
            for told in self._told.values()
            for time, datum in told.items()
            if datum.waiting and (now_ms is None or now_ms - datum.since_ms >= JOIN_MS)
        )


def _contradicts(items: Mapping[str, str], told: Mapping[str, str]) -> bool:
    return any(items.get(key, value) != value for key, value in told.items())


def _note_part(datum: _Datum, part: Part | None) -> bool:
    """Note a part as come; return whether it was missing."""
    if part is None:
        return False
    if not datum.parts:
        datum.parts = part.of
        datum.missing = set(range(1, part.of + 1))
    was_missing = part.number in datum.missing
    datum.missing.discard(part.number)
    return was_missing


def _with_flags(fresh: Mapping[str, str], cp: Mapping[str, str]) -> dict[str, str]:
    """Return fresh items with the flags of their factors, which may have been told before."""
    factors = {key.rpartition("-")[0] for key in fresh}
    flags = {key: cp[key] for factor in factors if (key := f"{factor}-Flag") in cp}
    return {**fresh, **flags}


def _make_room(told: OrderedDict[str, _Datum]) -> tuple[Joined, ...]:
    """Forget the oldest; hand on what of it still waited for parts."""
    if len(told) <= REMEMBERED:
        return ()
    time, datum = told.popitem(last=False)
    return (datum.hand_on(time, len(datum.missing)),) if datum.waiting else ()
