"""MODBUS bytes as a slave sees them: requests taken off a stream, answers built. Pure.

This is the simulators' own codec, written against the specification and shared with nobody, so
that a misreading in the edge's cannot pass twice.
Source: MODBUS Application Protocol v1.1b3; MODBUS over Serial Line v1.02 §2.5; MODBUS Messaging on
TCP/IP v1.0b §3.1.
"""

from __future__ import annotations

import struct
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from contract.errors import DecodeError

Image = Mapping[int, Mapping[int, int]]
"""What a device holds: function code -> address (zero-based) -> word, or 0/1 for FC 1 and 2."""

_MOST = {1: 2000, 2: 2000, 3: 125, 4: 125}  # bits or registers a request may ask for
_LONGEST_ADU = 260  # TCP; 256 in RTU
_WITH_BYTE_COUNT = {15, 16}
_FIXED_LENGTH = {1, 2, 3, 4, 5, 6}
WRITES = frozenset({5, 6, 15, 16})


class Framing(StrEnum):
    """How a PDU is wrapped."""

    TCP = "tcp"
    RTU = "rtu"


class ExceptionCode(IntEnum):
    """The exception codes of the specification, §7."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    DEVICE_BUSY = 6
    TARGET_SILENT = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A request or an answer without its wrapping; the transaction is TCP's alone."""

    unit: int
    pdu: bytes
    transaction: int = 0


def crc16(data: bytes) -> int:
    """Return CRC-16/Modbus: reflected polynomial 0xA001, start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def wrap(frame: Frame, framing: Framing) -> bytes:
    """Return the bytes that go on the line."""
    if framing is Framing.TCP:
        head = struct.pack(">HHHB", frame.transaction, 0, len(frame.pdu) + 1, frame.unit)
        return head + frame.pdu
    body = bytes([frame.unit]) + frame.pdu
    return body + struct.pack("<H", crc16(body))


def take(buffer: bytearray, framing: Framing) -> Frame | None:
    """Take the first whole request off the buffer, or return None until more has come.

    Raises: DecodeError if the stream is beyond repair (a TCP peer that speaks something else).
    """
    return _take_tcp(buffer) if framing is Framing.TCP else _take_rtu(buffer)


def _take_tcp(buffer: bytearray) -> Frame | None:
    if len(buffer) < 8:
        return None
    transaction, protocol, length, unit = struct.unpack_from(">HHHB", buffer)
    if protocol != 0 or not 2 <= length <= _LONGEST_ADU - 6:
        raise DecodeError(f"no MBAP header: protocol {protocol}, length {length}")
    if len(buffer) < 6 + length:
        return None
    pdu = bytes(buffer[7 : 6 + length])
    del buffer[: 6 + length]
    return Frame(unit=unit, pdu=pdu, transaction=transaction)


def _take_rtu(buffer: bytearray) -> Frame | None:
    """Find the next request whose CRC is right; what stands before it was noise."""
    while len(buffer) >= 4:
        length = _rtu_length(buffer)
        if length is None or length > len(buffer):
            return None
        if crc16(bytes(buffer[: length - 2])) == struct.unpack_from("<H", buffer, length - 2)[0]:
            frame = Frame(unit=buffer[0], pdu=bytes(buffer[1 : length - 2]))
            del buffer[:length]
            return frame
        del buffer[0]
    return None


def _rtu_length(buffer: bytearray) -> int | None:
    function = buffer[1]
    if function in _FIXED_LENGTH:
        return 8
    if function in _WITH_BYTE_COUNT:
        return 9 + buffer[6] if len(buffer) > 6 else None
    return len(buffer)  # an unknown function ends where the line falls silent


def answer(pdu: bytes, image: Image) -> bytes:
    """Return the PDU that a device holding `image` answers a request PDU with.

    A function it does not know is exception 1, an address it does not hold 2, a count that the
    specification forbids 3 (the order of the specification's state diagrams, §6.1 to §6.4).
    """
    function = pdu[0]
    if function not in _MOST or function not in image:
        return refuse(function, ExceptionCode.ILLEGAL_FUNCTION)
    asked = asked_for(pdu)
    if asked is None or not 1 <= len(asked) <= _MOST[function]:
        return refuse(function, ExceptionCode.ILLEGAL_VALUE)
    cells = image[function]
    if any(address not in cells for address in asked):
        return refuse(function, ExceptionCode.ILLEGAL_ADDRESS)
    values = [cells[address] for address in asked]
    data = _pack_bits(values) if function in (1, 2) else struct.pack(f">{len(values)}H", *values)
    return bytes([function, len(data)]) + data


def answer_write(pdu: bytes, writable: Container[tuple[int, int]]) -> bytes:
    """Return the answer to a write: its echo if (function, address) may be written.

    Source: MODBUS Application Protocol v1.1b3 §6.5, §6.6, §6.11, §6.12.
    """
    function = pdu[0]
    if len(pdu) < 5:
        return refuse(function, ExceptionCode.ILLEGAL_VALUE)
    (address,) = struct.unpack_from(">H", pdu, 1)
    if (function, address) not in writable:
        return refuse(function, ExceptionCode.ILLEGAL_ADDRESS)
    return pdu[:5]


def asked_for(pdu: bytes) -> range | None:
    """Return the addresses that a read request asks for; None if it is no read request."""
    if len(pdu) != 5 or pdu[0] not in _MOST:
        return None
    address, count = struct.unpack_from(">HH", pdu, 1)
    return range(address, address + count)


def refuse(function: int, code: ExceptionCode) -> bytes:
    """Return an exception's PDU."""
    return bytes([function | 0x80, code])


def _pack_bits(values: list[int]) -> bytes:
    packed = bytearray((len(values) + 7) // 8)
    for index, value in enumerate(values):
        if value:
            packed[index // 8] |= 1 << (index % 8)
    return bytes(packed)
