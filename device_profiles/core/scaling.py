"""From raw numbers to canonical units, without the dust of binary fractions (239 × 0.1 = 23.9)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

import msgspec

from contract.quality import Quality
from contract.quantities import quantity_of
from contract.units import conversion
from device_profiles.core.values import Value
from device_profiles.schema import QUALITIES, Measurement


class Linear(msgspec.Struct, frozen=True):
    """value = raw * num / den + offset; whole num and den where the scale allows."""

    num: float
    den: float
    offset: float

    def __call__(self, raw: float) -> float:
        """Scale one number."""
        return raw * self.num / self.den + self.offset


class Finish(msgspec.Struct, frozen=True):
    """The last steps that all protocols share: enum, sentinels, scale, a finite number or none.

    enum: raw -> number, or None. sentinels: raw -> quality.
    """

    name: str
    linear: Linear
    sentinels: Mapping[float, Quality]
    enum: Mapping[float, float] | None = None

    def __call__(self, raw: float | None, quality: Quality = Quality.NORMAL) -> Value:
        """Return the value of a raw number; None, and what does not scale, is no value."""
        if raw is None:
            return no_value(self.name, quality or Quality.FAULT)
        flagged = self.sentinels.get(raw)
        if flagged is not None:
            return no_value(self.name, quality | flagged)
        number = raw if self.enum is None else self.enum.get(raw)
        if number is None:
            return no_value(self.name, quality | Quality.FAULT)
        return finite(self.name, self.linear(number), quality)


def finite(name: str, value: float, quality: Quality) -> Value:
    """Return a value, or none and FAULT if it is infinite or no number."""
    if value - value != 0.0:  # true of inf and nan, and quicker than math.isfinite
        return no_value(name, quality | Quality.FAULT)
    return Value(name, value, quality)


def no_value(name: str, quality: Quality) -> Value:
    """Return "there is no value, because"."""
    return Value(name, None, quality)


def linear(scale: float, offset: float, unit: str, canonical: str) -> Linear:
    """Return the way from a raw number, × scale + offset in `unit`, to the canonical unit.

    Raises: ValueError if the units do not convert.
    """
    factor, shift = exact_conversion(unit or canonical, canonical)
    ratio = Fraction(repr(scale)) * factor
    shifted = offset * float(factor) + shift
    try:
        return Linear(float(ratio.numerator), float(ratio.denominator), shifted)
    except OverflowError:  # a scale like 1e-320
        return Linear(float(ratio), 1.0, shifted)


def exact_conversion(unit: str, canonical: str) -> tuple[Fraction, float]:
    """Return (factor, shift) of contract.units, the factor freed of its last bits' noise.

    Raises: ValueError if the units do not convert.
    """
    factor, shift = conversion(unit, canonical)
    return Fraction(f"{factor:.15g}"), shift


def finish(
    name: str,
    part: Measurement,
    enum: Mapping[float, float] | None = None,
    sentinels: Mapping[float, Quality] | None = None,
) -> Finish:
    """Return the last steps for a measurement whose scale and unit are fixed.

    sentinels: instead of the part's own, where those had to be rounded to the type.
    """
    return Finish(
        name,
        linear(part.scale, part.offset, part.unit, quantity_of(name).unit),
        sentinels_of(part) if sentinels is None else sentinels,
        enum,
    )


def sentinels_of(part: Measurement) -> dict[float, Quality]:
    """Return raw number -> quality."""
    return {sentinel.raw: QUALITIES[sentinel.quality] for sentinel in part.sentinels}


def by_number(enum: Mapping[int, float] | None) -> dict[float, float] | None:
    """Return an enum keyed as raw numbers are typed."""
    return None if enum is None else {float(raw): number for raw, number in enum.items()}
