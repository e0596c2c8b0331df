"""What gateways and cloud tell each other beside readings: birth, state, ack. Plain JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

import msgspec

from contract.errors import DecodeError
from contract.intervals import IntervalSet
from contract.readings import Number
from contract.topics import ID

M = TypeVar("M", "Birth", "State", "Ack")

# What a message may hold: enough for the largest cabinet, and nothing that fills a database.
MAX_BYTES = 1 << 20
MAX_RANGES = 64
Word = Annotated[str, msgspec.Meta(max_length=63)]
Id = Annotated[str, msgspec.Meta(pattern=rf"^{ID.pattern}$")]
Name = Annotated[str, msgspec.Meta(max_length=200)]
Note = Annotated[str, msgspec.Meta(max_length=1000)]
Tags = Annotated[dict[Word, Name], msgspec.Meta(max_length=32)]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device stands: WGS 84 degrees, and words for people."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    address: Name = ""


class DeviceBirth(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its gateway knows it.

    profile: "<kind>/<vendor>-<model>". period_s: seconds between readings.
    measurements: the names it will send. tags: what rules select by, e.g. area_class, stage.
    """

    id: Id
    kind: Annotated[str, msgspec.Meta(max_length=16)]
    profile: Name
    period_s: Annotated[float, msgspec.Meta(gt=0, le=10_000_000)]
    measurements: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)]
    name: Name = ""
    asset: Name = ""
    owner: Name = ""
    place: Place | None = None
    tags: Tags = {}


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway introduces itself; retained."""

    gateway: Id
    agent_version: Word
    config_version: Name
    born_ms: Number
    devices: Annotated[tuple[DeviceBirth, ...], msgspec.Meta(max_length=10_000)]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a gateway is there, and how it fares; retained, with an offline one as its will."""

    online: bool
    at_ms: Number
    health: Annotated[dict[Name, float], msgspec.Meta(max_length=20_000)] = {}
    problems: Annotated[tuple[Note, ...], msgspec.Meta(max_length=1000)] = ()


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud has committed of one epoch: all up to seq, and ranges above it.

    Not every range need be told: as with TCP's SACK, those of the batches that came last are.
    """

    epoch: Word
    seq: Number
    ranges: Annotated[tuple[tuple[Number, Number], ...], msgspec.Meta(max_length=10_000)] = ()

    @classmethod
    def of(cls, epoch: str, have: IntervalSet, lately: Iterable[int] = ()) -> Ack:
        """Tell what is in the set: the ranges of the numbers that came lately, then the lowest."""
        seq = have.covered_to(1)
        told = {have.interval_of(number) for number in lately if number > seq}
        for interval in have:
            if len(told) >= MAX_RANGES:
                break
            if interval[0] > seq:
                told.add(interval)
        return cls(epoch=epoch, seq=seq, ranges=tuple(sorted(told)))

    def covers(self, seq: int) -> bool:
        """Whether this batch is safe in the cloud."""
        return seq <= self.seq or any(first <= seq <= last for first, last in self.ranges)


def encode(message: Birth | State | Ack) -> bytes:
    """Write a message as JSON."""
    return msgspec.json.encode(message)


def decode(payload: bytes, kind: type[M]) -> M:
    """Read a message.

    Raises: DecodeError naming the field that is wrong.
    """
    if len(payload) > MAX_BYTES:
        raise DecodeError(f"{len(payload)} bytes; the most allowed is {MAX_BYTES}")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"{kind.__name__.lower()}: {error}") from error
