"""HJ 212's headers: checked on what stations send, written on what is sent to them.

Source: HJ 212-2017 §6.3.2 table 3, §6.6.3 table 7, §6.6.5 table 9, annex C.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from enum import IntEnum

import msgspec

from contract.errors import DecodeError
from device_profiles.core.hj212 import Frame, crc, parse_segment
from edge.core.hj212_memory import MAX_PARTS, TIME_KEY, Part

SYSTEM = "91"  # ST of the commands between station and centre
SET_CLOCK, ASK_CLOCK = "1012", "1013"
REQUEST_ANSWER, RESULT, NOTICE_ANSWER, DATA_ANSWER = "9011", "9012", "9013", "9014"
DATA = ("2011", "2051", "2061", "2031")
# Uploads that carry no reading: states, run times, boot, and what 3xxx and 10xx bring.
OTHERS = ("2021", "2041", "2081", "3015", "3017", "3018", "3019", "3020", "1011", "1061", "1063")
ANSWERS = (REQUEST_ANSWER, RESULT, NOTICE_ANSWER, DATA_ANSWER)
# Table 3: the standard's version in Flag's six upper bits; 2 is that of HJ 212-2025.
VERSIONS = (1, 2)
WANTS_ANSWER, IS_SPLIT = 1, 2

_TIME = re.compile(r"(?:19[7-9]|20[0-9]|21[0-9])[0-9]{11}(?:[0-9]{3})?")
_KEYS = {"QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO"}
FIELD = {
    "QN": re.compile(r"[0-9]{17}"),
    "ST": re.compile(r"[0-9A-Z]{2}"),
    "CN": re.compile(r"[0-9]{4}"),
    "PW": re.compile(r"(?:(?![#&,;=])[!-~]){1,6}"),
    "MN": re.compile(r"[0-9A-Za-z]{1,24}"),
    "Flag": re.compile(r"[0-9]{1,3}"),
    "PNUM": re.compile(r"[0-9]{1,4}"),
    "PNO": re.compile(r"[0-9]{1,4}"),
}
_ANYWHERE = {key: re.compile(rf"(?:^|[;#0-9]){key}=({f.pattern});") for key, f in FIELD.items()}


class QnRtn(IntEnum):
    """Table 7: what a request answer says."""

    READY = 1
    REFUSED = 2
    PASSWORD = 3
    STATION = 4
    SYSTEM = 5
    FLAG = 6
    NUMBER = 7
    COMMAND = 8
    CHECK = 9
    UNKNOWN = 100


class Refusal(DecodeError):
    """A frame that is not believed, and what its sender is told."""

    def __init__(self, code: QnRtn, why: str) -> None:
        super().__init__(why)
        self.code = code


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom an answer is for, in the words of the frame that it answers. flag: that frame's."""

    qn: str
    pw: str
    mn: str
    flag: int

    @property
    def wants_answer(self) -> bool:
        """Whether the frame asked to be answered."""
        return bool(self.flag & WANTS_ANSWER)

    @property
    def version(self) -> int:
        """The standard's version that it speaks; the first, where the frame is damaged there."""
        return self.flag >> 2 if self.flag >> 2 in VERSIONS else VERSIONS[0]


def check_message(segment: bytes, passwords: Mapping[str, str]) -> tuple[Frame, Peer, Part | None]:
    """Take a data segment apart and check all of its header, and that data has a time.

    Args:    passwords: MN in small letters -> PW, of every station that may speak.
    Returns: the frame, whom to answer, and which part it is, if it is one.
    Raises:  Refusal with the first thing that is wrong: syntax, MN, PW, QN, ST, Flag, CN, DataTime.
    """
    frame = _parse(segment)
    header = frame.header
    if frame.station not in passwords:
        raise Refusal(QnRtn.STATION, f"MN {header['MN']} is no station of this bus")
    told = header.get("PW", "").encode()
    if not hmac.compare_digest(told, passwords[frame.station].encode()):
        raise Refusal(QnRtn.PASSWORD, f"PW of {header['MN']} is not the one configured")
    _check_field(header, "QN", QnRtn.NUMBER)
    _check_time(header["QN"], QnRtn.NUMBER, "QN")
    _check_field(header, "ST", QnRtn.SYSTEM)
    _check_field(header, "CN", QnRtn.COMMAND)
    part = _check_flag(header)
    if frame.command not in (*DATA, *OTHERS, *ANSWERS, ASK_CLOCK):
        raise Refusal(QnRtn.COMMAND, f"CN {frame.command} is none that stations send")
    if frame.command in DATA:
        _check_time(frame.cp.get(TIME_KEY), QnRtn.UNKNOWN, TIME_KEY)
    flag = int(header["Flag"])
    return frame, Peer(qn=header["QN"], pw=header["PW"], mn=header["MN"], flag=flag), part


def peer_of(data: bytes) -> Peer | None:
    """Find out whom to tell that a broken frame is refused; None if it cannot be told, or need not.

    Answers and frames that want none get none: two ends would send each other errors for ever.
    """
    text = data[:256].decode("ascii", "replace")
    found = {key: pattern.search(text) for key, pattern in _ANYWHERE.items()}
    told = {key: match[1] for key, match in found.items() if match is not None}
    flag = int(told.get("Flag", VERSIONS[0] << 2 | WANTS_ANSWER))
    if "QN" not in told or "MN" not in told or told.get("ST") == SYSTEM or flag > 255:
        return None
    peer = Peer(qn=told["QN"], pw=told.get("PW", ""), mn=told["MN"], flag=flag)
    return peer if peer.wants_answer else None


def write_answer(peer: Peer, command: str, cp: str = "") -> bytes:
    """Write an answer: ST 91, the QN, PW, MN and version of the frame that is answered."""
    return write_frame(peer, SYSTEM, command, peer.version << 2, cp)


def write_frame(peer: Peer, system: str, command: str, flag: int, cp: str) -> bytes:
    """Write a whole frame, length, check and CR LF included."""
    password = f"PW={peer.pw};" if peer.pw else ""
    segment = (
        f"QN={peer.qn};ST={system};CN={command};{password}MN={peer.mn};Flag={flag};CP=&&{cp}&&"
    ).encode("ascii")
    return b"##%04d%b%04X\r\n" % (len(segment), segment, crc(segment))


def local_ms(text: str, zone: tzinfo) -> int:
    """Return YYYYMMDDhhmmss[zzz] of the station's zone in UTC milliseconds.

    Raises: ValueError if it is no such time, or one before clocks began to count.
    """
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text[:20]!r} is not YYYYMMDDhhmmss")
    at = datetime.strptime(text[:14], "%Y%m%d%H%M%S").replace(tzinfo=zone)
    return round(at.timestamp()) * 1000 + int(text[14:] or 0)


def local_text(at_ms: int, zone: tzinfo) -> str:
    """Return UTC milliseconds as YYYYMMDDhhmmsszzz in the station's zone."""
    at = datetime.fromtimestamp(at_ms // 1000, zone)
    return f"{at:%Y%m%d%H%M%S}{at_ms % 1000:03d}"


def _parse(segment: bytes) -> Frame:
    try:
        frame = parse_segment(segment)
    except DecodeError as error:
        named = _ANYWHERE["MN"].search(segment.decode("ascii", "replace"))
        raise Refusal(QnRtn.UNKNOWN if named else QnRtn.STATION, str(error)) from error
    strange = sorted(frame.header.keys() - _KEYS)
    if strange:
        raise Refusal(QnRtn.UNKNOWN, f"unknown field {strange[0][:20]!r} before CP")
    return frame


def _check_field(header: dict[str, str], key: str, code: QnRtn) -> None:
    told = header.get(key, "")
    if not FIELD[key].fullmatch(told):
        raise Refusal(code, f"{key} is {told[:24]!r}" if told else f"{key} is missing")


def _check_time(told: str | None, code: QnRtn, key: str) -> None:
    try:
        local_ms(told or "", UTC)
    except ValueError as error:
        raise Refusal(code, f"{key}: {error}" if told else f"{key} is missing") from error


def _check_flag(header: dict[str, str]) -> Part | None:
    _check_field(header, "Flag", QnRtn.FLAG)
    flag = int(header["Flag"])
    if flag >> 2 not in VERSIONS:
        raise Refusal(QnRtn.FLAG, f"Flag {flag} is of version {flag >> 2}; known are 1 and 2")
    if "PNUM" not in header and "PNO" not in header:
        if flag & IS_SPLIT:
            raise Refusal(QnRtn.FLAG, f"Flag {flag} says parts, but PNUM and PNO are missing")
        return None
    for key in ("PNUM", "PNO"):
        _check_field(header, key, QnRtn.FLAG)
    part = Part(number=int(header["PNO"]), of=int(header["PNUM"]))
    if not 1 <= part.number <= part.of <= MAX_PARTS:
        raise Refusal(QnRtn.FLAG, f"part {part.number} of {part.of}; at most {MAX_PARTS} are taken")
    if not flag & IS_SPLIT and part.of > 1:
        raise Refusal(QnRtn.FLAG, f"Flag {flag} says no parts, but PNUM is {part.of}")
    return part
