"""Which files of a day to merge: few at any time, one in the end, and each reading seldom moved.

While a day goes on, files of like size are merged when there are FAN_IN of them, so that a reading
is moved once per power of FAN_IN. When it is over and no more comes, all become one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

FAN_IN = 8
MOST_AT_ONCE = 32  # each has a part in memory
QUIET_MS = 600_000  # nothing new for so long: what was late has come
PATIENCE_MS = 3_600_000  # but never wait longer than this


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFile:
    """A file of a day, as far as merging is concerned."""

    path: str
    readings: int
    sealed_ms: int


def to_merge(files: Sequence[DayFile], day_end_ms: int, now_ms: int) -> Sequence[DayFile]:
    """Choose neighbours of one day's files to merge now; none if it is not time yet.

    Args: files: in the order of their blocks, which merging must not break.
    """
    if len(files) < 2:
        return ()
    if now_ms >= day_end_ms + QUIET_MS:
        quiet = now_ms - max(file.sealed_ms for file in files) >= QUIET_MS
        waited = now_ms - min(file.sealed_ms for file in files[1:]) >= PATIENCE_MS
        if quiet or waited:
            return files[-MOST_AT_ONCE:]
    for tier in sorted({_tier(file) for file in files}):
        alike = len(list(takewhile(lambda file: _tier(file) <= tier, reversed(files))))  # noqa: B023
        if alike >= FAN_IN:
            return files[len(files) - min(alike, MOST_AT_ONCE) :]
    return ()


def _tier(file: DayFile) -> int:
    """Return how often FAN_IN goes into the file's size."""
    tier, size = 0, file.readings
    while size >= FAN_IN:
        size //= FAN_IN
        tier += 1
    return tier
