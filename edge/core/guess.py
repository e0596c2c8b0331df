"""A guess at what registers are, and how common types and orders are before anything is seen."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from device_profiles.schema import REGISTERS, ByteOrder, RegisterType

# How often devices use it, before anything is seen. Our own judgement, from the catalogue.
TYPES: dict[RegisterType, float] = {
    "uint16": 0.40,
    "int16": 0.14,
    "float32": 0.22,
    "uint32": 0.09,
    "int32": 0.04,
    "float64": 0.02,
    "bcd16": 0.01,
    "bcd32": 0.01,
    "uint8_low": 0.004,
    "uint8_high": 0.004,
    "uint64": 0.004,
    "int64": 0.002,
    "bcd64": 0.002,
    "float16": 0.002,
    "int8_low": 0.001,
    "int8_high": 0.001,
}
ORDERS: dict[int, dict[ByteOrder, float]] = {
    1: {"AB": 0.94, "BA": 0.06},
    2: {"ABCD": 0.47, "CDAB": 0.28, "DCBA": 0.17, "BADC": 0.08},
    4: {
        "ABCDEFGH": 0.45,
        "GHEFCDAB": 0.28,
        "HGFEDCBA": 0.12,
        "BADCFEHG": 0.06,
        "CDABGHEF": 0.03,
        "DCBAHGFE": 0.02,
        "EFGHABCD": 0.02,
        "FEHGBADC": 0.02,
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a raw number may stand for. values: of each read, canonical.

    share: its part, 0 to 1, among all that the number may mean. also: measurements that it could
    be as well, with the same scale and unit.
    """

    measurement: str
    scale: float
    unit: str
    values: tuple[float, ...]
    score: float
    share: float = 1.0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """One way to read some registers. raws: of each read. meanings: the best first, at least one.

    share: its part, 0 to 1, among all guesses that use one of its registers. same: other ways to
    read them, or their neighbours too, that come to the same numbers so far.
    """

    address: int
    type: RegisterType
    order: ByteOrder
    raws: tuple[float, ...]
    meanings: tuple[Meaning, ...]
    score: float
    share: float = 1.0
    same: tuple[Guess, ...] = ()

    @property
    def registers(self) -> range:
        """The addresses it takes."""
        return range(self.address, self.address + REGISTERS[self.type])


def worse(scored: Guess | Meaning) -> float:
    """Sort key: the best first."""
    return -scored.score


def log_sum(scores: Iterable[float]) -> float:
    """Return the logarithm of the sum of what these are logarithms of."""
    many = list(scores)
    top = max(many)
    return top + math.log(sum(math.exp(score - top) for score in many))
