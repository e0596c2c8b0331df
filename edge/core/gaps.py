"""Gap records: naming, in as few lines as possible, which batches were given up for good."""

from __future__ import annotations

from collections.abc import Iterable

from contract.readings import NOT_RUNNING, Gap


def merge_gaps(gaps: Iterable[Gap]) -> list[Gap]:
    """Join gaps of one reason whose numbers are adjacent.

    Args:    gaps: in any order, none overlapping another.
    Returns: the same numbers, times and counts in the fewest gaps, in order of numbers. A gap
             of no readings (a gap record that was itself replaced) says nothing about time, so it
             joins neighbours of any reason and does not stretch their times.
    """
    merged: list[Gap] = []
    for gap in sorted(gaps, key=lambda each: each.first_seq):
        if merged and merged[-1].last_seq + 1 == gap.first_seq and _same_story(merged[-1], gap):
            merged[-1] = _join(merged[-1], gap)
        else:
            merged.append(gap)
    return merged


def _same_story(one: Gap, other: Gap) -> bool:
    return one.reason == other.reason or not (_tells(one) and _tells(other))


def _tells(gap: Gap) -> bool:
    """Whether a gap says anything beyond its number."""
    return gap.readings > 0 or gap.reason == NOT_RUNNING


def _join(one: Gap, other: Gap) -> Gap:
    told = [gap for gap in (one, other) if _tells(gap)] or [one]
    return Gap(
        first_seq=one.first_seq,
        last_seq=other.last_seq,
        first_ms=min(gap.first_ms for gap in told),
        last_ms=max(gap.last_ms for gap in told),
        readings=one.readings + other.readings,
        reason=told[0].reason,
    )
