"""Neighbours roll up: alerts of one rule in one area, or near each other, that begin together.

A group is led by the first of them, and named after it. It takes what begins within a time of its
leader, and near it; what begins later or is farther away leads a group of its own, so that no group
grows for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud.core.places import distance_m


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An alert as far as groups go.

    group: its leader's id; "" for what has none yet. place: longitude and latitude, if known.
    """

    alert: str
    rule: str
    area: str
    began_ms: int
    group: str = ""
    place: tuple[float, float] | None = None


def area_of(tags: Mapping[str, str], group_tags: Sequence[str]) -> str:
    """Return the area a device is in, as "tag=value" of the first such tag; "" for none."""
    for tag in group_tags:
        if tags.get(tag):
            return f"{tag}={tags[tag]}"
    return ""


def roll_up(
    fresh: Iterable[Member], leaders: Iterable[Member], within_ms: int, within_m: float = 0.0
) -> dict[str, str]:
    """Return the group of each fresh alert.

    leaders: the open groups' first alerts. within_m: 0 is by area alone. What is in no area, and
    whose place does not count or is not known, is in no group, and not returned.
    """
    led: dict[str, list[Member]] = {}
    for leader in leaders:
        led.setdefault(leader.rule, []).append(leader)
    found: dict[str, str] = {}
    for one in sorted(fresh, key=lambda each: (each.began_ms, each.alert)):
        if not one.area and not (within_m and one.place):
            continue
        mine = led.setdefault(one.rule, [])
        near = [
            each
            for each in mine
            if abs(one.began_ms - each.began_ms) <= within_ms and _are_near(one, each, within_m)
        ]
        if not near:
            mine.append(one)
            near = [one]
        found[one.alert] = min(near, key=lambda each: (each.began_ms, each.alert)).alert
    return found


def _are_near(one: Member, other: Member, within_m: float) -> bool:
    if one.area and one.area == other.area:
        return True
    if not within_m or one.place is None or other.place is None:
        return False
    return distance_m(one.place, other.place) <= within_m
