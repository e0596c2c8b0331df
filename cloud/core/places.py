"""How far two places are from each other, and what kind of sensor tells of what matter."""

from __future__ import annotations

from math import asin, cos, radians, sin, sqrt

_EARTH_M = 6_371_000.0

# What of GB/T 30428 a kind of sensor can confirm.
_KINDS: dict[str, tuple[str, ...]] = {
    "noise": ("03-01", "05-08"),
    "dust": ("03-02",),
    "water": ("01-05",),
    "gas": ("04-03", "C01-11"),
    "manhole": ("04-01", "04-04", "C01"),
}


def distance_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the distance of two places (longitude, latitude) over the ground, by haversine."""
    (lon1, lat1), (lon2, lat2) = ((radians(x), radians(y)) for x, y in (a, b))
    h = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * _EARTH_M * asin(min(1.0, sqrt(h)))


def kind_of(category: str) -> str:
    """Return the kind of sensor that can confirm a matter of a category; "" if none can."""
    exact = (kind for kind, codes in _KINDS.items() if category in codes)
    below = (kind for kind, codes in _KINDS.items() if category.split("-")[0] in codes)
    return next(exact, next(below, ""))
