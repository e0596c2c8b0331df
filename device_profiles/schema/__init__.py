"""The shape of a device profile: what a YAML file may say, and what edge and simulators get.

One set of types is the file's schema, the loaded profile, and the source of schema.json. The loader
checks a file against them, then settles what depends on other keys, so that whoever gets a Profile
need not: in a *loaded* profile

- every address is the one on the wire, counted from zero (`registers_count_from` is applied);
- every point has its own `function` and `order` (the modbus block's defaults are filled in);
- every `range` is concrete, in the quantity's canonical unit (the quantity's own by default);
- every name that refers to another (`unit_from`, `status`, `derived`, …) exists and fits.

How a raw number becomes a value, in this order:

    raw      bytes put in order, read as `type`, `bits` cut out
    enum     raw -> enum[raw]; a raw number not listed is no value, quality D
    scaled   raw × scale × scale_from × 10^-decimals_from + offset, in `unit` (or `unit_from`)
    value    converted to the quantity's canonical unit
    quality  of sentinels and status rules together; a sentinel's value is None

Byte orders. The letters name the value's bytes, A the most significant, in the order in which they
come over the wire. A four-letter name fits every width:

    order   16 bit   32 bit   64 bit      also said
    ABCD    AB       ABCD     ABCDEFGH    big endian (Modbus' own)
    DCBA    BA       DCBA     HGFEDCBA    little endian
    BADC    BA       BADC     BADCFEHG    bytes swapped in each register
    CDAB    AB       CDAB     GHEFCDAB    registers swapped
"""

from __future__ import annotations

from device_profiles.schema.base import (
    QUALITIES,
    RANGE_OF_THE_QUANTITY,
    REGISTERS,
    ByteOrder,
    Derivation,
    EnvelopeName,
    Framing,
    FunctionCode,
    HjCommand,
    Parity,
    Protocol,
    QualityName,
    RegisterType,
    Sentinel,
    Strict,
    TimeFormat,
    Title,
    WriteFunctionCode,
)
from device_profiles.schema.messages import (
    FactorMeasurement,
    Hj212,
    Mqtt,
    PayloadMeasurement,
    PayloadStatus,
)
from device_profiles.schema.modbus import (
    Input,
    Modbus,
    Point,
    RegisterMeasurement,
    Requests,
    Serial,
    Start,
    StatusRule,
    Write,
    WriteVector,
)
from device_profiles.schema.profile import SIGNALS, Derived, Measurement, Profile, ProfileFile
from device_profiles.schema.vectors import Exchange, Expected, Vector

__all__ = [
    "QUALITIES",
    "RANGE_OF_THE_QUANTITY",
    "REGISTERS",
    "SIGNALS",
    "ByteOrder",
    "Derivation",
    "Derived",
    "EnvelopeName",
    "Exchange",
    "Expected",
    "FactorMeasurement",
    "Framing",
    "FunctionCode",
    "Hj212",
    "HjCommand",
    "Input",
    "Measurement",
    "Modbus",
    "Mqtt",
    "Parity",
    "PayloadMeasurement",
    "PayloadStatus",
    "Point",
    "Profile",
    "ProfileFile",
    "Protocol",
    "QualityName",
    "RegisterMeasurement",
    "RegisterType",
    "Requests",
    "Sentinel",
    "Serial",
    "Start",
    "StatusRule",
    "Strict",
    "TimeFormat",
    "Title",
    "Vector",
    "Write",
    "WriteFunctionCode",
    "WriteVector",
]
