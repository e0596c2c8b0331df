"""Register words as people write them down: hex, in words or in bytes, or a whole answer frame."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edge.core.modbus import crc16

MOST = 125  # words in one answer
_APART = re.compile(r"[\s,;:|-]+")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]+)")


def parse_words(text: str) -> tuple[int, ...]:
    """Read words: `0257 0001`, `02 57 00 01`, `0x0257,0x0001`, `02570001`, or a whole RTU answer.

    An answer is told by its CRC; unit id, function and count are left away then.

    Raises: ValueError saying what cannot be read.
    """
    data = bytes.fromhex("".join(_digits(part) for part in _APART.split(text.strip()) if part))
    if len(data) >= 7 and crc16(data[:-2]) == int.from_bytes(data[-2:], "little"):
        if data[1] not in (3, 4) or data[2] != len(data) - 5:
            raise ValueError(f"{text!r} is a frame, but no answer of function 3 or 4")
        data = data[3:-2]
    if not data or len(data) % 2:
        raise ValueError(f"{text!r} has {len(data)} bytes; words have two each")
    if len(data) > 2 * MOST:
        raise ValueError(f"{len(data) // 2} words; at most {MOST} are in one answer")
    return tuple(int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2))


def _digits(part: str) -> str:
    found = _HEX.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is not hex; write words as 0257 0001, or bytes as 02 57 00 01")
    digits = found[1]
    return digits.zfill(4) if part[:2] in ("0x", "0X") and len(digits) > 2 else _even(digits, part)


def _even(digits: str, part: str) -> str:
    if len(digits) % 2:
        raise ValueError(f"{part!r} has {len(digits)} hex digits; write 4 a word, or 2 a byte")
    return digits


def show_address(address: int) -> str:
    """Write a register's address as profiles do: 0x01F4."""
    return f"0x{address:04X}"


def show_words(words: Iterable[int]) -> str:
    """Write words as manuals do: 0257 0001."""
    return " ".join(f"{word:04X}" for word in words)
