"""Requests are written as the specification has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from edge.core.modbus import BITS, Framing, Refused, Request, build_adu, crc16


def test_published_requests_are_written_as_published() -> None:
    """MODBUS Application Protocol v1.1b3 §6.3; simplymodbus.ca/FC03.htm has unit id and CRC."""
    request = Request(unit_id=17, function=3, address=107, count=3)
    assert request.pdu.hex() == "03006b0003"
    assert build_adu(request, Framing.RTU).hex() == "1103006b00037687"
    assert build_adu(request, Framing.TCP, 7).hex() == "0007000000061103006b0003"


def test_the_crc_is_that_of_the_serial_line_specification() -> None:
    """MODBUS over Serial Line v1.02 §6.2.2: 02 07 has CRC 41 12 on the line."""
    assert crc16(bytes.fromhex("0207")).to_bytes(2, "little").hex() == "4112"


@given(st.binary(max_size=260))
def test_the_crc_agrees_with_pymodbus(frame: bytes) -> None:
    assert crc16(frame).to_bytes(2, "little") == FramerRTU.compute_CRC(frame).to_bytes(2, "big")


@pytest.mark.parametrize(
    ("function", "address", "count", "value"),
    [
        (3, 0, 126, None),
        (3, 0, 0, None),
        (1, 0, 2001, None),
        (3, 0xFFFF, 2, None),
        (3, -1, 1, None),
        (43, 0, 1, None),
        (3, 0, 1, 7),
        (6, 0, 1, None),
    ],
)
def test_what_modbus_cannot_ask_cannot_be_asked(
    function: int, address: int, count: int, value: int | None
) -> None:
    with pytest.raises(ValueError):
        Request(unit_id=1, function=function, address=address, count=count, value=value)


def test_bits_are_counted_in_bytes() -> None:
    assert Request(unit_id=1, function=BITS[0], address=0, count=9).data_size == 2


@pytest.mark.parametrize(("code", "silent"), [(10, True), (11, True), (2, False), (6, False)])
def test_a_gateway_answers_for_a_silent_device_by_two_exceptions(code: int, silent: bool) -> None:
    """MODBUS Application Protocol v1.1b3 §7: 0A and 0B are a gateway's own."""
    assert Refused(code).for_silence is silent


@pytest.mark.parametrize(
    ("function", "count", "data"),
    [(16, 2, b"\0\0"), (16, 124, bytes(248)), (15, 9, b"\1"), (16, 1, b""), (3, 1, b"\0\0")],
)
def test_what_modbus_cannot_write_cannot_be_asked(function: int, count: int, data: bytes) -> None:
    with pytest.raises(ValueError):
        Request(unit_id=1, function=function, address=0, count=count, data=data)
