"""Error and status fields into quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from contract.quality import Quality
from device_profiles.core.registers import Raw
from device_profiles.core.values import Value
from device_profiles.schema import QUALITIES, PayloadStatus, StatusRule


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One status register. measurements: those whose quality it sets."""

    slot: int
    values: Mapping[float, Quality]
    bits: Mapping[int, Quality]
    otherwise: Quality
    measurements: frozenset[str]

    def __call__(self, raws: Sequence[Raw]) -> Quality:
        """Return what the register says; COMMUNICATION if it was not read."""
        raw = raws[self.slot]
        if raw is None:
            return Quality.COMMUNICATION
        quality = self.values.get(raw, self.otherwise)
        for bit, flag in self.bits.items():
            if raw == raw and int(raw) >> bit & 1:
                quality |= flag
        return quality


def register_status(rule: StatusRule, slot: int, names: Sequence[str]) -> Status:
    """Prepare a status register; names: the measurements that there are."""
    return Status(
        slot=slot,
        values={number: QUALITIES[word] for number, word in rule.values.items()},
        bits={bit: QUALITIES[word] for bit, word in rule.bits.items()},
        otherwise=QUALITIES[rule.otherwise],
        measurements=frozenset(rule.measurements or names),
    )


def payload_quality(rule: PayloadStatus, found: str | None) -> Quality:
    """Return what a status field of a payload says; a field that is absent says nothing."""
    if found is None:
        return Quality.NORMAL
    return QUALITIES[rule.values.get(found, rule.otherwise)]


def flag(values: Sequence[Value], quality: Quality, measurements: frozenset[str]) -> list[Value]:
    """Return the values, those of these measurements with the quality added."""
    return [
        Value(value.measurement, value.value, value.quality | quality)
        if value.measurement in measurements
        else value
        for value in values
    ]
