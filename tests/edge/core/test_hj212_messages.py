"""Headers: what is believed, what is answered to whom."""

from __future__ import annotations

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from edge.core.hj212_memory import Part
from edge.core.hj212_messages import (
    Peer,
    QnRtn,
    Refusal,
    check_message,
    local_ms,
    local_text,
    peer_of,
    write_answer,
    write_frame,
)
from tests.edge.core.hj212_kit import ACK, ANNEX_A, CHINA, MN, NOISE, frame

PASSWORDS = {MN.lower(): "123456", "zx00001": "abc"}


def segment(data: bytes) -> bytes:
    return data[6:-6]


def refused(data: bytes) -> tuple[QnRtn, str]:
    with pytest.raises(Refusal) as caught:
        check_message(segment(data), PASSWORDS)
    return caught.value.code, str(caught.value)


def test_the_standards_frames_are_written_to_the_byte() -> None:
    asked = Peer(qn="20160801085857223", pw="123456", mn=MN, flag=5)
    assert write_answer(asked, "9014") == ACK
    data = "DataTime=20160801085857;LA-Rtd=50.1"
    assert write_frame(asked, "23", "2011", 5, data) == NOISE
    centre = Peer(qn="20160801085857223", pw="100000", mn=MN, flag=5)
    assert write_frame(centre, "32", "1062", 5, "RtdInterval=30") == ANNEX_A


def test_a_station_is_believed() -> None:
    message, peer, part = check_message(segment(NOISE), PASSWORDS)
    assert (message.command, message.cp["LA-Rtd"], part) == ("2011", "50.1", None)
    assert peer == Peer(qn="20160801085857223", pw="123456", mn=MN, flag=5)
    assert peer.wants_answer


def test_an_mn_is_known_in_either_case() -> None:
    check_message(segment(frame(mn=MN.lower())), PASSWORDS)
    check_message(segment(frame(mn="ZX00001", pw="abc")), PASSWORDS)


@pytest.mark.parametrize(
    ("data", "code", "why"),
    [
        (frame(mn="F" * 24), QnRtn.STATION, "is no station of this bus"),
        (frame(mn="F-1"), QnRtn.STATION, "MN is 'F-1'"),
        (frame(pw="123457"), QnRtn.PASSWORD, "is not the one configured"),
        (frame(pw=""), QnRtn.PASSWORD, "is not the one configured"),
        (frame(mn="ZX00001", pw="123456"), QnRtn.PASSWORD, "PW of ZX00001"),
        (frame(qn="2026"), QnRtn.NUMBER, "QN is '2026'"),
        (frame(qn="20261322120000123"), QnRtn.NUMBER, "QN: "),
        (frame(st="2"), QnRtn.SYSTEM, "ST is '2'"),
        (frame(flag="five"), QnRtn.FLAG, "Flag is 'five'"),
        (frame(flag=1), QnRtn.FLAG, "Flag 1 is of version 0; known are 1 and 2"),
        (frame(flag=13), QnRtn.FLAG, "version 3"),
        (frame(flag=7), QnRtn.FLAG, "PNUM and PNO are missing"),
        (frame(flag=7, part="PNUM=2;"), QnRtn.FLAG, "PNO is missing"),
        (frame(flag=7, part="PNUM=2;PNO=3;"), QnRtn.FLAG, "part 3 of 2"),
        (frame(flag=7, part="PNUM=2;PNO=0;"), QnRtn.FLAG, "part 0 of 2"),
        (frame(flag=7, part="PNUM=9999;PNO=1;"), QnRtn.FLAG, "at most 64"),
        (frame(flag=5, part="PNUM=2;PNO=1;"), QnRtn.FLAG, "says no parts"),
        (frame(cn="1062"), QnRtn.COMMAND, "CN 1062 is none"),
        (frame(cn="20"), QnRtn.COMMAND, "CN is '20'"),
        (frame("LA-Rtd=50.1"), QnRtn.UNKNOWN, "DataTime is missing"),
        (frame("DataTime=20261322120000;LA-Rtd=1"), QnRtn.UNKNOWN, "DataTime: "),
        (frame("DataTime=2026-11-22 12:00:00;LA-Rtd=1"), QnRtn.UNKNOWN, "DataTime: "),
        (frame("DataTime=20261122120000;LA-Rtd"), QnRtn.UNKNOWN, "item 'LA-Rtd'"),
        (frame(part="XX=1;"), QnRtn.UNKNOWN, "unknown field 'XX'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_code(data: bytes, code: QnRtn, why: str) -> None:
    found, told = refused(data)
    assert found is code
    assert why in told


def test_the_2025_version_is_taken_and_answered_in_kind() -> None:
    _, peer, _ = check_message(segment(frame(flag=9)), PASSWORDS)
    assert peer.version == 2
    assert b";Flag=8;CP=&&&&" in write_answer(peer, "9014")


@pytest.mark.parametrize(
    ("flag", "part"), [(7, Part(1, 2)), (11, Part(1, 2)), (5, Part(1, 1)), (6, Part(1, 3))]
)
def test_parts_are_told(flag: int, part: Part) -> None:
    words = f"PNUM={part.of};PNO={part.number};"
    assert check_message(segment(frame(flag=flag, part=words)), PASSWORDS)[2] == part


def test_a_broken_frame_is_answered_if_it_can_be() -> None:
    broken = NOISE.replace(b"50.1", b"5x.1")
    assert peer_of(broken) == Peer(qn="20160801085857223", pw="123456", mn=MN, flag=5)
    assert peer_of(NOISE.replace(b"QN=2016", b"QN=x016")) is None
    assert peer_of(NOISE.replace(b"MN=01", b"MN=0-")) is None
    assert peer_of(NOISE.replace(b"Flag=5", b"Flag=x")) is not None


@pytest.mark.parametrize("pw", [b"12\xff456", b"12\x00456", b"12 456", b"1234567"])
def test_a_broken_password_is_not_told_back(pw: bytes) -> None:
    """A damaged byte of the PW came back as a character that is no ASCII, and broke the answer."""
    peer = peer_of(NOISE.replace(b"123456", pw))
    assert peer is not None
    assert b"PW=" not in write_answer(peer, "9011", "QnRtn=9")


def test_what_wants_no_answer_gets_none() -> None:
    assert peer_of(NOISE.replace(b"Flag=5", b"Flag=4")) is None
    assert peer_of(ACK) is None
    assert peer_of(ACK.replace(b"Flag=4", b"Flag=5")) is None
    assert peer_of(NOISE.replace(b"Flag=5", b"Flag=905")) is None


def test_the_password_told_back_is_the_one_that_came() -> None:
    peer = peer_of(frame(pw="wrong"))
    assert peer is not None
    assert b";PW=wrong;" in write_answer(peer, "9011", "QnRtn=3")


def test_times_are_of_the_stations_zone() -> None:
    assert local_ms("20160801085857", CHINA) == 1_470_013_137_000
    assert local_ms("20160801085857223", CHINA) == 1_470_013_137_223
    assert local_ms("20160801085857", ZoneInfo("Asia/Shanghai")) == 1_470_013_137_000
    assert local_ms("20160801085857", UTC) == 1_470_041_937_000
    assert local_text(1_470_013_137_223, CHINA) == "20160801085857223"


@pytest.mark.parametrize(
    "text", ["", "2016", "20160801085860", "20160230000000", "1" * 15, "٢" * 14]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        local_ms(text, CHINA)
