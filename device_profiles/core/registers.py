"""From the bytes of Modbus answers to raw numbers: one gather and one unpack per block."""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Iterable, Sequence

from device_profiles.core.values import Block
from device_profiles.schema import Point

Raw = float | None

# struct's letter for a type's bytes in ABCD order; what is not here is cut out of those that are.
FORMATS = {
    "uint8_high": "B",
    "uint8_low": "B",
    "int8_high": "b",
    "int8_low": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "bcd16": "H",
    "bcd32": "I",
    "bcd64": "Q",
}

# Four letters fit every width: what they mean for one register and for four.
_KIN = {
    "ABCD": {2: "AB", 8: "ABCDEFGH"},
    "DCBA": {2: "BA", 8: "HGFEDCBA"},
    "BADC": {2: "BA", 8: "BADCFEHG"},
    "CDAB": {2: "AB", 8: "GHEFCDAB"},
}


class Extractor:
    """Takes the points' raw numbers out of one block's bytes.

    Coils and inputs come eight to a byte, the first in the lowest bit.
    Source: MODBUS Application Protocol v1.1b3 §6.1-6.4.
    """

    def __init__(self, block: Block, points: Sequence[Point]) -> None:
        self.size = data_size(block)
        self._missing: tuple[Raw, ...] = (None,) * len(points)
        self._coils = [point.address - block.address for point in points if point.type == "bit"]
        registers = [point for point in points if point.type != "bit"]
        places = [place for point in registers for place in byte_places(point, block.address)]
        self._gather = _gatherer(places)
        self._unpack = struct.Struct(">" + "".join(_format(point) for point in registers)).unpack
        self._fixes = [
            (index, fix)
            for index, point in enumerate(registers)
            for fix in _fixes(point)
        ]  # fmt: skip

    def __call__(self, data: bytes | None) -> Iterable[Raw]:
        """Return the raw numbers in the points' order.

        None: not there, as there was no answer. NaN: the bytes are no number of their type.

        Raises: ValueError if the number of bytes is not the block's.
        """
        if data is None:
            return self._missing
        if len(data) != self.size:
            raise ValueError(f"{len(data)} bytes of data; this request is answered by {self.size}")
        if self._coils:
            return [(data[at >> 3] >> (at & 7)) & 1 for at in self._coils]
        raws = self._unpack(self._gather(data))
        if not self._fixes:
            return raws
        fixed = list(raws)
        for index, fix in self._fixes:
            fixed[index] = fix(fixed[index])
        return fixed


def data_size(block: Block) -> int:
    """Return how many bytes of data the answer to a request has."""
    return (block.count + 7) // 8 if block.function <= 2 else 2 * block.count


def permutation(order: str, width: int) -> str:
    """Return the letters of the bytes as they come over the wire, for a value of `width` bytes.

    Raises: ValueError if the order is not one of that width.
    """
    letters = _KIN.get(order, {}).get(width, order)
    if len(letters) != width:
        raise ValueError(f"order {order} does not fit a value of {8 * width} bits")
    return letters


def byte_places(point: Point, first_address: int) -> list[int]:
    """Return where a point's bytes are in a block's data, most significant byte first."""
    start = 2 * (point.address - first_address)
    kind, _, half = point.type.partition("_")
    if kind in ("string", "uint8", "int8"):
        swapped = permutation(point.order, 2) == "BA"
        if not half:
            return [start + (index ^ swapped) for index in range(2 * point.count)]
        return [start + 2 * index + (swapped ^ (half == "low")) for index in range(point.count)]
    letters = permutation(point.order, 2 * point.count)
    return [start + letters.index(letter) for letter in sorted(letters)]


def _gatherer(places: Sequence[int]) -> Callable[[bytes], bytes]:
    """Return a function that picks these bytes; a plain slice where they lie in a row."""
    if not places:
        return lambda _: b""
    if list(places) == list(range(places[0], places[0] + len(places))):
        first, end = places[0], places[0] + len(places)
        return lambda data: data[first:end]
    if len(places) == 1:
        (only,) = places
        return lambda data: data[only : only + 1]
    pick = operator.itemgetter(*places)
    return lambda data: bytes(pick(data))


def _format(point: Point) -> str:
    if point.type.startswith("string"):
        return f"{point.length * (2 if point.type == 'string' else 1)}s"
    return FORMATS[point.type]


def _fixes(point: Point) -> list[Callable[..., Raw]]:
    """Return what is still to be done after unpacking, in order."""
    fixes: list[Callable[..., Raw]] = []
    if point.type.startswith("string"):
        fixes.append(number_of_text)
    if point.type.startswith("bcd"):
        fixes.append(number_of_bcd)
    if point.bits is not None:
        low, high = point.bits
        mask = (1 << (high - low + 1)) - 1
        fixes.append(lambda raw: (raw >> low) & mask)
    return fixes


def number_of_bcd(raw: int) -> float:
    """Read binary coded decimals: 0x1234 is 1234. NaN if a digit is above 9."""
    digits = f"{raw:x}"
    return int(digits) if digits.isdecimal() else math.nan


def number_of_text(raw: bytes) -> float:
    """Read a number written in characters, padded with blanks or zero bytes. NaN if it is none."""
    text = raw.strip(b" \0")
    if not set(text) <= set(b"+-.0123456789eE"):
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan
