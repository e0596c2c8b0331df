"""Whole Modbus frames as manuals print them: a request and its answer, for vectors.

Source: MODBUS Application Protocol v1.1b3 §6.1-6.4; MODBUS over serial line v1.02 §2.5.1.
"""

from __future__ import annotations

import struct

from contract.errors import DecodeError
from device_profiles.core.registers import data_size
from device_profiles.core.values import Block
from device_profiles.schema import Exchange, Framing


def exchange_of(exchange: Exchange, framing: Framing) -> tuple[Block, bytes]:
    """Return what an exchange asks for, and the data that answers it.

    Raises: DecodeError if a check, a length, the unit or the function does not fit.
    """
    asked_unit, request = unwrap(bytes.fromhex(exchange.request), framing)
    unit, answer = unwrap(bytes.fromhex(exchange.frame), framing)
    block = request_of(request)
    if unit != asked_unit:
        raise DecodeError(f"unit {unit} answers; unit {asked_unit} was asked")
    if answer[:1] == bytes([block.function | 0x80]):
        raise DecodeError(f"the answer is exception {answer[1:].hex()}")
    if answer[0] != block.function:
        raise DecodeError(f"function {answer[0]} answers; {block.function} was asked")
    data = answer[2:]
    if answer[1] != len(data) or len(data) != data_size(block):
        raise DecodeError(
            f"{len(data)} bytes of data, {answer[1]} announced; {block.count} asked for take"
            f" {data_size(block)}"
        )
    return block, data


def unwrap(frame: bytes, framing: Framing) -> tuple[int, bytes]:
    """Return (unit id, PDU) of a frame; the unit id of a bare PDU is 0.

    Raises: DecodeError if it is too short, or its check or length is wrong.
    """
    least = {"pdu": 2, "rtu": 4, "tcp": 9}[framing]
    if len(frame) < least:
        raise DecodeError(f"{len(frame)} bytes; a frame has at least {least}")
    if framing == "pdu":
        return 0, frame
    if framing == "rtu":
        if frame[-2:] != struct.pack("<H", crc16(frame[:-2])):
            right = struct.pack("<H", crc16(frame[:-2])).hex(" ").upper()
            raise DecodeError(f"CRC is {frame[-2:].hex(' ').upper()}; computed {right}")
        return frame[0], frame[1:-2]
    protocol, length = struct.unpack(">HH", frame[2:6])
    if protocol != 0 or length != len(frame) - 6:
        raise DecodeError(f"MBAP header says protocol {protocol}, length {length}")
    return frame[6], frame[7:]


def request_of(pdu: bytes) -> Block:
    """Read a request's PDU.

    Raises: DecodeError if it is none of functions 1 to 4.
    """
    if len(pdu) != 5 or not 1 <= pdu[0] <= 4:
        raise DecodeError(f"{pdu.hex(' ')} is no request to read: function 1 to 4, five bytes")
    return Block(*struct.unpack(">BHH", pdu))


def crc16(data: bytes) -> int:
    """Return Modbus' CRC; it goes over the wire low byte first."""
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ 0xA001 if register & 1 else register >> 1
    return register
