"""Modbus as bytes: requests and their framing. What comes back is judged in answers.py.

Source: MODBUS Application Protocol v1.1b3 §6.1-6.6, §6.12, §7; MODBUS over Serial Line v1.02 §2.5.1
(RTU framing, CRC); MODBUS Messaging on TCP/IP v1.0b §3.1 (MBAP header).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum

from contract.errors import TransportError

READ_COILS, READ_DISCRETE, READ_HOLDING, READ_INPUT = 1, 2, 3, 4
WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS = 5, 6, 15, 16
BITS = (READ_COILS, READ_DISCRETE)
WRITES = (WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS)
MAX_COUNT = {
    READ_COILS: 2000,
    READ_DISCRETE: 2000,
    READ_HOLDING: 125,
    READ_INPUT: 125,
    WRITE_COIL: 1,
    WRITE_REGISTER: 1,
    WRITE_COILS: 1968,
    WRITE_REGISTERS: 123,
}

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still working",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target did not answer",
}
SILENCES = (10, 11)  # a gateway says that the device said nothing

MBAP_SIZE = 6  # up to the unit id
CRC_SIZE = 2
EXCEPTION_SIZE = 3  # unit id, function, code
REFUSAL = 0x80  # set in the function code of an exception
CRC_START = 0xFFFF


class Framing(Enum):
    """How an ADU stands on the line."""

    TCP = "tcp"
    RTU = "rtu"


class Refused(TransportError):
    """The device answered, properly, with a Modbus exception. The line itself is sound."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code} ({EXCEPTIONS.get(code, 'unknown')})")
        self.code = code

    @property
    def for_silence(self) -> bool:
        """Whether a gateway answered in the place of a device that did not."""
        return self.code in SILENCES


class Disturbed(TransportError):
    """What came is not the answer to what was asked; the line cannot be trusted until reopened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request to one device.

    function: 1..4 read `count` bits or registers from `address` (zero-based) on;
              5 and 6 write `value` to one coil or register;
              15 and 16 write `data` to `count` of them, as on the wire; or `value` to one register.
    head:     how the only right answer begins: unit id, function, and a read's byte count or a
              write's echo. size: bytes of that answer without framing, unit id included.
    """

    unit_id: int
    function: int
    address: int
    count: int = 1
    value: int | None = None
    data: bytes = b""
    head: bytes = field(init=False)
    size: int = field(init=False)

    def __post_init__(self) -> None:
        most = MAX_COUNT.get(self.function)
        if most is None or not 1 <= self.count <= most:
            raise ValueError(f"function {self.function} cannot take {self.count} at once")
        if not 0 <= self.address <= 0x10000 - self.count:
            raise ValueError(f"addresses {self.address} and {self.count} on do not exist")
        if not self._writes_what_it_must():
            what = f"value {self.value} and {len(self.data)} bytes of data"
            raise ValueError(f"function {self.function} for {self.count} with {what}")
        start = bytes([self.unit_id, self.function])
        head = start + (self.pdu[1:5] if self.function in WRITES else bytes([self.data_size]))
        object.__setattr__(self, "head", head)
        object.__setattr__(self, "size", len(head) + self.data_size)

    def _writes_what_it_must(self) -> bool:
        if self.function not in (WRITE_COILS, WRITE_REGISTERS):
            return (self.value is not None) == (self.function in WRITES) and not self.data
        if self.value is not None:
            return self.function == WRITE_REGISTERS and self.count == 1 and not self.data
        bits = self.function == WRITE_COILS
        return len(self.data) == ((self.count + 7) // 8 if bits else 2 * self.count)

    @property
    def data_size(self) -> int:
        """Bytes of data in the answer: 0 to a write."""
        if self.function in WRITES:
            return 0
        return (self.count + 7) // 8 if self.function in BITS else 2 * self.count

    @property
    def pdu(self) -> bytes:
        """The request without framing and unit id."""
        if self.function in (WRITE_COILS, WRITE_REGISTERS):
            data = self.data if self.value is None else self.value.to_bytes(2, "big")
            head = struct.pack(">BHHB", self.function, self.address, self.count, len(data))
            return head + data
        second = self.count if self.value is None else self.value
        return struct.pack(">BHH", self.function, self.address, second)


def build_adu(request: Request, framing: Framing, transaction_id: int = 0) -> bytes:
    """Write a request as it goes on the line."""
    body = bytes([request.unit_id]) + request.pdu
    if framing is Framing.TCP:
        return struct.pack(">HHH", transaction_id, 0, len(body)) + body
    return body + crc16(body).to_bytes(CRC_SIZE, "little")


def crc16(frame: bytes) -> int:
    """Return Modbus' CRC-16: polynomial 0xA001 reflected, start 0xFFFF; sent low byte first."""
    crc = CRC_START
    for byte in frame:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def _crc_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_CRC_TABLE = tuple(_crc_entry(byte) for byte in range(256))
