"""What decoding yields, and the requests it starts from."""

from __future__ import annotations

import msgspec

from contract.quality import Quality


class Value(msgspec.Struct, frozen=True, gc=False):
    """One decoded value: a reading without its device and time.

    value: in the quantity's canonical unit, finite; None only if quality is not NORMAL.
    """

    measurement: str
    value: float | None
    quality: Quality = Quality.NORMAL


class Message(msgspec.Struct, frozen=True):
    """What one message of a device that speaks for itself says.

    device_address: the id in its topic or payload, in small letters; for HJ 212 the MN.
    observed_ms: the device's own time, UTC milliseconds; None if it tells none.
    values: those that the message has, then derived ones; may be empty.
    """

    device_address: str
    observed_ms: int | None
    values: tuple[Value, ...]


class Block(msgspec.Struct, frozen=True, order=True):
    """One Modbus read request: function code, first address (from zero), how many."""

    function: int
    address: int
    count: int
