"""Vectors: frames that devices sent, and what they mean."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from device_profiles.schema.base import Framing, Strict


class Exchange(Strict, frozen=True, kw_only=True):
    """A frame and, for Modbus, the request that it answers."""

    request: Annotated[str, Meta(description="Modbus: the request's bytes in hex")] = ""
    frame: Annotated[
        str,
        Meta(
            min_length=1,
            description="Modbus: the answer's bytes in hex. MQTT: the JSON payload. HJ 212: the"
            " frame from ## on; the closing CR LF may be left out",
        ),
    ]


class Expected(Strict, frozen=True, kw_only=True):
    """What a vector's measurement must come to, where a bare number does not say it all."""

    value: Annotated[float | None, Meta(description="the number; null for no value")]
    unit: Annotated[str, Meta(description="unit of the number; by default the canonical one")] = ""
    within: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="how far off it may be, where the source rounds"),
    ] = None
    quality: Annotated[
        str, Meta(description="quality letters, as on the wire; empty for normal")
    ] = ""


class Vector(Exchange, frozen=True, kw_only=True):
    """A frame that a device sent, and what it means: the proof of the profile."""

    framing: Annotated[
        Framing,
        Meta(
            description="Modbus: rtu, with unit id and CRC; pdu, from the function code on; tcp,"
            " with the MBAP header"
        ),
    ] = "rtu"
    also: Annotated[
        tuple[Exchange, ...], Meta(description="Modbus: further requests of the same poll")
    ] = ()
    topic: Annotated[str, Meta(description="MQTT: the topic it came on")] = ""
    device: Annotated[str, Meta(description="MQTT: the device id that must be found")] = ""
    time: Annotated[
        str, Meta(description="MQTT, HJ 212: the time that must be found, ISO 8601 with offset")
    ] = ""
    installed: Annotated[
        dict[str, float], Meta(description="values at installation, for derived measurements")
    ] = msgspec.field(default_factory=dict)
    units: Annotated[
        dict[str, str],
        Meta(description="HJ 212: measurement -> unit that this very station sends"),
    ] = msgspec.field(default_factory=dict)
    expect: Annotated[
        dict[str, float | Expected],
        Meta(
            min_length=1,
            description="measurement -> number in the canonical unit, or {value, unit, within,"
            " quality}; everything that the frame yields",
        ),
    ]
    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="where frame and meaning were published; `synthetic` if we made them up,"
            " which proves nothing",
        ),
    ]

    @property
    def proves(self) -> bool:
        """Whether somebody else says what this frame means."""
        return not self.source.strip().lower().startswith("synthetic")
