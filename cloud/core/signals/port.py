"""What every kind of signal must do, and the rows that signals have.

A signal is a series of its own, made of readings in event time by a rule's check. The engine gives
it a slot, as it does to series, and watches what it yields as if a device had sent it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cloud.core.arrivals import Arrivals
from cloud.core.model import Series
from cloud.core.rules import Rule

Key = tuple[str, int]  # a rule's id and the anchor's series id


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A signal that is to be made.

    anchor: the series that its alerts are of. slot: the engine's number for what it yields.
    inputs: the slots of the series it is made of, the anchor's first; series: the same as series.
    period_s: seconds between readings of the anchor's device; what is taken where none is known.
    gap_ms:   a longer silence of an input than this is a gap.
    """

    rule: Rule
    anchor: Series
    slot: int
    inputs: tuple[int, ...]
    series: tuple[Series, ...]
    period_s: float
    gap_ms: int

    @property
    def key(self) -> Key:
        """What it is known by in snapshots."""
        return self.rule.id, self.anchor.id


class Signals(Protocol):
    """All signals of one kind of check. Pure; the answer does not depend on how blocks are cut."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def change(self, leave: Sequence[int], enter: Sequence[Wanted]) -> None:
        """Make some no longer, by slot, and others from now on. One in both keeps its memory."""
        ...

    def take(self, arrivals: Arrivals) -> Arrivals:
        """Return what readings make of the signals.

        Args:    arrivals: of all series, sorted by slot, then time; none is late.
        Returns: the same of the signals' slots. row: that of the reading that made it so.
        """
        ...

    def due(self, watermark_ms: int, /) -> Arrivals:
        """Return what time alone makes of the signals, when no reading before that is to come.

        row: -1. Nothing may be told twice: what is due here, take() no longer tells.
        """
        ...

    def memory(self) -> bytes:
        """Return all that is remembered, by key."""
        ...

    def remember(self, data: bytes) -> None:
        """Take a memory; what is not made here is left out, what is not in it stays as it is.

        Raises: DecodeError if the bytes are none; nothing is changed then.
        """
        ...


def yielded(
    slot: NDArray[np.intp],
    at_ms: NDArray[np.int64],
    value: NDArray[np.float64],
    usable: NDArray[np.bool_],
    row: NDArray[np.intp],
) -> Arrivals:
    """Return what signals yield, sorted by slot, then time."""
    order = np.lexsort((at_ms, slot))
    return Arrivals(
        slot=slot[order],
        at_ms=at_ms[order],
        value=value[order],
        usable=usable[order],
        flags=np.zeros(len(slot), np.uint16),
        row=row[order],
    )


def nothing() -> Arrivals:
    """Return what a signal yields that has nothing to say."""
    none = np.empty(0, np.intp)
    return yielded(none, none.astype(np.int64), none.astype(float), none.astype(bool), none)
