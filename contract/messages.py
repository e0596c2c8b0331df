"""What gateways and cloud tell each other beside readings: birth, state, ack. Plain JSON."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from contract.errors import DecodeError
from contract.intervals import IntervalSet

M = TypeVar("M", "Birth", "State", "Ack")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a device stands: WGS 84 degrees, and words for people."""

    latitude: float
    longitude: float
    address: str = ""


class DeviceBirth(msgspec.Struct, frozen=True, kw_only=True):
    """One device as its gateway knows it.

    profile: "<kind>/<vendor>-<model>". period_s: seconds between readings.
    measurements: the names it will send. tags: what rules select by, e.g. area_class, stage.
    """

    id: str
    kind: str
    profile: str
    period_s: float
    measurements: tuple[str, ...]
    name: str = ""
    asset: str = ""
    owner: str = ""
    place: Place | None = None
    tags: dict[str, str] = {}


class Birth(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway introduces itself; retained."""

    gateway: str
    agent_version: str
    config_version: str
    born_ms: int
    devices: tuple[DeviceBirth, ...]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a gateway is there, and how it fares; retained, with an offline one as its will."""

    online: bool
    at_ms: int
    health: dict[str, float] = {}
    problems: tuple[str, ...] = ()


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """What the cloud has committed of one epoch: all up to seq, and the ranges above it."""

    epoch: str
    seq: int
    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, epoch: str, have: IntervalSet) -> Ack:
        """Tell what is in the set."""
        seq = have.covered_to(1)
        return cls(epoch=epoch, seq=seq, ranges=tuple((a, b) for a, b in have if a > seq))

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
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.DecodeError as error:
        raise DecodeError(f"{kind.__name__.lower()}: {error}") from error
