"""How well a guess explains register words: what a right value would look like, and what chance is.

Logarithms are natural; only differences of sums mean anything.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import pairwise

from edge.core.usual import Usual

# struct's letters for the number and for its bits, and how many of these are the mantissa.
FLOATS = {"float16": (">e", ">H", 10), "float32": (">f", ">I", 23), "float64": (">d", ">Q", 52)}

# Registers that hold something else hold nothing, a small number of either sign, or anything.
ZERO, SMALL, NEGATIVE = 0.35, 0.30, 0.05
ANYTHING = 1 - ZERO - SMALL - NEGATIVE
WORD_DECADES = math.log(65_536)
BYTE_ZERO = 0.6  # of the other half of a register whose one half is used

ROUNDED = 0.5  # of devices; the last bits of what they send as a float are zero
DUST = 8  # counts by which rounded floats are off, where they are computed
OUTLIERS = 0.02  # of right values are not usual at all
LEAST = 1e-200  # a logarithm can be taken of it
FARTHEST = 1e4  # steps; what jumps farther is no worse


def chance(words: Sequence[int]) -> float:
    """Return the logarithm of how likely these words are in registers that mean something else.

    Args: words: 0..65535.
    """
    return sum(math.log(_chance(word)) for word in words)


def _chance(word: int) -> float:
    anything = ANYTHING / 65_536
    if word == 0:
        return ZERO + anything
    small = SMALL / (word * WORD_DECADES)
    negative = NEGATIVE / ((65_536 - word) * WORD_DECADES)
    return anything + small + negative


def chance_of_half(byte: int) -> float:
    """Return the logarithm of how likely a byte is in the half of a register that nobody uses."""
    return math.log(BYTE_ZERO if byte == 0 else (1 - BYTE_ZERO) / 255)


def density(value: float, usual: Usual, low: float, high: float) -> float:
    """Return how densely right values lie there.

    Args:    value: canonical, finite. low, high: what is physically possible.
    Returns: probability per canonical unit; 0 outside [low, high].
    """
    if not low <= value <= high:
        return 0.0
    rare = OUTLIERS / (high - low)
    inside = usual.low <= value <= usual.high
    if not usual.decades:
        width = usual.high - usual.low
        bell = _bell(value - usual.typical, width / 4)
        return rare + 0.75 * bell + (0.2 / width if inside else 0.0)
    if value <= 0:
        return rare
    width = math.log(usual.high / usual.low)
    bell = _bell(math.log(value) - math.log(usual.typical), width / 4)
    return rare + (0.75 * bell + (0.2 / width if inside else 0.0)) / max(value, usual.low / 10)


def _bell(distance: float, deviation: float) -> float:
    return math.exp(-((distance / deviation) ** 2) / 2) / (deviation * math.sqrt(math.tau))


def likelihood(raw: float, kind: str, dense: float, per_count: float, *, zero: bool) -> float:
    """Return how likely a right value's raw number is exactly this one; above 0.

    Args: raw: as decoded. kind: the register type. dense: density() of its value. per_count:
          canonical units per raw count. zero: whether nothing at all is ordinary.
    """
    if raw == 0:
        return 0.2 if zero else min(0.02, dense * per_count + 1e-4)
    if kind not in FLOATS:
        return max(LEAST, min(1.0, dense * per_count))
    step, zeros = _step_of_float(raw, kind)
    exact = dense * per_count * step
    return max(LEAST, min(1.0, exact * (1 - ROUNDED + ROUNDED * 2.0**zeros)))


def _step_of_float(raw: float, kind: str) -> tuple[float, int]:
    """Return the distance to a float's neighbour, and how many of its last bits are zero."""
    letter, bits, mantissa = FLOATS[kind]
    (number,) = struct.unpack(bits, struct.pack(letter, raw))
    # 9.999999999999998 is as round as 10, but for the dust of computing, and one of few like it.
    near = (number + DUST) & ~(2 * DUST - 1)
    zeros = max(_zeros(number), _zeros(near) - (2 * DUST).bit_length())
    _, exponent = math.frexp(raw)
    return math.ldexp(1.0, exponent - 1 - mantissa), max(0, min(zeros, mantissa))


def _zeros(number: int) -> int:
    return (number & -number).bit_length() - 1


def movement(values: Sequence[float], usual: Usual) -> float:
    """Return the evidence of how a value moved from read to read.

    Returns: logarithm of odds: 0 where nothing moved, above 0 where it moved as such a quantity
             does, below where it jumped. Chance moves by anything from a count to all of them.
    """
    total = 0.0
    for before, after in pairwise(values):
        if after == before:
            continue
        step = usual.step * max(abs(before), abs(after)) if usual.decades else usual.step
        far = min(max(abs(after - before) / step, 1.0), FARTHEST) if step else FARTHEST
        total += math.log(2 * WORD_DECADES / math.pi) - math.log(far + 1 / far)
    return total
