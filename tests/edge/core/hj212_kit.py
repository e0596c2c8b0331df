"""Frames of HJ 212 stations, written apart from the code under test."""

from __future__ import annotations

import re
from datetime import timedelta, timezone

from edge.core.hj212_session import Event, Session, Station

CHINA = timezone(timedelta(hours=8))
MN = "010000A8900016F000169DC0"
NOW_MS = 1_795_320_000_000  # 2026-11-22T04:00:00Z: noon in China

# HJ 212-2017 annex A, and tables C.25 and its answer with length and check computed (domain facts).
ANNEX_A = (
    b"##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&RtdInterval=30&&1C80\r\n"
)
NOISE = (
    b"##0122QN=20160801085857223;ST=23;CN=2011;PW=123456;MN=010000A8900016F000169DC0;Flag=5;"
    b"CP=&&DataTime=20160801085857;LA-Rtd=50.1&&0880\r\n"
)
ACK = (
    b"##0087QN=20160801085857223;ST=91;CN=9014;PW=123456;MN=010000A8900016F000169DC0;Flag=4;"
    b"CP=&&&&3240\r\n"
)


def check(segment: bytes) -> int:
    """The standard's own loop, letter by letter (annex A)."""
    crc_reg = 0xFFFF
    for byte in segment:
        crc_reg = (crc_reg >> 8) ^ byte
        for _ in range(8):
            low = crc_reg & 0x0001
            crc_reg >>= 1
            if low == 0x0001:
                crc_reg ^= 0xA001
    return crc_reg


def framed(segment: str) -> bytes:
    """Frame any text, right or wrong."""
    data = segment.encode()
    return b"##%04d%b%04X\r\n" % (len(data), data, check(data))


def frame(
    cp: str = "DataTime=20261122120000;LA-Rtd=50.1",
    *,
    qn: str = "20261122120000123",
    st: str = "23",
    cn: str = "2011",
    pw: str = "123456",
    mn: str = MN,
    flag: int | str = 5,
    part: str = "",
) -> bytes:
    """Write a station's frame. part: e.g. PNUM=2;PNO=1;"""
    return framed(f"QN={qn};ST={st};CN={cn};PW={pw};MN={mn};Flag={flag};{part}CP=&&{cp}&&")


def is_sound(data: bytes) -> bool:
    """Whether length and check of a frame are right, by the standard's own loop."""
    match = re.fullmatch(rb"##([0-9]{4})(.*)([0-9A-Fa-f]{4})(\r\n)?", data, re.DOTALL)
    return (
        match is not None
        and int(match[1]) == len(match[2])
        and int(match[3], 16) == check(match[2])
    )


def session(**stations: str) -> Session:
    """A session that knows MN as noise-01 with PW 123456; or device -> "MN PW"."""
    return Session(known(**stations), CHINA)


def known(**stations: str) -> dict[str, Station]:
    told = stations or {"noise_01": f"{MN} 123456"}
    found = {}
    for device, words in told.items():
        mn, pw = words.split()
        name = device.replace("_", "-")
        found[mn.lower()] = Station(device=name, mn=mn.lower(), password=pw)
    return found


def exchange(peer: Session, data: bytes, now_ms: int = NOW_MS) -> tuple[list[Event], bytes]:
    """Let a session receive bytes; return its events and what it sends, all being on disk."""
    events = peer.receive(data, now_ms)
    answers = b"".join(getattr(event, "answer", b"") for event in events)
    return events, peer.data_to_send() + answers
