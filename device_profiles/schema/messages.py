"""The mqtt and hj212 blocks: devices that speak for themselves."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from device_profiles.schema.base import (
    EnvelopeName,
    HjCommand,
    OffsetField,
    OfMeasurements,
    QualityName,
    RangeField,
    ScaleField,
    SentinelsField,
    Strict,
    TimeFormat,
    UnitField,
    own_range,
)


class PayloadMeasurement(Strict, frozen=True, kw_only=True):
    """One measurement in a JSON payload. A message without it simply has no such reading."""

    unit: UnitField = ""
    scale: ScaleField = 1.0
    offset: OffsetField = 0.0
    range: RangeField = msgspec.field(default_factory=own_range)
    sentinels: SentinelsField = ()
    path: Annotated[
        str,
        Meta(
            min_length=1,
            description="JMESPath to a number, a numeric string, true or false, from the device's"
            " own object (`root`)",
        ),
    ]
    enum: Annotated[
        dict[str, float] | None,
        Meta(description="text in the payload -> number; other texts are no value"),
    ] = None


class PayloadStatus(Strict, frozen=True, kw_only=True):
    """How a field of the payload sets the quality of measurements."""

    path: Annotated[str, Meta(min_length=1, description="JMESPath from the device's own object")]
    values: Annotated[
        dict[str, QualityName],
        Meta(description="the field's text (numbers and true, false as JSON writes them)"),
    ]
    otherwise: Annotated[
        QualityName, Meta(description="quality for a text that `values` does not list")
    ] = "normal"
    measurements: OfMeasurements = ()


class Mqtt(Strict, frozen=True, kw_only=True):
    """A device that publishes JSON over MQTT, itself or through a LoRaWAN network server.

    Each envelope brings a topic, and where device id, time, signal and the device's own object
    are. With `none`, this block says so itself. With several, a message is taken by the first that
    fits it; simulators use the first.
    """

    envelopes: Annotated[
        tuple[EnvelopeName, ...],
        Meta(min_length=1, description="ways in which the network server may wrap the payload"),
    ] = ("none",)
    topic: Annotated[
        str,
        Meta(
            description="MQTT filter to subscribe to, `{device}` where the device's id stands; for"
            " envelope `none`"
        ),
    ] = ""
    device: Annotated[
        str,
        Meta(description="JMESPath to the device's id, if it is not in the topic; envelope `none`"),
    ] = ""
    time: Annotated[
        str,
        Meta(description="JMESPath to the device's own time; envelope `none`; absent: arrival"),
    ] = ""
    time_format: Annotated[
        TimeFormat,
        Meta(
            description="iso8601 with offset; unix_s or unix_ms; china: YYYY-MM-DD hh:mm:ss or"
            " YYYYMMDDhhmmss in UTC+8"
        ),
    ] = "iso8601"
    root: Annotated[
        str, Meta(description="JMESPath to the device's own object; absent: the whole payload")
    ] = ""
    measurements: Annotated[
        dict[str, PayloadMeasurement],
        Meta(min_length=1, description="quantity key, with `.channel` if several -> where it is"),
    ]
    status: Annotated[
        tuple[PayloadStatus, ...], Meta(description="how fields of the payload set the quality")
    ] = ()


class FactorMeasurement(Strict, frozen=True, kw_only=True):
    """One measurement in an HJ 212 data segment.

    A device's record may override the unit (`units: {tsp: ng/m3}`): Annex B says ng/m3 for the
    a34 factors, nearly all stations send ug/m3.
    """

    unit: UnitField = ""
    scale: ScaleField = 1.0
    offset: OffsetField = 0.0
    range: RangeField = msgspec.field(default_factory=own_range)
    sentinels: SentinelsField = ()
    factor: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z][A-Za-z0-9]{0,15}$",
            description="pollutant code: a34001, LA, w01009",
        ),
    ]
    command: Annotated[
        HjCommand,
        Meta(description="CN that carries it: 2011 real-time, 2051 minutes, 2061 hour, 2031 day"),
    ] = "2011"
    suffix: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z]{0,12}$",
            description="which figure of the factor; by default Rtd for 2011, else Avg",
        ),
    ] = ""


class Hj212(Strict, frozen=True, kw_only=True):
    """A station that reports over HJ 212-2017 (or 2025)."""

    system: Annotated[
        str,
        Meta(
            pattern="^[0-9]{2}$",
            description="ST: 21 surface water, 22 air, 23 noise, 31 air source, 32 water source,"
            " 36 noise source, 39 construction dust",
        ),
    ]
    measurements: Annotated[
        dict[str, FactorMeasurement],
        Meta(min_length=1, description="quantity key, with `.channel` if several -> its factor"),
    ]
