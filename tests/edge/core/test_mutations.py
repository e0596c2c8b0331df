"""100,000 damaged HJ 212 frames and 100,000 damaged Modbus answers: no crash, no false good value.

Damage is seeded and comes in chunks, so that one that fails can be run alone. What is sound is
decided here, by the standards' own loops, not by the code under test.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable, Iterator, Sequence

import pytest

from contract.quality import Quality
from contract.readings import Reading
from device_profiles.core.decode import compile_decoder
from device_profiles.loader import load_profile
from edge.core.answers import read_answer
from edge.core.hj212_session import Reported, Session, SetAside
from edge.core.modbus import Disturbed, Framing, Refused, Request
from edge.core.normalise import normalise
from edge.core.plan import TCP_COST, plan_blocks
from edge.core.validate import validate
from edge.devices import build_device
from edge.options import DeviceOptions
from edge.ports import Report
from edge.reports import ReportReader
from tests.edge.core.hj212_kit import CHINA, MN, NOW_MS, frame, is_sound, known

CHUNKS, PER_CHUNK = 10, 10_000


def damaged(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """Damage bytes once to four times: flips, other bytes, gaps, repetitions, a foreign piece."""
    ways: Sequence[Callable[[bytearray, int], object]] = (
        lambda b, at: b.__setitem__(at, b[at] ^ 1 << dice.randrange(8)),
        lambda b, at: b.__setitem__(at, dice.randrange(256)),
        lambda b, at: b.__setitem__(at, dice.choice(b"0123456789ABCDEF.;,=&#\r\n")),
        lambda b, at: b.__delitem__(slice(at, at + dice.randrange(1, 4))),
        lambda b, at: b.insert(at, dice.randrange(256)),
        lambda b, at: b.__setitem__(slice(at, at), b[at : at + dice.randrange(1, 9)]),
        lambda b, at: b.__setitem__(slice(at, at + 8), other[at : at + 8]),
        lambda b, at: b.__delitem__(slice(at, None)),
        lambda b, at: b.__iadd__(other) if at % 3 == 0 else b.reverse(),
    )
    found = bytearray(data)
    while bytes(found) == data:
        for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 4))):
            if found:
                dice.choice(ways)(found, dice.randrange(len(found)))
    return bytes(found)


# HJ 212

STATION = build_device(
    DeviceOptions(id="noise-01", profile="noise/hj212-noise-station", bus="b", address=MN),
    load_profile("noise/hj212-noise-station"),
    None,
)
FRAMES = (
    frame(),
    frame("DataTime=20261122120000;LA-Rtd=50.1,LA-Flag=N", flag=9),
    frame("DataTime=20261122115000;L5-Data=53.0;L10-Data=53.0;Leq-Data=50.0", cn="2051"),
    frame("DataTime=20261122115000;Leq-Data=50.0", cn="2051", flag=7, part="PNUM=1;PNO=1;"),
    frame("DataTime=20261122120000;LA-Rtd=50.1,LA-Flag=D"),
    frame("", cn="1013"),
    frame("QnRtn=1", cn="9011", st="91", flag=4),
)


def read_stations(data: bytes, size: int) -> list[Reading]:
    """Take bytes all the way to readings, in chunks of a size."""
    session, reader = Session(known(), CHINA), ReportReader([STATION])
    readings: list[Reading] = []
    for at in range(0, len(data), size):
        for event in session.receive(data[at : at + size], NOW_MS):
            assert not isinstance(event, SetAside) or event.data in data
            if isinstance(event, Reported):
                report = Report("b", event.device, NOW_MS, event.own_ms, event.frame)
                device, observed_ms, values = reader.read(report)
                fresh = normalise(device.id, observed_ms, values)
                readings += validate(fresh, device.ranges)
    answers = session.data_to_send()
    assert not answers or all(is_sound(b"##" + part) for part in answers.split(b"##")[1:])
    return readings


def sound_frames(data: bytes) -> Iterator[bytes]:
    """Find every piece of bytes that is a frame with the right length and check."""
    for head in re.finditer(rb"##(?=([0-9]{4}))", data):
        piece = data[head.start() : head.start() + 10 + int(head[1])]
        if is_sound(piece):
            yield piece


def test_the_frames_are_good_before_they_are_damaged() -> None:
    good = [r for data in FRAMES for r in read_stations(data, 7) if r.quality is Quality.NORMAL]
    assert len(good) == 6


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_damaged_frames_are_no_good_readings(chunk: int) -> None:
    dice = random.Random(f"hj212/{chunk}")
    passed = 0
    for _ in range(PER_CHUNK):
        data = damaged(dice, dice.choice(FRAMES), dice.choice(FRAMES))
        good = [
            r
            for r in read_stations(data, dice.choice((5, 64, 5_000)))
            if r.quality is Quality.NORMAL
        ]
        if good:
            told = b"".join(sound_frames(data))
            assert told, data
            for reading in good:
                assert reading.value is not None
                assert re.search(rb"=[+-]?0*%d(\.|[;,&])" % int(reading.value), told), data
            passed += not any(whole[:-2] in data for whole in FRAMES)
    # The check takes 256 values: that much damage gets by it, if all else happens to be in order.
    assert passed < PER_CHUNK / 256


# Modbus

PROFILE = load_profile("gas/pressure-transmitter-a")
assert PROFILE.modbus is not None
(BLOCK,) = plan_blocks(PROFILE.modbus, TCP_COST)
DECODER = compile_decoder(PROFILE, (BLOCK,))
REQUEST = Request(unit_id=7, function=BLOCK.function, address=BLOCK.address, count=BLOCK.count)
WORDS = [0, 0, 1, 3, 2100, 0, 10000][BLOCK.address : BLOCK.address + BLOCK.count]
BODY = bytes([7, BLOCK.function, 2 * len(WORDS)]) + struct.pack(f">{len(WORDS)}H", *WORDS)
TRANSACTION = 0x1234


def crc(data: bytes) -> int:
    """MODBUS over Serial Line v1.02 appendix B, bit by bit."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register, out = register >> 1, register & 1
            register ^= 0xA001 * out
    return register


def framed(body: bytes, framing: Framing) -> bytes:
    if framing is Framing.TCP:
        return struct.pack(">HHH", TRANSACTION, 0, len(body)) + body
    return body + struct.pack("<H", crc(body))


def readings_of(data: bytes, framing: Framing) -> list[Reading]:
    """Take an answer to readings; none for what is not believed."""
    try:
        answer = read_answer(REQUEST, framing, data, TRANSACTION)
    except (Disturbed, Refused):
        return []
    if answer is None:
        return []
    body = BODY[:3] + answer
    exact = framed(body, framing)
    # On an RTU line stray bytes may stand beside an answer; the answer itself is whole and sound.
    assert data == exact if framing is Framing.TCP else exact in data
    values = DECODER.decode([answer])
    return list(validate(normalise("gas-01", NOW_MS, values), PROFILE.ranges()))


@pytest.mark.parametrize("framing", Framing)
def test_the_answer_is_good_before_it_is_damaged(framing: Framing) -> None:
    (reading,) = readings_of(framed(BODY, framing), framing)
    assert (reading.value, reading.quality) == (2.1, Quality.NORMAL)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_damaged_answers_are_no_good_readings(chunk: int) -> None:
    dice = random.Random(f"modbus/{chunk}")
    framing = Framing.TCP if chunk < CHUNKS // 2 else Framing.RTU
    whole = framed(BODY, framing)
    foreign = framed(b"\x08" + BODY[1:], framing)
    for _ in range(PER_CHUNK):
        data = damaged(dice, whole, dice.choice((whole, foreign)))
        for reading in readings_of(data, framing):
            assert reading.value is not None or reading.quality is not Quality.NORMAL
            if framing is Framing.RTU and reading.quality is Quality.NORMAL:
                assert reading.value == 2.1, data
