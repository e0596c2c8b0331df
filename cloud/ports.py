"""The borders of the cloud. Each has one contract suite in tests/suites/, for all that fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cloud.core.columns import Columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest reading of a series. value is None for a reading that has none."""

    series: int
    observed_ms: int
    value: float | None
    quality: int


class SeriesStore(Protocol):
    """Where readings are kept: always cold ∪ hot, in one consistent view."""

    def range(self, series: Sequence[int], from_ms: int, to_ms: int) -> Columns:
        """Return the readings with from_ms <= observed_ms < to_ms, sorted by series and time.

        Raises: StorageError if the disk or the database failed.
        """
        ...

    def stepped(self, series: int, from_ms: int, to_ms: int, step_ms: int) -> Stepped:
        """Return one point a step that has readings, averaged as the series' quantity averages.

        Unusable readings (contract.quality.UNUSABLE, or without value) are left out.
        Raises: StorageError; ValueError if step_ms < 1 or there would be over 20,000 points.
        """
        ...

    def latest(self, series: Sequence[int]) -> dict[int, Latest]:
        """Return the newest reading of each series that has any. Raises: StorageError."""
        ...

    def count(self) -> Count:
        """Count what is stored. Raises: StorageError."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """Points of one series, in lists of equal length; from_ms is each step's start."""

    from_ms: list[int]
    mean: list[float]
    minimum: list[float]
    maximum: list[float]
    readings: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many readings are stored, and how many of them say a (series, observed_at) again."""

    stored: int
    duplicates: int
    hot: int
    cold: int
