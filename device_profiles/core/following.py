"""Measurements whose unit, scale or decimals other registers tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from contract.quality import Quality
from contract.quantities import quantity_of
from device_profiles.core.registers import Raw
from device_profiles.core.scaling import by_number, exact_conversion, finite, no_value
from device_profiles.core.values import Value
from device_profiles.schema import Input, RegisterMeasurement

MOST_DECIMALS = 9


class Follower(msgspec.Struct, frozen=True, kw_only=True):
    """One such measurement. Slots are places in the list of raw numbers; None: nothing follows.

    units: the unit register's number -> (factor, shift) to the canonical unit.
    """

    name: str
    slot: int
    scale: float
    offset: float
    enum: Mapping[float, float] | None
    sentinels: Mapping[float, Quality]
    scale_slot: int | None
    scales: Mapping[float, float] | None
    decimals_slot: int | None
    decimals: Mapping[float, float] | None
    unit_slot: int | None
    units: Mapping[float, tuple[float, float]]
    fixed_unit: tuple[float, float]

    def __call__(self, raws: Sequence[Raw]) -> Value:
        """Return the value; none and FAULT for a unit or number of decimals that cannot be."""
        raw = raws[self.slot]
        scale = _follow(raws, self.scale_slot, self.scales, 1.0)
        decimals = _follow(raws, self.decimals_slot, self.decimals, 0.0)
        unit = 0.0 if self.unit_slot is None else raws[self.unit_slot]
        if raw is None or scale is None or decimals is None or unit is None:
            return no_value(self.name, Quality.COMMUNICATION)
        if raw in self.sentinels:
            return no_value(self.name, self.sentinels[raw])
        number = raw if self.enum is None else self.enum.get(raw)
        factor_shift = self.fixed_unit if self.unit_slot is None else self.units.get(unit)
        if number is None or factor_shift is None or decimals not in _DECIMALS:
            return no_value(self.name, Quality.FAULT)
        times, over = _DECIMALS[decimals]
        scaled = number * self.scale * scale * times / over + self.offset
        return finite(self.name, scaled * factor_shift[0] + factor_shift[1], Quality.NORMAL)


# Decimals -> (times, over): whole powers of ten, as 0.1 ** n has rounding noise.
_DECIMALS: dict[float, tuple[float, float]] = {
    float(n): (10.0 ** max(-n, 0), 10.0 ** max(n, 0))
    for n in range(-MOST_DECIMALS, MOST_DECIMALS + 1)
}


def _follow(
    raws: Sequence[Raw], slot: int | None, enum: Mapping[float, float] | None, absent: float
) -> float | None:
    """Return an input's number, NaN if its enum does not know it; None if it was not read."""
    if slot is None:
        return absent
    raw = raws[slot]
    if raw is None or enum is None:
        return raw
    return enum.get(raw, float("nan"))


def inputs_of(part: RegisterMeasurement) -> tuple[str, ...]:
    """Return the names of the inputs that a measurement follows."""
    return tuple(filter(None, (part.unit_from, part.scale_from, part.decimals_from)))


def follower(
    name: str,
    part: RegisterMeasurement,
    inputs: Mapping[str, Input],
    slots: Mapping[str, int],
    sentinels: Mapping[float, Quality],
) -> Follower:
    """Prepare a measurement that follows inputs."""
    canonical = quantity_of(name).unit
    scale, decimals, unit = (
        inputs.get(of) for of in (part.scale_from, part.decimals_from, part.unit_from)
    )
    units = unit.units if unit is not None and unit.units is not None else {}
    return Follower(
        name=name,
        slot=slots[name],
        scale=part.scale,
        offset=part.offset,
        enum=by_number(part.enum),
        sentinels=sentinels,
        scale_slot=slots.get(part.scale_from),
        scales=None if scale is None else by_number(scale.enum),
        decimals_slot=slots.get(part.decimals_from),
        decimals=None if decimals is None else by_number(decimals.enum),
        unit_slot=slots.get(part.unit_from),
        units={code: _conversion(symbol, canonical) for code, symbol in units.items()},
        fixed_unit=_conversion(part.unit or canonical, canonical),
    )


def _conversion(unit: str, canonical: str) -> tuple[float, float]:
    factor, shift = exact_conversion(unit, canonical)
    return float(factor), shift
