"""Whole Modbus frames, as manuals print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from device_profiles.core.frames import crc16, exchange_of, request_of, unwrap
from device_profiles.core.values import Block
from device_profiles.schema import Exchange, Framing

# The maker's own example: Y504-DO v6.2 Modbus Instructions §2.2.4.
REQUEST = "01 03 26 00 00 04 4F 41"
ANSWER = "01 03 08 00 00 8D 41 00 00 8D 41 12 65"
DATA = bytes.fromhex("00 00 8D 41 00 00 8D 41")


def test_the_check_is_modbus_own() -> None:
    """MODBUS over serial line v1.02, appendix B: the CRC of 02 07 is 41 12 on the line."""
    assert crc16(b"\x02\x07") == 0x1241
    assert crc16(b"123456789") == 0x4B37


@pytest.mark.parametrize(
    ("request_hex", "answer_hex", "framing"),
    [
        (REQUEST, ANSWER, "rtu"),
        ("03 26 00 00 04", "03 08 00 00 8D 41 00 00 8D 41", "pdu"),
        (
            "00 07 00 00 00 06 01 03 26 00 00 04",
            "00 07 00 00 00 0B 01 03 08 00 00 8D 41 00 00 8D 41",
            "tcp",
        ),
    ],
)
def test_an_exchange_in_every_framing(request_hex: str, answer_hex: str, framing: Framing) -> None:
    exchange = Exchange(request=request_hex, frame=answer_hex)
    assert exchange_of(exchange, framing) == (Block(3, 0x2600, 4), DATA)


@pytest.mark.parametrize(
    ("request_hex", "answer_hex", "framing", "why"),
    [
        (REQUEST, ANSWER.replace("12 65", "12 66"), "rtu", "CRC is 12 66; computed 12 65"),
        (REQUEST, "01 03", "rtu", "2 bytes; a frame has at least 4"),
        ("03 26 00 00 04", "04 08 00", "pdu", "function 4 answers; 3 was asked"),
        ("03 26 00 00 04", "83 02", "pdu", "the answer is exception 02"),
        ("03 26 00 00 04", "03 06 00 00 8D 41 00 00", "pdu", "6 bytes of data, 6 announced"),
        ("03 26 00 00 04", "03 08 00 00 8D 41 00 00", "pdu", "6 bytes of data, 8 announced"),
        ("06 26 00 00 04", "06 26 00 00 04", "pdu", "is no request to read"),
        ("03 26 00 00", "03 08", "pdu", "is no request to read"),
        (
            "00 07 00 00 00 06 01 03 26 00 00 04",
            "00 07 00 00 00 0B 02 03 08 00 00 8D 41 00 00 8D 41",
            "tcp",
            "unit 2 answers; unit 1 was asked",
        ),
        (
            "00 07 00 00 00 07 01 03 26 00 00 04",
            "00 07 00 00 00 0B 01 03 08 00 00 8D 41 00 00 8D 41",
            "tcp",
            "length 7",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    request_hex: str, answer_hex: str, framing: Framing, why: str
) -> None:
    with pytest.raises(DecodeError, match=why):
        exchange_of(Exchange(request=request_hex, frame=answer_hex), framing)


@given(pdu=st.binary(min_size=2, max_size=30), unit=st.integers(0, 255))
def test_what_is_wrapped_is_unwrapped(pdu: bytes, unit: int) -> None:
    adu = bytes([unit]) + pdu
    assert unwrap(adu + crc16(adu).to_bytes(2, "little"), "rtu") == (unit, pdu)


@given(st.integers(1, 4), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_request_is_read_back(function: int, address: int, count: int) -> None:
    pdu = bytes([function]) + address.to_bytes(2, "big") + count.to_bytes(2, "big")
    assert request_of(pdu) == Block(function, address, count)


@given(frame=st.binary(max_size=40), framing=st.sampled_from(["rtu", "pdu", "tcp"]))
def test_no_bytes_break_it(frame: bytes, framing: Framing) -> None:
    exchange = Exchange(request=frame.hex(), frame=frame.hex())
    with pytest.raises(DecodeError):
        exchange_of(exchange, framing)
