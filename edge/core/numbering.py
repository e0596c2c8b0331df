"""Which numbers of this run went out; what the cloud has beyond them came from another file.

A buffer restored from a backup, or copied, begins again at numbers that the cloud already has. It
would take the new batches for repetitions of the old, and acknowledge what it never stored.
"""

from __future__ import annotations

from contract.intervals import IntervalSet


class Sent:
    """The numbers sent, from `first` on: those that this run gives out.

    is_answered: whether the cloud has told yet what it has. Until then one batch goes out alone, so
    that what it answers is not hidden by what went out meanwhile.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self.is_answered = False
        self._numbers = IntervalSet()

    def note(self, first: int, last: int) -> None:
        """Note numbers that go out, or are told to be given up."""
        if last >= self._first:
            self._numbers.add(max(first, self._first), last)

    def is_contradicted_by(self, acknowledged: IntervalSet) -> bool:
        """Whether the cloud has a number of this run that never went out."""
        return any(
            not self._has_all(max(first, self._first), last)
            for first, last in acknowledged
            if last >= self._first
        )

    def _has_all(self, first: int, last: int) -> bool:
        return first in self._numbers and self._numbers.interval_of(first)[1] >= last
