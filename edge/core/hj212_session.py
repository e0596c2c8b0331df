"""One connection of HJ 212 stations: bytes in, events and replies out. No sockets, no clock.

    session = Session(stations, zone)
    for event in session.receive(data, now_ms): ...
    transport.write(session.data_to_send())
    for event in session.tick(now_ms): ...            # every second or so

What a frame does:

    begins wrongly, or is none                     set aside, no answer
    length, check, syntax, MN, PW, QN, ST,
    Flag, CN or DataTime wrong                     set aside, 9011 with QnRtn, if wanted
    2011 2051 2061 2031                            reported once; 9014 each time, for the caller
                                                   to send when what was reported is on disk
    2081 and others without readings               noted, 9014
    1013                                           9013, then the clock is set (hj212_clock)
    9011 9012                                      move the setting of the clock
    9013 9014                                      ignored
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import TypeAlias

import msgspec

from contract.errors import DecodeError
from device_profiles.core.hj212 import Frame
from edge.core.hj212_clock import ClockSettings, Ended
from edge.core.hj212_framing import Framer, Piece
from edge.core.hj212_memory import TIME_KEY, Memory, Part, Taken
from edge.core.hj212_messages import (
    ANSWERS,
    ASK_CLOCK,
    DATA,
    DATA_ANSWER,
    NOTICE_ANSWER,
    REQUEST_ANSWER,
    Peer,
    QnRtn,
    Refusal,
    check_message,
    local_ms,
    peer_of,
    write_answer,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Who may speak: a device with its MN in small letters and its PW, and what it has told."""

    device: str
    mn: str
    password: str = field(repr=False)
    memory: Memory = field(default_factory=Memory, repr=False)


class Heard(msgspec.Struct, frozen=True):
    """A station has sent a sound frame of its own; comes before what that frame leads to."""

    device: str
    command: str


class Reported(msgspec.Struct, frozen=True):
    """Readings to be read, told for the first time.

    own_ms: DataTime in UTC milliseconds. answer: for when they are on disk; may be empty.
    """

    device: str
    own_ms: int
    frame: Frame
    answer: bytes


class Repeated(msgspec.Struct, frozen=True):
    """What was reported before has come again. answer: for when what came before is on disk."""

    device: str
    answer: bytes


class ClockSet(msgspec.Struct, frozen=True):
    """The setting of a station's clock is over. why: it failed; empty if it did not."""

    device: str
    why: str = ""


class SetAside(msgspec.Struct, frozen=True):
    """Bytes that are not believed, and why. code: what the sender was, or would be, told.

    answer: for when they are in quarantine; empty if it was given, or there is none.
    """

    data: bytes
    why: str
    code: QnRtn | None = None
    answer: bytes = b""


Event: TypeAlias = Heard | Reported | Repeated | ClockSet | SetAside


class Session:
    """One connection; see the module's docstring."""

    def __init__(self, stations: Mapping[str, Station], zone: tzinfo) -> None:
        self._stations, self._zone = stations, zone
        self._passwords = {mn: station.password for mn, station in stations.items()}
        self._framer = Framer()
        self._clocks = ClockSettings(zone)
        self._replies = b""

    def receive(self, data: bytes, now_ms: int) -> list[Event]:
        """Take bytes as they came, in pieces of any size; return what they mean, in order.

        Args:    now_ms: UTC milliseconds; only stations' clocks and waiting are measured by it.
        Returns: nothing while a frame is not complete. Never raises for what a peer sends.
        """
        events: list[Event] = []
        for piece in self._framer.receive(data):
            try:
                events += self._take(piece, now_ms)
            except Refusal as refusal:
                events.append(self._refuse(piece, refusal))
        return events

    def tick(self, now_ms: int) -> list[Event]:
        """Resend or give up what has not been answered; tell what is given up."""
        again, ended = self._clocks.tick(now_ms)
        self._replies += again
        return [self._clock_set(end) for end in ended]

    def data_to_send(self) -> bytes:
        """Return what is to be sent, once; to be sent after the events have been dealt with."""
        replies, self._replies = self._replies, b""
        return replies

    def _take(self, piece: Piece, now_ms: int) -> list[Event]:
        if piece.why:
            raise Refusal(QnRtn.CHECK, piece.why)
        frame, peer, part = check_message(piece.segment, self._passwords)
        station = self._stations[frame.station]
        heard = Heard(station.device, frame.command)
        if frame.command in ANSWERS:
            end = self._clocks.answered(frame, now_ms)
            return [heard] if end is None else [heard, self._clock_set(end)]
        if frame.command == ASK_CLOCK:
            self._answer(peer, NOTICE_ANSWER)
            self._replies += self._clocks.begin(frame, peer, now_ms)
            return [heard]
        answer = write_answer(peer, DATA_ANSWER) if peer.wants_answer else b""
        if frame.command in DATA:
            return [heard, self._data(piece.data, station, frame, part, now_ms, answer)]
        self._replies += answer
        return [heard]

    def _data(
        self,
        data: bytes,
        station: Station,
        frame: Frame,
        part: Part | None,
        now_ms: int,
        answer: bytes,
    ) -> Event:
        try:
            taken, fresh = station.memory.take(frame, part, now_ms)
        except DecodeError as error:
            raise Refusal(QnRtn.FLAG, str(error)) from error
        if taken is Taken.CONTRADICTS:
            # Acknowledged all the same: else it would be sent again, and nothing after it.
            why = f"CN {frame.command} of {frame.cp[TIME_KEY]} was told before, with other values"
            return SetAside(data, why, answer=answer)
        if fresh is None:
            return Repeated(station.device, answer)
        own_ms = local_ms(fresh.cp[TIME_KEY], self._zone)
        return Reported(station.device, own_ms, fresh, answer)

    def _refuse(self, piece: Piece, refusal: Refusal) -> SetAside:
        if not piece.head:
            return SetAside(piece.data, str(refusal))
        peer = peer_of(piece.data)
        if peer is not None:
            self._replies += write_answer(peer, REQUEST_ANSWER, f"QnRtn={refusal.code:d}")
        return SetAside(piece.data, str(refusal), refusal.code)

    def _answer(self, peer: Peer, command: str) -> None:
        if peer.wants_answer:
            self._replies += write_answer(peer, command)

    def _clock_set(self, end: Ended) -> ClockSet:
        return ClockSet(self._stations[end.station].device, end.why)
