"""Derived measurements the other way round: what a device must show for a tilt or a depth. Pure.

A tilt is the angle between the direction of gravity now and when the sensor was installed; the
device shows the angles of its axes with the horizon (their sines are gravity's parts), or roll and
pitch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from device_profiles.schema import Derived

Direction = tuple[float, float, float]

_INSTALLED = {  # where neither the device's record nor the profile says
    "tilt_from_axes": (0.0, 0.0, 90.0),
    "tilt_from_roll_pitch": (0.0, 0.0),
    "change_from_installed": (0.0,),
    "installed_minus_current": (200.0,),
}


def shown(
    derived: Derived, value: float, installed: Mapping[str, float], heading_deg: float = 0.0
) -> dict[str, float]:
    """Return what the measurements that `derived` is computed from show when it comes to `value`.

    Args: installed: measurement -> value at installation; the profile's or none's own fill in.
          heading_deg: towards where a tilt leans.
    """
    start = [
        installed.get(name, derived.installed.get(name, default))
        for name, default in zip(derived.of, _INSTALLED[derived.how], strict=True)
    ]
    match derived.how:
        case "tilt_from_axes":
            now = axes(lean(_normal(start), value, heading_deg))
        case "tilt_from_roll_pitch":
            now = roll_pitch(lean(_normal_of_roll_pitch(start), value, heading_deg))
        case "change_from_installed":
            now = (start[0] + value,)
        case "installed_minus_current":
            now = (start[0] - value,)
    return dict(zip(derived.of, now, strict=True))


def lean(normal: Direction, tilt_deg: float, heading_deg: float) -> Direction:
    """Return the direction that is `tilt_deg` away from `normal`, towards `heading_deg`."""
    aside = _across(normal, (0.0, 1.0, 0.0) if abs(normal[1]) < 0.9 else (1.0, 0.0, 0.0))
    other = _across(normal, aside)
    tilt, heading = math.radians(tilt_deg), math.radians(heading_deg)
    x, y, z = (
        n * math.cos(tilt) + math.sin(tilt) * (a * math.cos(heading) + b * math.sin(heading))
        for n, a, b in zip(normal, aside, other, strict=True)
    )
    return x, y, z


def axes(direction: Direction) -> tuple[float, ...]:
    """Return the angles of the axes with the horizon: (0, 0, 90) for a plate that lies flat."""
    return tuple(math.degrees(math.asin(max(-1.0, min(1.0, part)))) for part in direction)


def roll_pitch(direction: Direction) -> tuple[float, float]:
    """Return roll (about x) and pitch (about y) of a plate whose gravity lies so."""
    x, y, z = direction
    return math.degrees(math.atan2(y, z)), math.degrees(math.asin(max(-1.0, min(1.0, -x))))


def _normal(angles: list[float]) -> Direction:
    """Return the unit vector whose parts are the axes' sines, however roughly they were noted."""
    x, y, z = (math.sin(math.radians(angle)) for angle in angles)
    length = math.hypot(x, y, z) or 1.0
    return x / length, y / length, z / length


def _normal_of_roll_pitch(angles: list[float]) -> Direction:
    roll, pitch = (math.radians(angle) for angle in angles)
    return -math.sin(pitch), math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch)


def _across(one: Direction, other: Direction) -> Direction:
    """Return the unit vector at right angles to both."""
    x = one[1] * other[2] - one[2] * other[1]
    y = one[2] * other[0] - one[0] * other[2]
    z = one[0] * other[1] - one[1] * other[0]
    length = math.hypot(x, y, z)
    return x / length, y / length, z / length
