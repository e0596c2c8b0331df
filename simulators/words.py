"""Raw numbers into register words, in every type and byte order that makers use. Pure.

The simulators' own reading of what the profile schema calls types and orders; nothing here is
shared with the decoder.
"""

from __future__ import annotations

import math
import struct

_FLOATS = {"float16": ">e", "float32": ">f", "float64": ">d"}
_HALVES = {"uint8_high": 8, "uint8_low": 0, "int8_high": 8, "int8_low": 0}
_BCD_DIGITS = {"bcd16": 4, "bcd32": 8, "bcd64": 16}
_WIDTHS = {"uint16": 16, "int16": 16, "uint32": 32, "int32": 32, "uint64": 64, "int64": 64}

# What a four-letter name does to any width: are the registers reversed, are the bytes in each?
_FOUR_LETTERS = {
    "ABCD": (False, False),
    "DCBA": (True, True),
    "BADC": (False, True),
    "CDAB": (True, False),
}


def limits(kind: str, bits: tuple[int, int] | None = None) -> tuple[float, float]:
    """Return the lowest and highest raw number that a type can carry.

    Args: bits: lowest and highest bit of a field cut out of an unsigned type.
    """
    if bits is not None:
        return 0, 2 ** (bits[1] - bits[0] + 1) - 1
    if kind == "bit":
        return 0, 1
    if kind in _FLOATS:
        highest: float = {"float16": 65504.0, "float32": 3.4028234e38}.get(kind, 1.7976e308)
        return -highest, highest
    if kind in _BCD_DIGITS:
        return 0, 10 ** _BCD_DIGITS[kind] - 1
    width = 8 if kind in _HALVES else _WIDTHS[kind]
    if kind.startswith("int"):
        return -(2 ** (width - 1)), 2 ** (width - 1) - 1
    return 0, 2**width - 1


def fitted(kind: str, number: float, bits: tuple[int, int] | None = None) -> float:
    """Return the raw number that a type can carry nearest to `number`: rounded, within limits."""
    low, high = limits(kind, bits)
    if kind in _FLOATS and bits is None:
        held = struct.pack(_FLOATS[kind], min(max(number, low), high))
        narrowed: float = struct.unpack(_FLOATS[kind], held)[0]
        return narrowed
    return min(max(math.floor(number + 0.5), low), high)


def pack(
    kind: str, raw: float, order: str = "ABCD", bits: tuple[int, int] | None = None
) -> list[int]:
    """Return the words that carry a raw number; bits outside the type or field are 0.

    Args:    raw: as `fitted` returns it. order: byte order on the wire, A most significant.
    Returns: uint16 words in the order of their addresses; a coil's or input's 0 or 1 for `bit`.
    """
    if kind == "bit":
        return [int(raw)]
    if kind in _HALVES:
        return [(int(raw) & 0xFF) << _HALVES[kind]]
    return _words(in_order(_big_endian(kind, raw, bits), order))


def pack_text(text: str, kind: str, length: int, order: str = "ABCD") -> list[int]:
    """Return a string's words: two characters a register, or one in its high or low half."""
    data = text.encode("ascii", "replace")
    if kind == "string":
        data = data[: 2 * length].ljust(2 * length, b"\0")
        words = _words(data)
        swapped = order == "BA" or _FOUR_LETTERS.get(order, (False, False))[1]
        return [(word >> 8) | (word & 0xFF) << 8 for word in words] if swapped else words
    shift = 8 if kind == "string_high" else 0
    return [byte << shift for byte in data[:length].ljust(length, b"\0")]


def in_order(big: bytes, order: str) -> bytes:
    """Lay big-endian bytes out as they come over the wire.

    A name as long as the number says for each place on the wire which byte stands there; a
    four-letter name fits every width: it says whether registers, and bytes in them, are swapped.
    """
    if len(order) == len(big):
        return bytes(big[ord(letter) - ord("A")] for letter in order)
    registers = [big[at : at + 2] for at in range(0, len(big), 2)]
    reverse_registers, swap_bytes = _FOUR_LETTERS[order]
    if reverse_registers:
        registers.reverse()
    return b"".join(register[::-1] if swap_bytes else register for register in registers)


def _big_endian(kind: str, raw: float, bits: tuple[int, int] | None) -> bytes:
    if kind in _FLOATS:
        return struct.pack(_FLOATS[kind], raw)
    if kind in _BCD_DIGITS:
        return bytes.fromhex(f"{int(raw):0{_BCD_DIGITS[kind]}d}")
    number = int(raw) << bits[0] if bits is not None else int(raw)
    return number.to_bytes(_WIDTHS[kind] // 8, "big", signed=number < 0)


def _words(data: bytes) -> list[int]:
    return list(struct.unpack(f">{len(data) // 2}H", data))
