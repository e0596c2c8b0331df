"""Readings that no commit holds yet, and who wants to know when one does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from contract.readings import Reading

Told: TypeAlias = Callable[[], None]


class Promise(NamedTuple):
    """Whom to tell, and the readings that it is about: the first, and the one after the last."""

    first: int
    end: int
    told: Told


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out for one commit; it may come back. start: the first reading's place."""

    readings: list[Reading]
    promises: deque[Promise]
    start: int

    def keep_promises(self) -> None:
        """The readings are on disk: tell those who asked."""
        for promise in self.promises:
            promise.told()


class Pending:
    """A queue of readings. Each promise stands behind the readings that were put with it."""

    def __init__(self) -> None:
        self._readings: list[Reading] = []
        self._start = 0  # how many readings were ever taken out or given up before these
        self._promises: deque[Promise] = deque()

    def __len__(self) -> int:
        return len(self._readings)

    def __bool__(self) -> bool:
        """A promise alone is worth a commit: it is kept once all before it is on disk."""
        return bool(self._readings or self._promises)

    def put(self, readings: Sequence[Reading], on_commit: Told | None) -> None:
        """Add readings."""
        first = self._start + len(self._readings)
        self._readings += readings
        if on_commit is not None:
            self._promises.append(Promise(first, first + len(readings), on_commit))

    def take(self) -> Taken:
        """Take all out, for a commit."""
        taken = Taken(self._readings, self._promises, self._start)
        self._start += len(self._readings)
        self._readings, self._promises = [], deque()
        return taken

    def put_back(self, taken: Taken) -> None:
        """The commit failed: what was taken goes before what has come meanwhile."""
        self._readings[:0] = taken.readings
        self._promises.extendleft(reversed(taken.promises))
        self._start = taken.start

    def give_up(self, count: int) -> list[Reading]:
        """Take the oldest out for good; promises that stand on them are not kept."""
        gone = self._readings[:count]
        del self._readings[:count]
        self._start += len(gone)
        if gone:
            self._promises = deque(one for one in self._promises if one.first >= self._start)
        return gone
