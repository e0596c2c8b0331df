"""What goes wrong between a device and its reader, as data: which fault, when, for whom. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from simulators.modbus_frames import ExceptionCode, Frame, Framing, refuse, wrap


class FaultKind(StrEnum):
    """What a spoilt answer looks like."""

    DEAD = "dead"  # no answer at all
    LATE = "late"  # the right answer, late_s after its time
    DROPPED = "dropped"  # the connection closes instead
    BUSY = "busy"  # exception 6
    FAILURE = "failure"  # exception 4
    WRONG_UNIT = "wrong_unit"
    WRONG_TRANSACTION = "wrong_transaction"  # TCP only
    WRONG_CRC = "wrong_crc"  # RTU only
    SHORT = "short"  # one register less than asked for, well formed
    TRUNCATED = "truncated"  # the frame's end is missing
    GLUED = "glued"  # the answer twice in one write
    ECHO = "echo"  # one's own request comes back first, as on RS-485
    NOISE = "noise"  # stray bytes come first


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and when it strikes.

    unit: the unit id it strikes, None for all. every: each n-th request of a unit.
    from_s, until_s: seconds since the server's start. late_s: how much later LATE answers.
    """

    kind: FaultKind
    unit: int | None = None
    every: int = 1
    from_s: float = 0.0
    until_s: float = math.inf
    late_s: float = 1.5

    def strikes(self, *, unit: int, number: int, elapsed_s: float) -> bool:
        """Tell whether the n-th request of a unit, counted from 1, is struck."""
        return (
            self.unit in (None, unit)
            and number % self.every == 0
            and self.from_s <= elapsed_s < self.until_s
        )


def pick(faults: Iterable[Fault], *, unit: int, number: int, elapsed_s: float) -> Fault | None:
    """Return the first fault that strikes this request."""
    return next(
        (fault for fault in faults if fault.strikes(unit=unit, number=number, elapsed_s=elapsed_s)),
        None,
    )


def spoil(kind: FaultKind, request: Frame, pdu: bytes, framing: Framing) -> bytes:
    """Return the bytes that a struck device sends instead of its answer `pdu`.

    DEAD, LATE and DROPPED are matters of time and connection, not of bytes: the server's.
    """
    function = request.pdu[0]
    right = Frame(unit=request.unit, pdu=pdu, transaction=request.transaction)
    whole = wrap(right, framing)
    match kind:
        case FaultKind.BUSY:
            return _wrapped(request, refuse(function, ExceptionCode.DEVICE_BUSY), framing)
        case FaultKind.FAILURE:
            return _wrapped(request, refuse(function, ExceptionCode.DEVICE_FAILURE), framing)
        case FaultKind.WRONG_UNIT:
            other = request.unit % 247 + 1
            return wrap(Frame(unit=other, pdu=pdu, transaction=request.transaction), framing)
        case FaultKind.WRONG_TRANSACTION:
            wrong = (request.transaction + 1) % 0x10000
            return wrap(Frame(unit=request.unit, pdu=pdu, transaction=wrong), framing)
        case FaultKind.WRONG_CRC:
            return whole[:-1] + bytes([whole[-1] ^ 0xFF]) if framing is Framing.RTU else whole
        case FaultKind.SHORT:
            return _wrapped(request, _shortened(pdu), framing)
        case FaultKind.TRUNCATED:
            return whole[:-3]
        case FaultKind.GLUED:
            return whole + whole
        case FaultKind.ECHO:
            return wrap(request, framing) + whole
        case FaultKind.NOISE:
            return b"\x00\xff\x55" + whole
        case FaultKind.DEAD | FaultKind.LATE | FaultKind.DROPPED:
            return whole


def _wrapped(request: Frame, pdu: bytes, framing: Framing) -> bytes:
    return wrap(Frame(unit=request.unit, pdu=pdu, transaction=request.transaction), framing)


def _shortened(pdu: bytes) -> bytes:
    if pdu[0] & 0x80 or pdu[1] < 2:
        return pdu
    return bytes([pdu[0], pdu[1] - 2]) + pdu[2:-2]
