"""Registers against an encoder that shares no code with the decoder."""

from __future__ import annotations

import math
import struct
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.core.registers import (
    Extractor,
    byte_places,
    data_size,
    number_of_bcd,
    number_of_text,
    permutation,
)
from device_profiles.core.values import Block
from device_profiles.schema import ByteOrder, Point, RegisterType

# The wire's bytes, most significant named A, as the documentation's table has them.
WIRE = {
    ("ABCD", 2): "AB", ("ABCD", 4): "ABCD", ("ABCD", 8): "ABCDEFGH",
    ("DCBA", 2): "BA", ("DCBA", 4): "DCBA", ("DCBA", 8): "HGFEDCBA",
    ("BADC", 2): "BA", ("BADC", 4): "BADC", ("BADC", 8): "BADCFEHG",
    ("CDAB", 2): "AB", ("CDAB", 4): "CDAB", ("CDAB", 8): "GHEFCDAB",
}  # fmt: skip
FOUR: tuple[ByteOrder, ...] = ("ABCD", "DCBA", "BADC", "CDAB")
EIGHT: list[ByteOrder] = [order for order in get_args(ByteOrder) if len(order) == 8]


def wire(value: bytes, order: str) -> bytes:
    """Put a value's bytes, most significant first, on the wire."""
    letters = WIRE.get((order, len(value)), order)
    return bytes(value["ABCDEFGH".index(letter)] for letter in letters)


def read(point: Point, data: bytes, block: Block) -> float | None:
    (raw,) = Extractor(block, [point])(data)
    return raw


def in_block(value: bytes, before: int) -> tuple[bytes, Block, int]:
    """Return a block that has the value after some other registers, and before one more."""
    data = b"\xa5\x5a" * before + value + b"\x3c\xc3"
    return data, Block(3, 100, len(data) // 2), 100 + before


@pytest.mark.parametrize(
    ("kind", "letter", "low", "high"),
    [
        ("uint16", "H", 0, 2**16 - 1),
        ("int16", "h", -(2**15), 2**15 - 1),
        ("uint32", "I", 0, 2**32 - 1),
        ("int32", "i", -(2**31), 2**31 - 1),
        ("uint64", "Q", 0, 2**64 - 1),
        ("int64", "q", -(2**63), 2**63 - 1),
    ],
)
@given(data=st.data(), before=st.integers(0, 5))
def test_whole_numbers_in_every_order(
    kind: RegisterType, letter: str, low: int, high: int, data: st.DataObject, before: int
) -> None:
    number = data.draw(st.integers(low, high))
    value = struct.pack(">" + letter, number)
    orders = [*FOUR, *(EIGHT if len(value) == 8 else ())]
    order = data.draw(st.sampled_from(orders))
    wired, block, address = in_block(wire(value, order), before)
    point = Point(address=address, type=kind, order=order)
    assert read(point, wired, block) == number


@pytest.mark.parametrize(("kind", "letter"), [("float16", "e"), ("float32", "f"), ("float64", "d")])
@given(data=st.data(), before=st.integers(0, 5))
def test_floats_in_every_order(
    kind: RegisterType, letter: str, data: st.DataObject, before: int
) -> None:
    size = struct.calcsize(letter)
    value = data.draw(st.binary(min_size=size, max_size=size))
    (number,) = struct.unpack(">" + letter, value)
    order = data.draw(st.sampled_from(FOUR))
    wired, block, address = in_block(wire(value, order), before)
    found = read(Point(address=address, type=kind, order=order), wired, block)
    assert found == number or (math.isnan(number) and found is not None and math.isnan(found))


@pytest.mark.parametrize(("kind", "digits"), [("bcd16", 4), ("bcd32", 8), ("bcd64", 16)])
@given(data=st.data())
def test_binary_coded_decimals(kind: RegisterType, digits: int, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, 10**digits - 1))
    order = data.draw(st.sampled_from(FOUR))
    value = bytes.fromhex(f"{number:0{digits}d}")
    wired, block, address = in_block(wire(value, order), 1)
    assert read(Point(address=address, type=kind, order=order), wired, block) == number


@given(word=st.integers(0, 0xFFFF), low=st.integers(0, 15), more=st.integers(0, 15))
def test_bit_fields_are_counted_from_the_least_significant(word: int, low: int, more: int) -> None:
    high = min(low + more, 15)
    text = f"{word:016b}"
    expected = int(text[15 - high : 16 - low], 2)
    point = Point(address=0, bits=(low, high))
    assert read(point, struct.pack(">H", word), Block(3, 0, 1)) == expected


@pytest.mark.parametrize(
    ("kind", "order", "expected"),
    [
        ("uint8_high", "ABCD", 0xF1),
        ("uint8_low", "ABCD", 0x02),
        ("int8_high", "ABCD", 0xF1 - 256),
        ("int8_low", "ABCD", 2),
        ("uint8_high", "BADC", 0x02),
        ("uint8_low", "BA", 0xF1),
        ("uint8_high", "CDAB", 0xF1),
    ],
)
def test_halves_of_a_register(kind: RegisterType, order: ByteOrder, expected: int) -> None:
    point = Point(address=7, type=kind, order=order)
    assert read(point, b"\x00\x00\xf1\x02", Block(3, 6, 2)) == expected


@pytest.mark.parametrize(
    ("kind", "order", "length", "data"),
    [
        ("string", "ABCD", 3, b"-12.5 "),
        ("string", "BADC", 3, b"1-.2 5"),
        ("string", "DCBA", 3, b"1-.2 5"),
        ("string", "CDAB", 3, b"-12.5\x00"),
        ("string_low", "ABCD", 5, b"\x00-\x001\x002\x00.\x005"),
        ("string_high", "ABCD", 5, b"-\x001\x002\x00.\x005\x00"),
        ("string_high", "BA", 5, b"\x00-\x001\x002\x00.\x005"),
    ],
)
def test_numbers_in_characters(
    kind: RegisterType, order: ByteOrder, length: int, data: bytes
) -> None:
    point = Point(address=0, type=kind, order=order, length=length)
    assert read(point, data, Block(3, 0, len(data) // 2)) == -12.5


@pytest.mark.parametrize("text", [b"", b"  ", b"1.2.3", b"nan", b"inf", b"0x10", b"1_0", b"\xff1"])
def test_text_that_is_no_number_is_not_a_number(text: bytes) -> None:
    assert math.isnan(number_of_text(text))


@pytest.mark.parametrize(("raw", "number"), [(0, 0), (0x1234, 1234), (0x0099, 99)])
def test_decimals_read_as_they_look(raw: int, number: int) -> None:
    assert number_of_bcd(raw) == number


def test_a_hexadecimal_digit_is_no_decimal() -> None:
    assert math.isnan(number_of_bcd(0x12A4))


@given(bits=st.lists(st.booleans(), min_size=1, max_size=40), start=st.integers(0, 60_000))
def test_coils_come_eight_to_a_byte_the_first_lowest(bits: list[bool], start: int) -> None:
    number = sum(bit << index for index, bit in enumerate(bits))
    data = number.to_bytes((len(bits) + 7) // 8, "little")
    points = [Point(address=start + index, type="bit", function=1) for index in range(len(bits))]
    found = Extractor(Block(1, start, len(bits)), points)(data)
    assert list(found) == [int(bit) for bit in bits]


def test_no_answer_is_nothing_for_every_point() -> None:
    points = [Point(address=0), Point(address=1)]
    assert list(Extractor(Block(3, 0, 2), points)(None)) == [None, None]


def test_an_answer_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="3 bytes of data; this request is answered by 4"):
        Extractor(Block(3, 0, 2), [Point(address=0)])(b"\x00\x01\x02")


def test_a_block_that_nobody_needs_yields_nothing() -> None:
    assert list(Extractor(Block(3, 0, 2), [])(bytes(4))) == []


@pytest.mark.parametrize(
    ("block", "size"),
    [(Block(3, 0, 125), 250), (Block(4, 9, 1), 2), (Block(1, 0, 8), 1), (Block(2, 0, 9), 2)],
)
def test_the_size_of_an_answer(block: Block, size: int) -> None:
    assert data_size(block) == size


@pytest.mark.parametrize(("order", "width"), [("AB", 4), ("ABCDEFGH", 4), ("ABCDEFGH", 2)])
def test_an_order_of_another_width_is_refused(order: str, width: int) -> None:
    with pytest.raises(ValueError, match=f"order {order} does not fit a value of {8 * width} bits"):
        permutation(order, width)


def test_places_are_those_of_the_bytes_most_significant_first() -> None:
    point = Point(address=12, type="uint32", order="CDAB")
    assert byte_places(point, 10) == [6, 7, 4, 5]
