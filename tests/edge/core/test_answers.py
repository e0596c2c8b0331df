"""Only the exact answer to the request is ever taken for one."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.errors import TransportError
from edge.core.answers import MOST_NOISE, Clutter, echoed, read_answer, split_at_answer
from edge.core.modbus import (
    EXCEPTIONS,
    WRITES,
    Disturbed,
    Framing,
    Refused,
    Request,
    build_adu,
    crc16,
)
from tests.edge.core.modbus_kit import (
    Exchange,
    exchanges,
    mutate,
    requests,
    right_body,
    sound,
    wrap,
)

HOLDING = Request(unit_id=1, function=3, address=0, count=1)
RIGHT = wrap(bytes.fromhex("0103020257"), Framing.RTU)
DATA = bytes.fromhex("0257")
MUTATIONS = 1_000  # of each example, so that 100,000 take seconds


def test_a_published_answer_is_read_as_published() -> None:
    """MODBUS Application Protocol v1.1b3 §6.3: registers 108..110 of a device are 555, 0, 100."""
    request = Request(unit_id=17, function=3, address=107, count=3)
    answer = wrap(bytes.fromhex("110306022b00000064"), Framing.RTU)
    assert read_answer(request, Framing.RTU, answer) == bytes.fromhex("022b00000064")


@given(exchanges())
def test_the_right_answer_is_taken(exchange: Exchange) -> None:
    request, framing, transaction_id, data, answer = exchange
    assert read_answer(request, framing, answer, transaction_id) == data


@given(exchanges())
def test_part_of_an_answer_is_waited_for(exchange: Exchange) -> None:
    request, framing, transaction_id, _, answer = exchange
    for end in range(len(answer)):
        assert read_answer(request, framing, answer[:end], transaction_id) is None


@given(exchanges(Framing.TCP), st.binary(min_size=1, max_size=20))
def test_over_tcp_any_byte_after_the_answer_spoils_it(exchange: Exchange, more: bytes) -> None:
    request, framing, transaction_id, _, answer = exchange
    with pytest.raises(Disturbed, match="after the answer"):
        read_answer(request, framing, answer + more, transaction_id)


@given(exchanges(Framing.RTU), st.binary(max_size=20))
def test_after_an_rtu_answer_what_may_be_a_frame_spoils_it(exchange: Exchange, more: bytes) -> None:
    request, _, _, data, answer = exchange
    if len(more) <= MOST_NOISE:
        assert read_answer(request, Framing.RTU, answer + more) == data
    else:
        with pytest.raises(Disturbed, match="after the answer"):
            read_answer(request, Framing.RTU, answer + more)


@given(exchanges(), exchanges())
def test_two_answers_glued_are_none(one: Exchange, other: Exchange) -> None:
    request, framing, transaction_id, _, answer = one
    with pytest.raises(TransportError):
        read_answer(request, framing, answer + other.answer, transaction_id)


@given(exchanges(Framing.RTU), st.binary(max_size=12))
def test_noise_before_an_answer_is_skipped_as_long_as_it_can_be_no_frame(
    exchange: Exchange, noise: bytes
) -> None:
    request, _, _, data, answer = exchange
    try:
        taken = read_answer(request, Framing.RTU, noise + answer)
    except Disturbed:
        taken = None
    assert taken in (None, data)
    if len(noise) > MOST_NOISE:
        assert taken is None
    elif request.unit_id not in noise:
        assert taken == data


@given(exchanges(Framing.RTU))
def test_the_echo_of_ones_own_request_is_skipped(exchange: Exchange) -> None:
    request, _, _, data, answer = exchange
    echo = build_adu(request, Framing.RTU)
    known = Clutter(echoes=True)
    for end in range(len(echo + answer)):
        assert read_answer(request, Framing.RTU, (echo + answer)[:end], 0, known) is None
    assert read_answer(request, Framing.RTU, echo + answer, 0, known) == data
    assert read_answer(request, Framing.RTU, b"\0\xff" + echo + b"\0" + answer, 0, known) == data
    assert echoed(request, echo)
    if request.function not in WRITES:  # there an echo needs not be known of before
        assert read_answer(request, Framing.RTU, echo + answer) == data
        assert echoed(request, answer) == (echo in answer)


def test_on_a_line_that_echoes_one_copy_of_a_write_is_no_answer() -> None:
    write = Request(unit_id=1, function=6, address=0x10, value=5)
    adu = build_adu(write, Framing.RTU)
    assert read_answer(write, Framing.RTU, adu) == b""
    assert read_answer(write, Framing.RTU, adu, 0, Clutter(echoes=True)) is None
    assert read_answer(write, Framing.RTU, adu + adu, 0, Clutter(echoes=True)) == b""


def test_an_echo_whose_beginning_looks_like_an_answer_is_waited_for() -> None:
    """Reads of one register at 0x02xx: of some, the echo begins as a sound answer would."""
    reads = [
        Request(unit_id=unit, function=function, address=0x0200 + low)
        for unit in range(1, 248)
        for function in (3, 4)
        for low in range(256)
    ]
    tricky = [r for r in reads if crc16(build_adu(r, Framing.RTU)[:7]) == 0]
    assert tricky
    whole = Request(unit_id=1, function=1, address=0x0317, count=24)  # 3 bytes: all of the echo
    for read in (*tricky, whole):
        echo = build_adu(read, Framing.RTU)
        for end in range(len(echo) + 1):
            assert read_answer(read, Framing.RTU, echo[:end]) is None


@given(exchanges(Framing.RTU), exchanges(Framing.RTU))
def test_the_late_answer_of_another_unit_is_skipped(one: Exchange, late: Exchange) -> None:
    if one.request.unit_id == late.request.unit_id:
        return
    clutter = Clutter(late=(late.request,))
    both = late.answer + one.answer
    assert read_answer(one.request, Framing.RTU, both, 0, clutter) == one.data
    for end in range(len(late.answer) + 1):
        assert read_answer(one.request, Framing.RTU, both[:end], 0, clutter) is None
    with pytest.raises(Disturbed):  # nobody asked for that one
        read_answer(one.request, Framing.RTU, late.answer + one.answer)


@given(exchanges(Framing.RTU), st.binary(max_size=8), st.binary(max_size=8))
def test_a_late_answer_is_found_among_what_came_unasked(
    late: Exchange, before: bytes, after: bytes
) -> None:
    assert split_at_answer(late.request, before + late.answer + after) == (before, after)
    assert split_at_answer(late.request, late.answer[:-1]) is None
    assert split_at_answer(late.request, b"") is None


HEARTBEATS = Clutter(packets=(b"DTU-0001", b"\xfe\xfe"))


@pytest.mark.parametrize(
    "received",
    [
        pytest.param(b"DTU-0001" + RIGHT, id="before"),
        pytest.param(RIGHT + b"DTU-0001", id="after"),
        pytest.param(RIGHT + b"DTU-000", id="after, its end yet to come"),
        pytest.param(b"\xfe\xfeDTU-0001\xfe\xfe" + RIGHT + b"\xfe\xfe\xfe\xfe\xfe\xfe", id="many"),
        pytest.param(b"\0DTU-0001\0" + RIGHT, id="noise besides"),
    ],
)
def test_what_a_dtu_sends_of_its_own_accord_is_skipped(received: bytes) -> None:
    assert read_answer(HOLDING, Framing.RTU, received, 0, HEARTBEATS) == DATA
    with pytest.raises(Disturbed):
        read_answer(HOLDING, Framing.RTU, b"DTU-0002" + RIGHT, 0, HEARTBEATS)


def test_part_of_a_heartbeat_is_waited_for() -> None:
    for end in range(len(b"DTU-0001")):
        assert read_answer(HOLDING, Framing.RTU, b"DTU-0001"[:end], 0, HEARTBEATS) is None


def test_packets_are_taken_out_of_what_came_unasked() -> None:
    assert HEARTBEATS.without_packets(b"a\xfe\xfeDTU-0001bDTU-") == b"ab"
    assert HEARTBEATS.without_packets(RIGHT) == RIGHT


def test_a_heartbeat_that_looks_like_the_answer_does_not_hide_it() -> None:
    clutter = Clutter(packets=(b"\x01\x03", b"\x01\x03\x02\x02\x57\xf8"))
    assert read_answer(HOLDING, Framing.RTU, RIGHT, 0, clutter) == DATA


def test_an_answer_within_another_ones_frame_is_none() -> None:
    """A frame of another unit whose end is, bit by bit, the right answer: CRC and all."""
    prefix = next(
        head
        for d in range(0x1000000)
        if sound(wrapped := (head := b"\x02" + d.to_bytes(3, "big")) + RIGHT) and wrapped
    )
    with pytest.raises(Disturbed):
        read_answer(HOLDING, Framing.RTU, prefix + RIGHT)


@settings(max_examples=100)
@given(exchanges(), st.integers(0, 2**32))
def test_100_000_mutated_answers_are_never_taken_unless_the_right_one_is_in_them(
    exchange: Exchange, seed: int
) -> None:
    request, framing, transaction_id, _, answer = exchange
    chance = random.Random(seed)
    for _ in range(MUTATIONS):
        spoiled = mutate(answer, chance)
        try:
            data = read_answer(request, framing, spoiled, transaction_id)
        except TransportError:
            continue
        if data is None:
            continue
        # TCP has no checksum of its own: other data in a right frame is what the device said.
        assert len(data) == request.data_size
        right = wrap(right_body(request, data), framing, transaction_id)
        if framing is Framing.TCP:
            assert spoiled == right
        else:
            rest = spoiled.replace(build_adu(request, Framing.RTU), b"", 1)
            assert right in spoiled
            assert min(len(spoiled), len(rest)) <= len(right) + 3 * MOST_NOISE


@settings(max_examples=500)
@given(exchanges(Framing.RTU), st.integers(0, 2**32))
@example(Exchange(HOLDING, Framing.RTU, 0, DATA, RIGHT), 0)
def test_a_damaged_rtu_answer_with_a_wrong_crc_is_never_taken(
    exchange: Exchange, seed: int
) -> None:
    chance = random.Random(seed)
    spoiled = bytearray(exchange.answer)
    for _ in range(chance.randint(1, 4)):
        spoiled[chance.randrange(len(spoiled))] ^= chance.randint(1, 255)
    if sound(bytes(spoiled)):
        return
    try:
        taken = read_answer(exchange.request, Framing.RTU, bytes(spoiled))
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


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param("02 03 02 0257", "unit 2", id="another unit"),
        pytest.param("01 04 02 0257", "function 4", id="another function"),
        pytest.param("01 03 00", "0 bytes of data", id="no registers"),
        pytest.param("01 03 04 0257 0000", "4 bytes", id="too many registers"),
        pytest.param("01 84 02", "function 132", id="another one's exception"),
    ],
)
def test_what_is_wrong_on_an_rtu_line_is_said(answer: str, why: str) -> None:
    with pytest.raises(Disturbed, match=why):
        read_answer(HOLDING, Framing.RTU, wrap(bytes.fromhex(answer), Framing.RTU))


def test_the_echo_of_a_write_must_be_the_write() -> None:
    write = Request(unit_id=1, function=6, address=0x10, value=5)
    assert read_answer(write, Framing.TCP, build_adu(write, Framing.TCP, 9), 9) == b""
    other = build_adu(Request(unit_id=1, function=6, address=0x10, value=6), Framing.TCP, 9)
    with pytest.raises(Disturbed, match="echo"):
        read_answer(write, Framing.TCP, other, 9)
