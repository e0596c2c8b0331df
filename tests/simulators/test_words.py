"""Raw numbers into words: against frames that makers published, and against struct."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.words import fitted, in_order, limits, pack, pack_text

PI = "40490FDB"  # float32 of pi, big endian


@pytest.mark.parametrize(
    ("order", "wire"),
    [("ABCD", PI), ("DCBA", "DB0F4940"), ("BADC", "4940DB0F"), ("CDAB", "0FDB4049")],
)
def test_a_float_in_every_order(order: str, wire: str) -> None:
    words = pack("float32", 3.1415927410125732, order)
    assert struct.pack(">2H", *words).hex().upper() == wire


def test_the_do_probes_own_example() -> None:
    # Y504-DO v6.2 Modbus Instructions, figure 27: 17.625 comes as 00 00 8D 41.
    assert pack("float32", 17.625, "DCBA") == [0x0000, 0x8D41]


@pytest.mark.parametrize(
    ("four", "eight"),
    [
        ("ABCD", "ABCDEFGH"),
        ("DCBA", "HGFEDCBA"),
        ("BADC", "BADCFEHG"),
        ("CDAB", "GHEFCDAB"),
    ],
)
def test_four_letters_fit_eight_bytes(four: str, eight: str) -> None:
    big = bytes(range(8))
    assert in_order(big, four) == in_order(big, eight)


def test_an_eight_letter_name_says_what_stands_where() -> None:
    assert in_order(b"ABCDEFGH", "CDABGHEF") == b"CDABGHEF"
    assert in_order(b"ABCDEFGH", "EFGHABCD") == b"EFGHABCD"


@pytest.mark.parametrize(("order", "word"), [("ABCD", 0x1234), ("CDAB", 0x1234), ("BA", 0x3412)])
def test_a_single_register(order: str, word: int) -> None:
    assert pack("uint16", 0x1234, order) == [word]


@given(
    st.sampled_from(["int16", "uint16", "int32", "uint32", "int64", "uint64"]),
    st.integers(-(2**63), 2**64 - 1),
)
def test_integers_are_as_struct_packs_them(kind: str, number: int) -> None:
    raw = int(fitted(kind, number))
    low, high = limits(kind)
    assert low <= raw <= high
    letter = {"16": "h", "32": "i", "64": "q"}[kind[-2:]]
    letter = letter.upper() if kind.startswith("u") else letter
    words = pack(kind, raw)
    assert struct.pack(f">{len(words)}H", *words) == struct.pack(f">{letter}", raw)


def test_other_types() -> None:
    assert pack("bcd32", 12345678) == [0x1234, 0x5678]
    assert pack("uint8_high", 0xAB) == [0xAB00]
    assert pack("int8_low", -1) == [0x00FF]
    assert pack("float16", 1.5) == [0x3E00]
    assert pack("uint16", 5, bits=(4, 7)) == [0x0050]
    assert pack("bit", 1) == [1]


def test_what_does_not_fit_is_held_at_the_limit() -> None:
    assert fitted("int16", 40_000) == 32_767
    assert fitted("uint16", -3) == 0
    assert fitted("bcd16", 12_345) == 9_999
    assert fitted("uint16", 99, bits=(0, 3)) == 15
    assert fitted("int16", 2.5) == 3


def test_text() -> None:
    assert pack_text("Y504", "string", 3) == [0x5935, 0x3034, 0x0000]
    assert pack_text("Y504", "string", 2, "BADC") == [0x3559, 0x3430]
    assert pack_text("AB", "string_high", 2) == [0x4100, 0x4200]
    assert pack_text("AB", "string_low", 3) == [0x0041, 0x0042, 0x0000]
