"""The whole profile: as the file has it, and loaded."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from contract.quantities import Kind, quantity_of
from device_profiles.schema.base import Derivation, Protocol, RangeField, Strict, Title, own_range
from device_profiles.schema.messages import FactorMeasurement, Hj212, Mqtt, PayloadMeasurement
from device_profiles.schema.modbus import Modbus, RegisterMeasurement
from device_profiles.schema.vectors import Vector

# Those of contract.aggregates.
PeriodName: TypeAlias = Literal["1min", "20min", "1h"]
# What the envelopes of network servers tell about the radio link.
SIGNALS = ("signal_rssi", "signal_snr")


def _range_of(name: str) -> tuple[float, float]:
    quantity = quantity_of(name)
    return quantity.low, quantity.high


class Derived(Strict, frozen=True, kw_only=True):
    """A measurement that is computed from others and from how the device was installed.

    tilt_from_axes          of: x, y, z, the angles of the sensor's axes to the horizontal. The
                            angle between gravity's direction now and when installed.
    tilt_from_roll_pitch    of: roll, pitch. The same.
    change_from_installed   of: one. |current - installed|.
    installed_minus_current of: one. E.g. depth = distance to the dry ground - distance now.

    `installed` are the values to assume where a device's record gives none; without one, the
    record must give it.
    """

    how: Annotated[Derivation, Meta(description="the way of computing")]
    of: Annotated[
        tuple[str, ...],
        Meta(min_length=1, max_length=3, description="the measurements it is computed from"),
    ]
    installed: Annotated[
        dict[str, float],
        Meta(description="measurement -> value at installation, in the canonical unit"),
    ] = msgspec.field(default_factory=dict)
    range: RangeField = msgspec.field(default_factory=own_range)


Measurement = RegisterMeasurement | PayloadMeasurement | FactorMeasurement


class ProfileFile(Strict, frozen=True, kw_only=True):
    """A device profile as the file has it: exactly one of modbus, mqtt and hj212."""

    kind: Annotated[Kind, Meta(description="which of the five kinds of device")]
    maker: Annotated[str, Meta(min_length=1, description="who makes it; generic if many do")]
    model: Annotated[str, Meta(min_length=1, description="the maker's name for it")]
    title: Annotated[Title, Meta(description="what people call it")]
    manual: Annotated[str, Meta(description="the maker's manual: title, edition, address")] = ""
    source: Annotated[
        str, Meta(min_length=1, description="where the map was found, and how sure it is")
    ]
    notes: Annotated[str, Meta(description="what a technician should know")] = ""
    period_s: Annotated[
        float,
        Meta(gt=0, le=86_400, description="seconds between two readings, unless the device's own"),
    ] = 60.0
    modbus: Annotated[Modbus | None, Meta(description="a device polled over Modbus")] = None
    mqtt: Annotated[Mqtt | None, Meta(description="a device that publishes JSON")] = None
    hj212: Annotated[Hj212 | None, Meta(description="a station that reports over HJ 212")] = None
    derived: Annotated[
        dict[str, Derived], Meta(description="measurements that are computed from others")
    ] = msgspec.field(default_factory=dict)
    aggregates: Annotated[
        dict[str, Annotated[tuple[PeriodName, ...], Meta(min_length=1)]],
        Meta(description="fast samples -> over which periods the edge computes statistics of them"),
    ] = msgspec.field(default_factory=dict)
    vectors: Annotated[
        tuple[Vector, ...], Meta(min_length=1, description="frames that prove the profile")
    ]


class Profile(ProfileFile, frozen=True, kw_only=True):
    """A loaded profile: checked, and settled as the module's docstring says.

    name: "<kind>/<file name without .yaml>", e.g. "noise/rs485-sound". path: where it was read.
    """

    name: str
    path: str

    @property
    def protocol(self) -> Protocol:
        """Which of the three blocks the profile has."""
        if self.modbus is not None:
            return "modbus"
        return "mqtt" if self.mqtt is not None else "hj212"

    def measured(self) -> dict[str, Measurement]:
        """Return the measurements that the device itself sends, by name, whatever the protocol."""
        block = self.modbus or self.mqtt or self.hj212
        return {} if block is None else {**block.measurements}

    def ranges(self) -> dict[str, tuple[float, float]]:
        """Return [lowest, highest] plausible value by measurement, in canonical units."""
        parts: dict[str, Measurement | Derived] = {**self.measured(), **self.derived}
        own = {name: part.range for name, part in parts.items()}
        return {name: _range_of(name) for name in self.signals()} | own

    def signals(self) -> tuple[str, ...]:
        """Return what a network server adds to a device's own measurements."""
        if self.mqtt is None or self.mqtt.envelopes == ("none",):
            return ()
        return tuple(name for name in SIGNALS if name not in self.mqtt.measurements)

    def measurement_names(self) -> tuple[str, ...]:
        """Return every name that readings of this device can have, derived ones last."""
        return (*self.measured(), *self.signals(), *self.derived)

    def installed_needed(self) -> tuple[str, ...]:
        """Return what a device's record must say under `installed`, as there is no default."""
        return tuple(
            name
            for derived in self.derived.values()
            for name in derived.of
            if name not in derived.installed
        )
