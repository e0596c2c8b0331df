"""Setting a station's clock when it asks for it: 1013 → 9013, then 1012 → 9011 → 9012.

A table of what happens in which step; the caller tells the time.
Source: HJ 212-2017 §6.1, §6.2, annex C.3 and C.4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from enum import Enum

import msgspec

from device_profiles.core.hj212 import Frame
from edge.core.hj212_messages import (
    REQUEST_ANSWER,
    RESULT,
    SET_CLOCK,
    WANTS_ANSWER,
    Peer,
    local_text,
    write_frame,
)

ANSWER_MS = 10_000  # table 1: for wireless and for all else but ADSL
RESENDS = 3
MAX_SETTINGS = 8
_INSTRUMENT = re.compile(r"[0-9A-Za-z]{1,16}")


class Step(Enum):
    """How far one setting of a clock has come."""

    SENT = "sent"
    ACCEPTED = "accepted"
    DONE = "done"
    FAILED = "failed"


class Happening(Enum):
    """What moves a setting on."""

    ACCEPTED = "9011 with QnRtn 1"
    REFUSED = "9011 with another QnRtn"
    SET = "9012 with ExeRtn 1"
    NOT_SET = "9012 with another ExeRtn"
    TIME_OUT = "no answer in 10 s"
    GAVE_UP = "no answer in 10 s, three resends later"


# Some stations send the result alone.
STEPS: dict[tuple[Step, Happening], Step] = {
    (Step.SENT, Happening.ACCEPTED): Step.ACCEPTED,
    (Step.SENT, Happening.REFUSED): Step.FAILED,
    (Step.SENT, Happening.SET): Step.DONE,
    (Step.SENT, Happening.NOT_SET): Step.FAILED,
    (Step.SENT, Happening.TIME_OUT): Step.SENT,
    (Step.SENT, Happening.GAVE_UP): Step.FAILED,
    (Step.ACCEPTED, Happening.ACCEPTED): Step.ACCEPTED,
    (Step.ACCEPTED, Happening.REFUSED): Step.FAILED,
    (Step.ACCEPTED, Happening.SET): Step.DONE,
    (Step.ACCEPTED, Happening.NOT_SET): Step.FAILED,
    (Step.ACCEPTED, Happening.TIME_OUT): Step.FAILED,
    (Step.ACCEPTED, Happening.GAVE_UP): Step.FAILED,
}


class Ended(msgspec.Struct, frozen=True):
    """A setting is over. why: what happened last, if it failed; else empty."""

    station: str
    why: str = ""


@dataclass(slots=True, kw_only=True)
class _Setting:
    """One clock that is being set. asked_qn: of the 1013 that began it."""

    asked_qn: str
    station: str
    system: str
    instrument: str
    peer: Peer
    due_ms: int
    step: Step = Step.SENT
    resends: int = 0


class ClockSettings:
    """The settings under way on one connection, at most eight."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._settings: dict[str, _Setting] = {}  # by the QN of our 1012

    def begin(self, frame: Frame, peer: Peer, now_ms: int) -> bytes:
        """Return the 1012 that a 1013 asks for; nothing if that one is under way, or too many are.

        Args: frame, peer: the 1013's. now_ms: UTC milliseconds, which the station is set to.
        """
        instrument = frame.cp.get("PolId", "")
        known = any(setting.asked_qn == peer.qn for setting in self._settings.values())
        if known or len(self._settings) >= MAX_SETTINGS:
            return b""
        if instrument and not _INSTRUMENT.fullmatch(instrument):
            return b""
        sent_ms = now_ms
        while (qn := local_text(sent_ms, self._zone)) in self._settings:
            sent_ms += 1
        self._settings[qn] = setting = _Setting(
            asked_qn=peer.qn,
            station=frame.station,
            system=frame.header["ST"],
            instrument=instrument,
            peer=Peer(qn=qn, pw=peer.pw, mn=peer.mn, flag=peer.flag),
            due_ms=now_ms + ANSWER_MS,
        )
        return self._request(setting, now_ms)

    def answered(self, frame: Frame, now_ms: int) -> Ended | None:
        """Take a 9011 or 9012; return what it ends, if it does. Answers to nothing are ignored."""
        setting = self._settings.get(frame.header["QN"])
        if setting is None or setting.station != frame.station:
            return None
        if frame.command == REQUEST_ANSWER:
            ready = frame.cp.get("QnRtn") == "1"
            happening = Happening.ACCEPTED if ready else Happening.REFUSED
        elif frame.command == RESULT:
            happening = Happening.SET if frame.cp.get("ExeRtn") == "1" else Happening.NOT_SET
        else:
            return None
        setting.due_ms = now_ms + ANSWER_MS
        return self._move(setting, happening)

    def tick(self, now_ms: int) -> tuple[bytes, list[Ended]]:
        """Return what is to be sent again by now, and what is given up."""
        again, ended = b"", []
        for setting in [s for s in self._settings.values() if s.due_ms <= now_ms]:
            spent = setting.resends >= RESENDS
            end = self._move(setting, Happening.GAVE_UP if spent else Happening.TIME_OUT)
            if end is not None:
                ended.append(end)
                continue
            setting.resends += 1
            setting.due_ms = now_ms + ANSWER_MS
            again += self._request(setting, now_ms)
        return again, ended

    def _move(self, setting: _Setting, happening: Happening) -> Ended | None:
        setting.step = STEPS[setting.step, happening]
        if setting.step not in (Step.DONE, Step.FAILED):
            return None
        del self._settings[setting.peer.qn]
        return Ended(setting.station, "" if setting.step is Step.DONE else happening.value)

    def _request(self, setting: _Setting, now_ms: int) -> bytes:
        instrument = f"PolId={setting.instrument};" if setting.instrument else ""
        cp = f"{instrument}SystemTime={local_text(now_ms, self._zone)[:14]}"
        flag = setting.peer.version << 2 | WANTS_ANSWER
        return write_frame(setting.peer, setting.system, SET_CLOCK, flag, cp)
