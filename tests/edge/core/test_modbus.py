"""Only the exact answer to the request is ever taken for one."""

from __future__ import annotations

from typing import TypeAlias

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from contract.errors import TransportError
from edge.core.modbus import (
    BITS,
    EXCEPTIONS,
    MAX_COUNT,
    WRITES,
    Disturbed,
    Framing,
    Refused,
    Request,
    build_adu,
    crc16,
    read_answer,
)

# request, framing, transaction id, data or right answer, the bytes that came
Exchange: TypeAlias = tuple[Request, Framing, int, bytes, bytes]

HOLDING = Request(unit_id=1, function=3, address=0, count=1)


def wrap(body: bytes, framing: Framing, transaction_id: int) -> bytes:
    """Frame an answer as a device does, with pymodbus' CRC, not ours."""
    if framing is Framing.TCP:
        return transaction_id.to_bytes(2, "big") + b"\0\0" + len(body).to_bytes(2, "big") + body
    return body + FramerRTU.compute_CRC(body).to_bytes(2, "big")


def right_body(request: Request, data: bytes) -> bytes:
    if request.function in WRITES:
        return bytes([request.unit_id]) + request.pdu[:5]
    return bytes([request.unit_id, request.function, len(data)]) + data


@st.composite
def requests(draw: st.DrawFn) -> Request:
    function = draw(st.sampled_from(sorted(MAX_COUNT)))
    count = draw(st.integers(1, MAX_COUNT[function]))
    return Request(
        unit_id=draw(st.integers(1, 247)),
        function=function,
        address=draw(st.integers(0, 0x10000 - count)),
        count=count,
        value=draw(st.integers(0, 0xFFFF)) if function in WRITES else None,
    )


@st.composite
def exchanges(draw: st.DrawFn) -> Exchange:
    """A request, framing, transaction id, the data, and the right answer with that data."""
    request = draw(requests())
    framing = draw(st.sampled_from(list(Framing)))
    transaction_id = draw(st.integers(1, 0xFFFF)) if framing is Framing.TCP else 0
    data = draw(st.binary(min_size=request.data_size, max_size=request.data_size))
    answer = wrap(right_body(request, data), framing, transaction_id)
    return request, framing, transaction_id, data, answer


def test_published_frames_are_read_as_published() -> None:
    """MODBUS Application Protocol v1.1b3 §6.3: registers 108..110 of a device are 555, 0, 100."""
    request = Request(unit_id=17, function=3, address=107, count=3)
    assert request.pdu.hex() == "03006b0003"
    # The same exchange with unit id 17 and CRC, as simplymodbus.ca/FC03.htm prints the request.
    assert build_adu(request, Framing.RTU).hex() == "1103006b00037687"
    answer = bytes.fromhex("1103060022b0000064")
    data = read_answer(request, Framing.RTU, wrap(answer, Framing.RTU, 0))
    assert data == bytes.fromhex("0022b0000064")


def test_the_crc_is_that_of_the_serial_line_specification() -> None:
    """MODBUS over Serial Line v1.02 §6.2.2: 02 07 has CRC 41 12 on the line."""
    assert crc16(bytes.fromhex("0207")).to_bytes(2, "little").hex() == "4112"


@given(st.binary(max_size=260))
def test_the_crc_agrees_with_pymodbus(frame: bytes) -> None:
    assert crc16(frame).to_bytes(2, "little") == FramerRTU.compute_CRC(frame).to_bytes(2, "big")


@given(exchanges())
def test_the_right_answer_is_taken(exchange: Exchange) -> None:
    request, framing, transaction_id, data, answer = exchange
    assert read_answer(request, framing, answer, transaction_id) == data


@given(exchanges())
def test_part_of_an_answer_is_waited_for(exchange: Exchange) -> None:
    request, framing, transaction_id, _, answer = exchange
    for end in range(len(answer)):
        assert read_answer(request, framing, answer[:end], transaction_id) is None


@given(exchanges(), st.binary(min_size=1, max_size=20))
def test_bytes_after_the_answer_spoil_it(exchange: Exchange, more: bytes) -> None:
    request, framing, transaction_id, _, answer = exchange
    with pytest.raises(Disturbed, match="after the answer"):
        read_answer(request, framing, answer + more, transaction_id)


@given(exchanges(), exchanges())
def test_two_answers_glued_are_none(
    one: Exchange,
    other: Exchange,
) -> None:
    request, framing, transaction_id, _, answer = one
    with pytest.raises(TransportError):
        read_answer(request, framing, answer + other[4], transaction_id)


@st.composite
def mutations(draw: st.DrawFn) -> Exchange:
    """A right answer with bytes changed, removed, inserted or doubled."""
    request, framing, transaction_id, _, answer = draw(exchanges())
    spoiled = bytearray(answer)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(spoiled) - 1)))
        match draw(st.sampled_from(["change", "remove", "insert", "swap", "cut", "double"])):
            case "change" if spoiled:
                spoiled[at] ^= draw(st.integers(1, 255))
            case "remove":
                del spoiled[at : at + draw(st.integers(1, 4))]
            case "insert":
                spoiled[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "swap":
                spoiled[at : at + 2] = spoiled[at : at + 2][::-1]
            case "cut":
                del spoiled[at:]
            case _:
                spoiled += spoiled[at:]
    return request, framing, transaction_id, answer, bytes(spoiled)


@settings(max_examples=2_000)
@given(mutations())
def test_a_mutated_answer_is_never_taken_unless_it_is_another_right_one(
    mutation: Exchange,
) -> None:
    request, framing, transaction_id, _, spoiled = mutation
    try:
        data = read_answer(request, framing, spoiled, transaction_id)
    except TransportError:
        return
    if data is not None:
        # TCP has no checksum of its own: other data in a right frame is what the device said.
        assert len(data) == request.data_size
        assert spoiled == wrap(right_body(request, data), framing, transaction_id)


@settings(max_examples=2_000)
@given(mutations())
@example((HOLDING, Framing.RTU, 0, bytes.fromhex("010302025 7F8DA".replace(" ", "")), b""))
def test_a_mutated_rtu_answer_with_a_wrong_crc_is_never_taken(
    mutation: Exchange,
) -> None:
    request, framing, transaction_id, answer, spoiled = mutation
    if framing is Framing.TCP or len(spoiled) != len(answer):
        return
    if FramerRTU.compute_CRC(spoiled[:-2]).to_bytes(2, "big") == spoiled[-2:]:
        return
    try:
        taken = read_answer(request, framing, spoiled, transaction_id)
    except TransportError:
        return
    assert taken is None


@given(requests(), st.sampled_from(list(Framing)), st.integers(0, 255))
def test_an_exception_is_a_refusal_with_its_code(
    request: Request, framing: Framing, code: int
) -> None:
    body = bytes([request.unit_id, request.function | 0x80, code])
    with pytest.raises(Refused) as refusal:
        read_answer(request, framing, wrap(body, framing, 7), 7)
    assert refusal.value.code == code
    assert EXCEPTIONS.get(code, "unknown") in str(refusal.value)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param("0002 0000 0005 01 03 02 0257", "transaction 2", id="another transaction"),
        pytest.param("0000 0000 0005 01 03 02 0257", "transaction 0", id="transaction 0"),
        pytest.param("0007 0001 0005 01 03 02 0257", "protocol id 1", id="another protocol"),
        pytest.param("0007 0000 0006 01 03 02 0257", "length field 6", id="a wrong length"),
        pytest.param("0007 0000 0005 02 03 02 0257", "unit 2", id="another unit"),
        pytest.param("0007 0000 0005 01 04 02 0257", "function 4", id="another function"),
        pytest.param("0007 0000 0003 01 03 00", "0 bytes of data", id="no registers"),
        pytest.param("0007 0000 0007 01 03 04 0257 0000", "4 bytes", id="too many registers"),
        pytest.param("0007 0000 0006 01 03 00 00 00 01", "0 bytes of data", id="own echo"),
        pytest.param("0007 0000 0003 01 84 02", "function 132", id="another one's exception"),
    ],
)
def test_what_is_wrong_is_said(answer: str, why: str) -> None:
    with pytest.raises(Disturbed, match=why):
        read_answer(HOLDING, Framing.TCP, bytes.fromhex(answer), 7)


def test_the_echo_of_a_write_must_be_the_write() -> None:
    write = Request(unit_id=1, function=6, address=0x10, value=5)
    assert read_answer(write, Framing.TCP, build_adu(write, Framing.TCP, 9), 9) == b""
    other = build_adu(Request(unit_id=1, function=6, address=0x10, value=6), Framing.TCP, 9)
    with pytest.raises(Disturbed, match="echo"):
        read_answer(write, Framing.TCP, other, 9)


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
