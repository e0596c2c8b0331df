"""Measurements computed from others and from how the device was installed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

from contract.quality import Quality
from device_profiles.core.values import Value
from device_profiles.schema import Derived

Vector = tuple[float, float, float]


def derive(
    derived: Mapping[str, Derived], values: Iterable[Value], installed: Mapping[str, float]
) -> list[Value]:
    """Compute what can be computed from these values.

    A derived measurement is left out if one that it needs is not there at all; it has no value if
    one of those has none. Its quality is all of theirs.

    Args:    installed: measurement -> canonical value at installation; the profile's where absent.
    Returns: values in the quantity's canonical unit (degrees, centimetres).
    """
    known = {value.measurement: value for value in values}
    results: list[Value] = []
    for name, part in derived.items():
        needed = [known[of] for of in part.of if of in known]
        if len(needed) == len(part.of):
            results.append(_one(name, part, needed, installed))
    return results


def _one(
    name: str, part: Derived, needed: Sequence[Value], installed: Mapping[str, float]
) -> Value:
    quality = Quality.NORMAL
    for value in needed:
        quality |= value.quality
    now = [value.value for value in needed if value.value is not None]
    then = [installed.get(of, part.installed.get(of)) for of in part.of]
    known = [value for value in then if value is not None]
    if len(now) < len(needed) or len(known) < len(needed):
        return Value(name, None, quality or Quality.FAULT)
    return Value(name, DERIVATIONS[part.how](now, known), quality)


def tilt_from_axes(now: Sequence[float], then: Sequence[float]) -> float:
    """Return the angle between gravity's direction then and now, as a sensor's axes tell it.

    Args:    now, then: degrees of the x, y and z axis above the horizontal, each -90..90.
    Returns: degrees, 0..180.
    Source:  domain.md §4: tilt is |current − angle at installation|, here in all directions.
    """
    return angle_between(_from_axes(now), _from_axes(then))


def tilt_from_roll_pitch(now: Sequence[float], then: Sequence[float]) -> float:
    """Return the angle between the vertical then and now.

    Args:    now, then: degrees of roll (about x) and pitch (about y).
    Returns: degrees, 0..180.
    """
    return angle_between(_from_roll_pitch(now), _from_roll_pitch(then))


def change_from_installed(now: Sequence[float], then: Sequence[float]) -> float:
    """Return how far one value is from what it was at installation; never negative."""
    return abs(now[0] - then[0])


def installed_minus_current(now: Sequence[float], then: Sequence[float]) -> float:
    """Return e.g. the depth of water, from the distance to the dry ground and that to the water."""
    return then[0] - now[0]


def angle_between(a: Vector, b: Vector) -> float:
    """Return the angle between two directions in degrees, exact also near 0 and 180.

    Source: W. Kahan, "How futile are mindless assessments of roundoff", §12: the half-angle form.
    """
    length_a, length_b = math.hypot(*a), math.hypot(*b)
    if length_a == 0 or length_b == 0:
        return 0.0
    left = [x * length_b for x in a]
    right = [x * length_a for x in b]
    difference = math.hypot(*(x - y for x, y in zip(left, right, strict=True)))
    total = math.hypot(*(x + y for x, y in zip(left, right, strict=True)))
    return math.degrees(2 * math.atan2(difference, total))


def _from_axes(angles: Sequence[float]) -> Vector:
    x, y, z = (math.sin(math.radians(angle)) for angle in angles)
    return x, y, z


def _from_roll_pitch(angles: Sequence[float]) -> Vector:
    roll, pitch = (math.radians(angle) for angle in angles)
    return -math.sin(pitch), math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch)


DERIVATIONS: dict[str, Callable[[Sequence[float], Sequence[float]], float]] = {
    "tilt_from_axes": tilt_from_axes,
    "tilt_from_roll_pitch": tilt_from_roll_pitch,
    "change_from_installed": change_from_installed,
    "installed_minus_current": installed_minus_current,
}
