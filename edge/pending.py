"""Readings that no commit holds yet, and who wants to know when one does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from contract.readings import Reading

Told: TypeAlias = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out for one commit; it may come back.

    heard: keys of the messages that the readings came in.
    """

    readings: list[Reading]
    promises: list[Told]
    heard: list[bytes]

    def keep_promises(self) -> None:
        """The readings are on disk: tell those who asked."""
        for told in self.promises:
            told()


class Pending:
    """A queue of readings, of the messages that they came in, and of who waits for the commit."""

    def __init__(self) -> None:
        self._taken = Taken([], [], [])

    def __len__(self) -> int:
        return len(self._taken.readings)

    def __bool__(self) -> bool:
        """A promise alone is worth a commit: it is kept once all before it is on disk."""
        return bool(self._taken.readings or self._taken.promises or self._taken.heard)

    @property
    def promised(self) -> int:
        """How many wait to be told."""
        return len(self._taken.promises)

    def put(
        self, readings: Sequence[Reading], on_commit: Told | None, heard: Sequence[bytes] = ()
    ) -> None:
        """Add readings."""
        self._taken.readings.extend(readings)
        self._taken.heard.extend(heard)
        if on_commit is not None:
            self._taken.promises.append(on_commit)

    def take(self) -> Taken:
        """Take all out, for a commit."""
        taken, self._taken = self._taken, Taken([], [], [])
        return taken

    def put_back(self, taken: Taken) -> None:
        """The commit failed: what was taken goes before what has come meanwhile."""
        self._taken = Taken(
            taken.readings + self._taken.readings,
            taken.promises + self._taken.promises,
            taken.heard + self._taken.heard,
        )

    def give_up(self, count: int) -> list[Reading]:
        """Take the oldest out for good.

        Those who asked are told all the same, when the gap that this leaves is on disk: whoever
        sends in order, as MQTT's brokers do, would wait for ever.
        """
        gone = self._taken.readings[:count]
        del self._taken.readings[:count]
        return gone
