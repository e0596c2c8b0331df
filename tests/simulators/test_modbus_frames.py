"""The simulators' own Modbus bytes, against published frames and against damage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import DecodeError
from simulators.modbus_frames import (
    ExceptionCode,
    Frame,
    Framing,
    answer,
    answer_write,
    asked_for,
    crc16,
    refuse,
    take,
    wrap,
)

IMAGE = {3: {0x6B: 0x022B, 0x6C: 0x0000, 0x6D: 0x0064}, 1: dict.fromkeys(range(0x13, 0x26), 1)}

frames = st.builds(
    Frame,
    unit=st.integers(0, 255),
    pdu=st.builds(
        lambda function, body: bytes([function]) + body,
        st.sampled_from([1, 2, 3, 4]),
        st.binary(min_size=4, max_size=4),
    ),
    transaction=st.integers(0, 0xFFFF),
)


def test_crc_of_a_frame_that_others_publish() -> None:
    # 01 03 00 00 00 0A C5 CD is the read of ten registers that most Modbus tutorials print.
    assert crc16(bytes.fromhex("01030000000A")) == 0xCDC5
    assert crc16(b"123456789") == 0x4B37  # the catalogue of CRC algorithms' check value


def test_answer_to_the_specifications_own_example() -> None:
    # MODBUS Application Protocol v1.1b3 §6.3: read registers 108 to 110.
    assert answer(bytes.fromhex("03006B0003"), IMAGE) == bytes.fromhex("0306022B00000064")


def test_coils_are_packed_lowest_bit_first() -> None:
    # 19 coils, all on: two whole bytes and three bits.
    assert answer(bytes.fromhex("0100130013"), IMAGE) == bytes.fromhex("0103FFFF07")


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("0400000001", ExceptionCode.ILLEGAL_FUNCTION),
        ("2B0E0100", ExceptionCode.ILLEGAL_FUNCTION),
        ("03006B0004", ExceptionCode.ILLEGAL_ADDRESS),
        ("03006A0001", ExceptionCode.ILLEGAL_ADDRESS),
        ("03006B0000", ExceptionCode.ILLEGAL_VALUE),
        ("03006B007E", ExceptionCode.ILLEGAL_VALUE),
        ("03006B", ExceptionCode.ILLEGAL_VALUE),
    ],
)
def test_what_cannot_be_read_is_refused(pdu: str, code: ExceptionCode) -> None:
    request = bytes.fromhex(pdu)
    assert answer(request, IMAGE) == bytes([request[0] | 0x80, code])


def test_only_named_registers_are_written() -> None:
    request = bytes.fromhex("0600010003")
    assert answer_write(request, {(6, 1)}) == request
    assert answer_write(request, {(6, 2)}) == refuse(6, ExceptionCode.ILLEGAL_ADDRESS)
    assert answer_write(b"\x06\x00", {(6, 0)}) == refuse(6, ExceptionCode.ILLEGAL_VALUE)
    several = bytes.fromhex("10000100020400010002")
    assert answer_write(several, {(16, 1)}) == bytes.fromhex("1000010002")


def test_what_a_request_asks_for() -> None:
    assert asked_for(bytes.fromhex("03006B0003")) == range(0x6B, 0x6E)
    assert asked_for(bytes.fromhex("0600010003")) is None


@given(frames, st.sampled_from(Framing))
def test_a_wrapped_request_is_taken_whole_and_only_when_whole(
    frame: Frame, framing: Framing
) -> None:
    data = wrap(frame, framing)
    buffer = bytearray()
    for byte in data[:-1]:
        buffer.append(byte)
        assert take(buffer, framing) is None
    buffer.append(data[-1])
    taken = take(buffer, framing)
    assert taken is not None
    assert (taken.unit, taken.pdu) == (frame.unit, frame.pdu)
    assert taken.transaction == (frame.transaction if framing is Framing.TCP else 0)
    assert not buffer


@given(st.lists(frames, min_size=2, max_size=4), st.sampled_from(Framing))
def test_requests_glued_together_are_taken_one_by_one(
    several: list[Frame], framing: Framing
) -> None:
    buffer = bytearray(b"".join(wrap(frame, framing) for frame in several))
    taken = [take(buffer, framing) for _ in several]
    assert [one.pdu for one in taken if one] == [frame.pdu for frame in several]


@given(st.binary(max_size=5), frames)
def test_rtu_finds_the_request_after_noise(noise: bytes, frame: Frame) -> None:
    buffer = bytearray(noise + wrap(frame, Framing.RTU))
    taken = []
    while len(buffer) >= 4 and (one := take(buffer, Framing.RTU)):
        taken.append(one.pdu)
    # Noise may look like the head of a longer request, which then waits for more: silence ends it.
    assert taken in ([], [frame.pdu])


@given(st.binary(max_size=600), st.sampled_from(Framing))
def test_any_bytes_are_survived(data: bytes, framing: Framing) -> None:
    buffer = bytearray(data)
    try:
        while request := take(buffer, framing):
            answer(request.pdu, IMAGE)
            answer_write(request.pdu, {(6, 1)})
    except DecodeError:
        assert framing is Framing.TCP


def test_a_stream_that_is_no_modbus_is_given_up() -> None:
    with pytest.raises(DecodeError, match="protocol"):
        take(bytearray(b"GET / HTTP/1.1\r\n"), Framing.TCP)
