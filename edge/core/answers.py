"""Believe an answer only when it is exactly the one asked for; skip what is surely none.

With TCP framing nothing but the answer may come. On an RTU line there is clutter besides: a stray
byte when a transceiver switches, the echo of one's own request, the late answer of another unit, a
DTU's heartbeat. That is skipped. Whatever may be a frame, and is not the answer, ends the exchange.

Source: MODBUS Application Protocol v1.1b3 §6.1-6.6, §6.12, §7; MODBUS over Serial Line v1.02 §2.5.1
(RTU framing, CRC); MODBUS Messaging on TCP/IP v1.0b §3.1 (MBAP header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from edge.core.modbus import (
    CRC_SIZE,
    CRC_START,
    EXCEPTION_SIZE,
    MBAP_SIZE,
    REFUSAL,
    WRITE_COIL,
    WRITE_REGISTER,
    WRITES,
    Disturbed,
    Framing,
    Refused,
    Request,
    build_adu,
    crc16,
)

ECHOED = (WRITE_COIL, WRITE_REGISTER)  # the whole answer is the request again
# A transceiver that switches makes a stray byte or two. What is shorter than the shortest frame,
# an exception with its CRC, is nobody's answer.
MOST_NOISE = EXCEPTION_SIZE + CRC_SIZE - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Clutter:
    """What may be heard on an RTU line besides answers, and is skipped.

    echoes: whether the line is known to return what is sent; functions 5 and 6 need to be told.
    late: requests to other units that were answered too late, or not at all yet.
    packets: what a DTU sends of its own accord: registration, heartbeat.
    """

    echoes: bool = False
    late: tuple[Request, ...] = ()
    packets: tuple[bytes, ...] = ()

    def without_packets(self, received: bytes) -> bytes:
        """Return bytes without the packets that stand among them, or begin at their end."""
        for packet in self.packets:
            received = received.replace(packet, b"")
            begun = (n for n in range(len(packet) - 1, 0, -1) if received.endswith(packet[:n]))
            received = received[: len(received) - next(begun, 0)]
        return received


QUIET = Clutter()


def read_answer(
    request: Request,
    framing: Framing,
    received: bytes,
    transaction_id: int = 0,
    clutter: Clutter = QUIET,
) -> bytes | None:
    """Check all bytes received since the request was sent, and take the data out.

    Args:    transaction_id: the request's, with TCP framing. received: everything since, in order.
             clutter: what else may be heard, with RTU framing.
    Returns: request.data_size bytes, wire order; None while the answer is not complete.
    Raises:  Refused if it is exactly a Modbus exception to this request.
             Disturbed if it is anything else: another unit, function, transaction, byte count or
             echo, a wrong CRC, or bytes that may be another answer.
    """
    if framing is Framing.TCP:
        return _read_tcp(request, received, transaction_id)
    return _read_rtu(request, received, clutter)


def echoed(request: Request, received: bytes) -> bool:
    """Tell whether a line has returned the request itself, as RS-485 adapters do."""
    echo = build_adu(request, Framing.RTU)
    return echo in received[: len(echo) + MOST_NOISE]


def split_at_answer(request: Request, received: bytes) -> tuple[bytes, bytes] | None:
    """Find the last whole, sound RTU answer to a request among other bytes.

    Returns: what stands before it and after it; None if there is no such answer.
    """
    for begin in range(len(received) - EXCEPTION_SIZE - CRC_SIZE, -1, -1):
        if size := _whole_size(request, received[begin:]):
            return received[:begin], received[begin + size :]
    return None


def _read_tcp(request: Request, received: bytes, transaction_id: int) -> bytes | None:
    body = received[MBAP_SIZE:]
    if len(body) < EXCEPTION_SIZE:
        return None
    size = _size(request, body)
    if size is None:
        raise Disturbed(_difference(request, body))
    if not size:
        return None
    _check_mbap(received, size, transaction_id)
    if len(body) < size:
        return None
    if len(body) > size:
        raise Disturbed(f"{len(body) - size} bytes after the answer")
    return _data(request, body)


def _read_rtu(request: Request, received: bytes, clutter: Clutter) -> bytes | None:
    begin = _skip_clutter(request, received, clutter)
    if begin is None:
        return None
    body = received[begin:]
    size = _rtu_size(request, body)
    if not size or len(body) < size:
        return None
    after = clutter.without_packets(body[size:])
    if len(after) > MOST_NOISE:
        raise Disturbed(f"{len(after)} bytes after the answer")
    if crc16(body[:size]) != 0:
        raise Disturbed("wrong CRC")
    return _data(request, body[: size - CRC_SIZE])


def _skip_clutter(request: Request, received: bytes, clutter: Clutter) -> int | None:
    """Return where the answer begins, or may begin; None while what came may yet be clutter.

    Raises: Disturbed if neither.
    """
    begin, noise_from = 0, 0
    echo = build_adu(request, Framing.RTU)
    # The answer to functions 5 and 6 is their echo: there only who knows the line can tell.
    due = echo if clutter.echoes or request.function not in ECHOED else b""
    while begin - noise_from <= MOST_NOISE:
        rest = received[begin:]
        size = _clutter_size(request, rest, due, clutter)
        if size is None:
            return None
        if size:
            due = b"" if rest.startswith(echo) else due
            begin = noise_from = begin + size
        elif _rtu_size(request, rest) is None:
            begin += 1
        elif noise_from < begin and crc16(received[noise_from:begin]) == CRC_START:
            break  # what looks like noise and answer is one frame of somebody else
        else:
            return begin
    raise Disturbed(_difference(request, received[noise_from:]))


def _clutter_size(request: Request, rest: bytes, echo: bytes, clutter: Clutter) -> int | None:
    """Return the size of the clutter that begins here; 0 if none does, None if too little came."""
    if rest and echo and echo.startswith(rest[: len(echo)]):
        # Until it is all there it is no answer either, even should its beginning look like one.
        return len(echo) if len(rest) >= len(echo) else None
    if _whole_size(request, rest):
        return 0
    for packet in clutter.packets:
        if rest and packet.startswith(rest[: len(packet)]):
            return len(packet) if len(rest) >= len(packet) else None
    for late in clutter.late:
        if size := _whole_size(late, rest):
            return size
        expected = _rtu_size(late, rest)
        if rest and expected is not None and (not expected or len(rest) < expected):
            return None
    return 0


def _whole_size(request: Request, rest: bytes) -> int:
    """Return the size of the sound answer that begins here; 0 if there is none."""
    size = _rtu_size(request, rest)
    return size if size and len(rest) >= size and crc16(rest[:size]) == 0 else 0


def _size(request: Request, body: bytes) -> int | None:
    """Return the size of the answer (unit id to data) that begins here; 0 if too little has come.

    Returns: None if it is neither the answer nor an exception to this request.
    """
    if body.startswith(request.head):
        return request.size
    refusal = bytes([request.unit_id, request.function | REFUSAL])
    if body.startswith(refusal):
        return EXCEPTION_SIZE
    return 0 if request.head.startswith(body) or refusal.startswith(body) else None


def _rtu_size(request: Request, body: bytes) -> int | None:
    """Return _size with the CRC."""
    size = _size(request, body)
    return size + CRC_SIZE if size else size


def _data(request: Request, body: bytes) -> bytes:
    """Take the data out of an answer that is the right one. Raises: Refused."""
    if body[1] & REFUSAL:
        raise Refused(body[2])
    return body[len(request.head) :]


def _check_mbap(received: bytes, size: int, transaction_id: int) -> None:
    transaction, protocol, length = struct.unpack_from(">HHH", received)
    if transaction != transaction_id:
        raise Disturbed(f"answer to transaction {transaction}, asked was {transaction_id}")
    if protocol != 0:
        raise Disturbed(f"protocol id {protocol} is not Modbus")
    if length != size:
        raise Disturbed(f"length field {length}, expected {size}")


def _difference(request: Request, body: bytes) -> str:
    """Say in what an answer (without framing) differs from the expected one."""
    if body[0] != request.unit_id:
        return f"answer of unit {body[0]}, asked was {request.unit_id}"
    if body[1] != request.function:
        return f"answer to function {body[1]}, asked was {request.function}"
    if request.function in WRITES:
        return "the echo of the write differs from it"
    return f"{body[2]} bytes of data, expected {request.data_size}"
