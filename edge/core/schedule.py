"""When to poll whom on one bus: earliest deadline first, the dead probed ever more rarely.

A bus carries one exchange at a time, so a device that is being polled is out of the queue until
`finished` puts it back: two polls of one device are never in flight. All times are monotonic
seconds given by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

MOST_VOID = 4  # items that hurry() has made void, for each device; then the queue is tidied up


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to leave a dead device alone: first_s, doubled by each failure, up to most_s."""

    first_s: float = 1.0
    most_s: float = 30.0

    def after(self, failures: int) -> float:
        """Return the pause in seconds after this many failures in a row (from 1)."""
        return float(min(self.most_s, self.first_s * 2 ** min(failures - 1, 20)))


@dataclass(slots=True)
class _Entry:
    device: str
    period_s: float
    due_s: float
    turn: int = 0  # counts every re-scheduling; an item of the heap from an earlier one is void
    failures: int = 0
    in_flight: bool = False


class Schedule:
    """The queue of one bus. Not for several threads."""

    def __init__(self, periods_s: dict[str, float], now_s: float, backoff: Backoff) -> None:
        self._backoff = backoff
        # The first polls are spread, so that devices of one period do not bunch for ever.
        self._entries = {
            device: _Entry(device, period_s, now_s + min(period_s, 1.0) * i / len(periods_s))
            for i, (device, period_s) in enumerate(periods_s.items())
        }
        self._later: list[tuple[float, str, int]] = []  # (due, device, turn)
        self._ready: list[tuple[float, float, str, int]] = []  # (deadline, due, device, turn)
        for entry in self._entries.values():
            self._enqueue(entry, entry.due_s)

    def __len__(self) -> int:
        """Return how many items are queued, void ones too: bounded, whatever happens."""
        return len(self._later) + len(self._ready)

    def next_due_s(self) -> float | None:
        """Return when the next poll may begin, in the past if it is late; None if there is none."""
        if self._ready:
            return self._ready[0][1]
        return self._later[0][0] if self._later else None

    def take(self, now_s: float) -> str | None:
        """Take out the due device whose deadline is the earliest; None if none is due."""
        while self._later and self._later[0][0] <= now_s:
            due_s, device, turn = heappop(self._later)
            deadline_s = due_s + self._entries[device].period_s
            heappush(self._ready, (deadline_s, due_s, device, turn))
        while self._ready:
            _, _, device, turn = heappop(self._ready)
            entry = self._entries[device]
            if turn == entry.turn:
                entry.in_flight = True
                return device
        return None

    def finished(self, device: str, now_s: float, *, answered: bool) -> None:
        """Put a device back: onto its own grid if it answered, after a pause if it did not."""
        entry = self._entries[device]
        entry.in_flight = False
        if answered:
            entry.failures = 0
            # Missed turns are skipped, not made up for: a late bus must not run ever later.
            missed = max(0, int((now_s - entry.due_s) // entry.period_s))
            self._enqueue(entry, entry.due_s + entry.period_s * (missed + 1))
        else:
            entry.failures += 1
            self._enqueue(entry, now_s + self._backoff.after(entry.failures))

    def hurry(self, now_s: float) -> None:
        """Probe every failing device now: its bus has just come back."""
        for entry in self._entries.values():
            if entry.failures and not entry.in_flight and entry.due_s > now_s:
                self._enqueue(entry, now_s)

    def _enqueue(self, entry: _Entry, due_s: float) -> None:
        entry.due_s = due_s
        entry.turn += 1
        heappush(self._later, (due_s, entry.device, entry.turn))
        if len(self._later) > (1 + MOST_VOID) * len(self._entries):
            self._later = [item for item in self._later if item[2] == self._entries[item[1]].turn]
            heapify(self._later)
