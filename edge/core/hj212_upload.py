"""The station's end of HJ 212, towards a regulator's platform. No sockets, no clock.

    session = UploadSession(identity, zone, interval_s=60)
    session.upload(report, now_ms)                  # one at a time, until it is acknowledged
    for event in session.receive(data, now_ms): ...
    for event in session.tick(now_ms): ...          # resends after 10 s, three times
    writer.write(session.data_to_send())

What the platform asks, and is told:

    1011              the time: 9011, 1011 with SystemTime, 9012
    1012              9011, 9012: done if our clock is right already, else failed: NTP sets it
    1061              the interval of real-time data: 9011, 1061 with RtdInterval, 9012
    1062              9011, 9012, if it is 30 to 3600 s; else refused
    2011 2051 2061    with BeginTime and EndTime, what is held of that stretch: 9011, the data, 9012
    2031
    other commands    refused: 9011 with QnRtn 2, none of HJ 212's with 8
    a wrong PW, MN    9011 with QnRtn 3, 4

Source: HJ 212-2017 §6.1, §6.2, §6.6.5 tables 7 to 9, annex C.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeAlias

import msgspec

from contract.errors import DecodeError
from device_profiles.core.hj212 import Frame, crc, parse_segment
from edge.core.hj212_framing import Framer, Piece
from edge.core.hj212_messages import (
    DATA,
    DATA_ANSWER,
    FIELD,
    REQUEST_ANSWER,
    RESULT,
    SYSTEM,
    QnRtn,
    local_ms,
    local_text,
)

ANSWER_MS = 10_000  # table 1: for wireless
RESENDS = 3
VERSION = 1 << 2  # of 2017, in Flag
ASK_TIME, SET_TIME, ASK_INTERVAL, SET_INTERVAL = "1011", "1012", "1061", "1062"
OFF_MS = 60_000
INTERVALS_S = range(30, 3_601)
DONE, FAILED, NO_DATA = 1, 2, 100  # table 8


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who we are to the platform."""

    mn: str
    password: str
    system: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One frame of data, a part of a report if there are several. qn: the same whenever sent."""

    qn: str
    command: str
    cp: str
    part: int = 1
    of: int = 1


class Acknowledged(msgspec.Struct, frozen=True):
    """The platform has this report."""

    qn: str


class NotTaken(msgspec.Struct, frozen=True):
    """The platform has refused a report, or not answered three resends."""

    qn: str
    why: str


class IntervalSet(msgspec.Struct, frozen=True):
    """The platform wants real-time data so often."""

    interval_s: int


class HistoryAsked(msgspec.Struct, frozen=True):
    """The platform wants what is held of a stretch; to be answered by history()."""

    qn: str
    command: str
    begin_ms: int
    end_ms: int


class Disbelieved(msgspec.Struct, frozen=True):
    """Bytes that are no sound frame of the platform's, and why."""

    data: bytes
    why: str


Event: TypeAlias = Acknowledged | NotTaken | IntervalSet | HistoryAsked | Disbelieved


@dataclass(slots=True)
class _Sent:
    frame: bytes
    due_ms: int
    resends: int = 0


@dataclass(slots=True, kw_only=True)
class UploadSession:
    """One connection; see the module's docstring."""

    identity: Identity
    zone: tzinfo
    interval_s: int
    _framer: Framer = field(default_factory=Framer)
    _sent: dict[str, _Sent] = field(default_factory=dict)
    _out: bytes = b""

    @property
    def waiting(self) -> bool:
        """Whether a report has not been answered."""
        return bool(self._sent)

    def upload(self, report: Report, now_ms: int) -> None:
        """Send a report, and wait for its acknowledgement."""
        frame = write_upload(self.identity, report, wants_answer=True)
        self._sent[report.qn] = _Sent(frame, now_ms + ANSWER_MS)
        self._out += frame

    def receive(self, data: bytes, now_ms: int) -> list[Event]:
        """Take bytes as they came; return what they mean. Never raises for what a peer sends."""
        return [
            event for piece in self._framer.receive(data) for event in self._take(piece, now_ms)
        ]

    def tick(self, now_ms: int) -> list[Event]:
        """Resend what has not been answered in time; tell what was in vain."""
        events: list[Event] = []
        for qn, sent in [*self._sent.items()]:
            if now_ms < sent.due_ms:
                continue
            if sent.resends == RESENDS:
                del self._sent[qn]
                events.append(NotTaken(qn, f"no answer in {ANSWER_MS // 1000} s, {RESENDS} times"))
                continue
            sent.resends += 1
            sent.due_ms = now_ms + ANSWER_MS
            self._out += sent.frame
        return events

    def history(self, asked: HistoryAsked, held: Iterable[Report]) -> None:
        """Answer a request with what is held; its frames bear the request's QN."""
        some = False
        for report in held:
            some = True
            told = msgspec.structs.replace(report, qn=asked.qn)
            self._out += write_upload(self.identity, told, wants_answer=False)
        self._answer(asked.qn, RESULT, f"ExeRtn={DONE if some else NO_DATA}")

    def data_to_send(self) -> bytes:
        """Return what is to be sent, once."""
        out, self._out = self._out, b""
        return out

    def _take(self, piece: Piece, now_ms: int) -> list[Event]:
        if piece.why:
            return [Disbelieved(piece.data, piece.why)]
        try:
            frame = parse_segment(piece.segment)
        except DecodeError as error:
            return [Disbelieved(piece.data, str(error))]
        qn = frame.header.get("QN", "")
        if not FIELD["QN"].fullmatch(qn):
            return [Disbelieved(piece.data, f"QN is {qn[:24]!r}")]
        refusal = self._refusal(frame)
        if frame.command in (DATA_ANSWER, REQUEST_ANSWER, RESULT):
            return [] if refusal else self._answered(frame, qn)
        if refusal is not None:
            self._answer(qn, REQUEST_ANSWER, f"QnRtn={refusal:d}")
            return [Disbelieved(piece.data, f"request refused: {refusal.name.lower()}")]
        return self._request(frame, qn, now_ms)

    def _refusal(self, frame: Frame) -> QnRtn | None:
        if frame.station != self.identity.mn.lower():
            return QnRtn.STATION
        told = frame.header.get("PW", "").encode()
        if not hmac.compare_digest(told, self.identity.password.encode()):
            return QnRtn.PASSWORD
        return None

    def _answered(self, frame: Frame, qn: str) -> list[Event]:
        if qn not in self._sent:
            return []  # told twice, or to an earlier connection
        code = frame.cp.get("QnRtn", "1")
        if frame.command == DATA_ANSWER:
            del self._sent[qn]
            return [Acknowledged(qn)]
        if frame.command == REQUEST_ANSWER and code != "1":
            del self._sent[qn]
            return [NotTaken(qn, f"refused with QnRtn {code[:8]}")]
        return []

    def _request(self, frame: Frame, qn: str, now_ms: int) -> list[Event]:
        match frame.command:
            case "1011":
                self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.READY:d}")
                self._reply(qn, ASK_TIME, f"SystemTime={local_text(now_ms, self.zone)[:14]}")
                self._answer(qn, RESULT, f"ExeRtn={DONE}")
            case "1012":
                self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.READY:d}")
                right = self._is_right(frame.cp.get("SystemTime", ""), now_ms)
                self._answer(qn, RESULT, f"ExeRtn={DONE if right else FAILED}")
            case "1061":
                self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.READY:d}")
                self._reply(qn, ASK_INTERVAL, f"RtdInterval={self.interval_s}")
                self._answer(qn, RESULT, f"ExeRtn={DONE}")
            case "1062":
                return self._set_interval(frame, qn)
            case command if command in DATA:
                return self._asked(frame, qn)
            case command:
                known = command[:1] in ("1", "2", "3") and len(command) == 4
                code = QnRtn.REFUSED if known else QnRtn.COMMAND
                self._answer(qn, REQUEST_ANSWER, f"QnRtn={code:d}")
        return []

    def _set_interval(self, frame: Frame, qn: str) -> list[Event]:
        told = frame.cp.get("RtdInterval", "")
        if not told.isdecimal() or len(told) > 5 or int(told) not in INTERVALS_S:
            self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.REFUSED:d}")
            return []
        self.interval_s = int(told)
        self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.READY:d}")
        self._answer(qn, RESULT, f"ExeRtn={DONE}")
        return [IntervalSet(self.interval_s)]

    def _asked(self, frame: Frame, qn: str) -> list[Event]:
        try:
            begin_ms = local_ms(frame.cp.get("BeginTime", ""), self.zone)
            end_ms = local_ms(frame.cp.get("EndTime", ""), self.zone)
        except ValueError:
            self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.REFUSED:d}")
            return []
        self._answer(qn, REQUEST_ANSWER, f"QnRtn={QnRtn.READY:d}")
        return [HistoryAsked(qn, frame.command, begin_ms, end_ms)]

    def _is_right(self, told: str, now_ms: int) -> bool:
        try:
            return abs(local_ms(told, self.zone) - now_ms) <= OFF_MS
        except ValueError:
            return False

    def _answer(self, qn: str, command: str, cp: str) -> None:
        self._out += _frame(self.identity, qn, SYSTEM, command, VERSION, "", cp)

    def _reply(self, qn: str, command: str, cp: str) -> None:
        self._out += _frame(self.identity, qn, self.identity.system, command, VERSION, "", cp)


def write_upload(who: Identity, report: Report, *, wants_answer: bool) -> bytes:
    """Write a report as a whole frame."""
    flag = VERSION | int(wants_answer) | (2 if report.of > 1 else 0)
    split = f"PNUM={report.of};PNO={report.part};" if report.of > 1 else ""
    return _frame(who, report.qn, who.system, report.command, flag, split, report.cp)


def _frame(
    who: Identity, qn: str, system: str, command: str, flag: int, split: str, cp: str
) -> bytes:
    segment = (
        f"QN={qn};ST={system};CN={command};PW={who.password};MN={who.mn};Flag={flag};{split}"
        f"CP=&&{cp}&&"
    ).encode("ascii")
    return b"##%04d%b%04X\r\n" % (len(segment), segment, crc(segment))
