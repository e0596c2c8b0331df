"""Words, numbers and keys that several parts of a profile share."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from contract.quality import Quality

FunctionCode = Literal[1, 2, 3, 4]
WriteFunctionCode = Literal[5, 6, 15, 16]
Parity = Literal["none", "even", "odd"]

RegisterType = Literal[
    "bit",
    "uint8_high",
    "uint8_low",
    "int8_high",
    "int8_low",
    "uint16",
    "int16",
    "uint32",
    "int32",
    "uint64",
    "int64",
    "float16",
    "float32",
    "float64",
    "bcd16",
    "bcd32",
    "bcd64",
    "string",
    "string_high",
    "string_low",
]

ByteOrder = Literal[
    "ABCD", "DCBA", "BADC", "CDAB",
    "AB", "BA",
    "ABCDEFGH", "HGFEDCBA", "BADCFEHG", "GHEFCDAB", "CDABGHEF", "DCBAHGFE", "EFGHABCD", "FEHGBADC",
]  # fmt: skip

QualityName = Literal[
    "normal",
    "stopped",
    "maintenance",
    "manual",
    "fault",
    "calibration",
    "over_range",
    "communication",
    "stale",
]

QUALITIES: dict[str, Quality] = {
    "normal": Quality.NORMAL,
    "stopped": Quality.STOPPED,
    "maintenance": Quality.MAINTENANCE,
    "manual": Quality.MANUAL,
    "fault": Quality.FAULT,
    "calibration": Quality.CALIBRATION,
    "over_range": Quality.OVER_RANGE,
    "communication": Quality.COMMUNICATION,
    "stale": Quality.STALE,
}

Protocol = Literal["modbus", "mqtt", "hj212"]
EnvelopeName = Literal["none", "chirpstack-v4", "ttn-v3"]
TimeFormat = Literal["iso8601", "unix_s", "unix_ms", "china"]
Derivation = Literal[
    "tilt_from_axes",
    "tilt_from_roll_pitch",
    "change_from_installed",
    "installed_minus_current",
]
Framing = Literal["rtu", "pdu", "tcp"]
HjCommand = Literal["2011", "2051", "2061", "2031"]

RANGE_OF_THE_QUANTITY = (-math.inf, math.inf)

# How many registers a type takes; strings say theirs by `length`. A bit is one coil or input.
REGISTERS: dict[str, int] = {
    "bit": 1,
    "uint8_high": 1,
    "uint8_low": 1,
    "int8_high": 1,
    "int8_low": 1,
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "uint64": 4,
    "int64": 4,
    "float16": 1,
    "float32": 2,
    "float64": 4,
    "bcd16": 1,
    "bcd32": 2,
    "bcd64": 4,
}


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a profile have in common: they never change, and know all their keys."""


class Title(Strict, frozen=True, kw_only=True):
    """What people call this model, in the product's two languages."""

    zh: Annotated[str, Meta(min_length=1, description="Chinese")]
    en: Annotated[str, Meta(min_length=1, description="English")]


class Sentinel(Strict, frozen=True, kw_only=True):
    """A raw number that means "no value"."""

    raw: Annotated[float, Meta(description="the raw number, before scale and offset")]
    quality: Annotated[QualityName, Meta(description="why there is no value; not `normal`")] = (
        "fault"
    )


UnitField = Annotated[
    str, Meta(description="the unit of the scaled number; one of the quantity's units")
]
ScaleField = Annotated[float, Meta(description="unit per raw count; not 0")]
OffsetField = Annotated[float, Meta(description="added after scaling, in `unit`")]
RangeField = Annotated[
    tuple[float, float],
    Meta(
        description="[lowest, highest] plausible value in `unit` (with `unit_from` and for derived"
        " measurements, in the quantity's canonical unit); by default the quantity's own. Values"
        " outside are kept and flagged T"
    ),
]
SentinelsField = Annotated[
    tuple[Sentinel, ...], Meta(description="raw numbers that mean “no value”")
]
OfMeasurements = Annotated[
    tuple[str, ...], Meta(description="which measurements it speaks of; by default all")
]


def own_range() -> tuple[float, float]:
    """Return what stands for the quantity's own range until a file is loaded."""
    return RANGE_OF_THE_QUANTITY
