"""Neighbours roll up: alerts of one rule in one area that begin together are one group.

A group is led by the first of them, and named after it. It takes what begins within a time of its
leader; what begins later leads a group of its own, so that no group grows for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An alert as far as groups go. group: its leader's id; "" for what has none yet."""

    alert: str
    rule: str
    area: str
    began_ms: int
    group: str = ""


def area_of(tags: Mapping[str, str], group_tags: Sequence[str]) -> str:
    """Return the area a device is in, as "tag=value" of the first such tag; "" for none."""
    for tag in group_tags:
        if tags.get(tag):
            return f"{tag}={tags[tag]}"
    return ""


def roll_up(fresh: Iterable[Member], leaders: Iterable[Member], within_ms: int) -> dict[str, str]:
    """Return the group of each fresh alert.

    leaders: the open groups' first alerts. What is in no area is in no group, and not returned.
    """
    led: dict[tuple[str, str], list[Member]] = {}
    for leader in leaders:
        led.setdefault((leader.rule, leader.area), []).append(leader)
    found: dict[str, str] = {}
    for one in sorted(fresh, key=lambda each: (each.began_ms, each.alert)):
        if not one.area:
            continue
        mine = led.setdefault((one.rule, one.area), [])
        near = [each for each in mine if abs(one.began_ms - each.began_ms) <= within_ms]
        if not near:
            mine.append(one)
            near = [one]
        found[one.alert] = min(near, key=lambda each: (each.began_ms, each.alert)).alert
    return found
