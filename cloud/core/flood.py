"""Floods: more alerts than a person can answer.

Source: ISA-18.2 / IEC 62682: a flood begins with more than 10 alarms in 10 minutes for an operator,
and ends with fewer than 5. Nothing is dropped in one; the first is marked, the rest belongs to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Turn(StrEnum):
    """What becomes of a flood."""

    BEGINS = "begins"
    ENDS = "ends"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """begins: with more than so many in the window. ends: with fewer than so many."""

    begins: int
    ends: int
    window_ms: int


def desk_of(tags: Mapping[str, str], owner: str, tag: str, *, by_unit: bool, assignee: str) -> str:
    """Return whose alert it is: the operator's whom it was given to, as "@name"; else its desk's.

    The desk is the tag's value; by_unit: where there is none, the responsible unit; else "".
    """
    if assignee:
        return f"@{assignee}"
    return (tags.get(tag, "") if tag else "") or (owner if by_unit else "")


def within(raised_ms: Sequence[int], now_ms: int, window_ms: int) -> int:
    """Return how many of these were raised in the window that ends now."""
    return sum(now_ms - window_ms < at_ms <= now_ms for at_ms in raised_ms)


def turn(in_flood: bool, raised: int, bounds: Bounds) -> Turn | None:
    """Return what becomes of a desk's flood with so many alerts raised in the window.

    Between the two bounds everything stays as it is.
    """
    if not in_flood and raised > bounds.begins:
        return Turn.BEGINS
    if in_flood and raised < bounds.ends:
        return Turn.ENDS
    return None
