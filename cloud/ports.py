"""The borders of the cloud. Each has one contract suite in tests/suites/, for all that fill it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from cloud.core.columns import Columns
from cloud.core.gate import Decision

if TYPE_CHECKING:
    import sqlalchemy as sa

    from cloud.alert_rows import Alert


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


class CaseSystem(Protocol):
    """Where alerts become work. The outbox calls it (cloud/cases/outbox.py), once per message.

    The connection is the transaction that marks the message done: what is written through it and
    the mark stand or fall together. What is done elsewhere must bear being done again.
    """

    def raised(
        self, connection: sa.Connection, alert: Alert, decision: Decision, at_ms: int
    ) -> str:
        """Open a case for an alert, or attach it to the open one of its asset and category.

        Returns: the case's id. Raises: TransportError to be called again later; RejectedError if
        the system refused for good.
        """
        ...

    def returned(self, connection: sa.Connection, alert: str, at_ms: int) -> None:
        """Tell that an alert's sensor is back to normal. It never closes a case.

        Raises: as raised().
        """
        ...
