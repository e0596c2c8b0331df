"""When to poll whom on one bus: earliest deadline first, the dead probed at little cost to others.

A bus carries one exchange at a time, so a device that is being polled is out of the queue until
`finished` puts it back: two polls of one device are never in flight. All times are monotonic
seconds given by the caller.

A device that fails is tried again after a pause that doubles. After DEAD_AFTER failures in a row it
is dead, and stands in a queue of its own: as long as any other lives, the dead of a bus together
get no more than one part in PROBE_SPACING of its time, whatever a time-out costs there. Where
nobody lives, there is nobody to be disturbed.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

MOST_VOID = 4  # items that hurry() has made void, for each device; then the queue is tidied up
DEAD_AFTER = 3  # failures in a row
# After a probe in vain, the bus is spared probes for so many times what it took: less than 2 %.
PROBE_SPACING = 60


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
    taken_s: float = 0.0

    @property
    def dead(self) -> bool:
        return self.failures >= DEAD_AFTER


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
        self._dead: list[tuple[float, str, int]] = []  # (due, device, turn)
        self._living = len(self._entries)
        self._probe_from_s = now_s
        for entry in self._entries.values():
            self._enqueue(entry, entry.due_s)

    def __len__(self) -> int:
        """Return how many items are queued, void ones too: bounded, whatever happens."""
        return len(self._later) + len(self._ready) + len(self._dead)

    def next_due_s(self) -> float | None:
        """Return when the next poll may begin, in the past if it is late; None if there is none."""
        if self._ready:
            return self._ready[0][1]
        dues_s = [heap[0][0] for heap in (self._later,) if heap]
        if self._dead:
            dues_s.append(max(self._dead[0][0], self._probe_from_s if self._living else 0.0))
        return min(dues_s, default=None)

    def take(self, now_s: float) -> str | None:
        """Take out who is to be polled now; None if nobody is due.

        A dead one whose probe is due, and the bus's turn to bear it; else the due device whose
        deadline is the earliest.
        """
        entry = self._due_probe(now_s) if self._dead else None
        while self._later and self._later[0][0] <= now_s:
            due_s, device, turn = heappop(self._later)
            deadline_s = due_s + self._entries[device].period_s
            heappush(self._ready, (deadline_s, due_s, device, turn))
        while entry is None and self._ready:
            _, _, device, turn = heappop(self._ready)
            entry = self._current(device, turn)
        if entry is None:
            return None
        entry.in_flight, entry.taken_s = True, now_s
        return entry.device

    def is_failing(self, device: str) -> bool:
        """Whether its last poll failed: it is to be asked for little until it answers."""
        return self._entries[device].failures > 0

    def finished(self, device: str, now_s: float, *, answered: bool) -> None:
        """Put a device back: onto its own grid if it answered, after a pause if it did not."""
        entry = self._entries[device]
        entry.in_flight = False
        if answered:
            self._revive(entry, now_s)
            # Missed turns are skipped, not made up for: a late bus must not run ever later.
            missed = max(0, int((now_s - entry.due_s) // entry.period_s))
            self._enqueue(entry, entry.due_s + entry.period_s * (missed + 1))
            return
        entry.failures += 1
        if entry.dead:
            self._living -= entry.failures == DEAD_AFTER
            self._probe_from_s = now_s + PROBE_SPACING * (now_s - entry.taken_s)
        self._enqueue(entry, now_s + self._backoff.after(entry.failures))

    def postpone(self, device: str, until_s: float) -> None:
        """Put a device back that has been taken but cannot be polled yet; nothing has failed."""
        entry = self._entries[device]
        entry.in_flight = False
        self._enqueue(entry, until_s)

    def hurry(self, now_s: float) -> None:
        """Probe every failing device now: its bus has just come back."""
        self._probe_from_s = now_s
        for entry in self._entries.values():
            if entry.failures and not entry.in_flight and entry.due_s > now_s:
                self._enqueue(entry, now_s)

    def _revive(self, entry: _Entry, now_s: float) -> None:
        """Note an answer. What silenced a dead one may have silenced others: probe those now."""
        was_dead, entry.failures = entry.dead, 0
        if was_dead:
            self._living += 1
            self.hurry(now_s)

    def _due_probe(self, now_s: float) -> _Entry | None:
        while self._dead and self._current(*self._dead[0][1:]) is None:
            heappop(self._dead)
        if not self._dead or self._dead[0][0] > now_s:
            return None
        if self._living and now_s < self._probe_from_s:
            return None
        return self._entries[heappop(self._dead)[1]]

    def _current(self, device: str, turn: int) -> _Entry | None:
        """Return the entry that an item of a heap stands for, unless the item is void."""
        entry = self._entries[device]
        return entry if entry.turn == turn else None

    def _enqueue(self, entry: _Entry, due_s: float) -> None:
        entry.due_s = due_s
        entry.turn += 1
        heappush(self._dead if entry.dead else self._later, (due_s, entry.device, entry.turn))
        if len(self) > (1 + MOST_VOID) * len(self._entries):
            self._later = self._tidied(self._later)
            self._dead = self._tidied(self._dead)

    def _tidied(self, heap: list[tuple[float, str, int]]) -> list[tuple[float, str, int]]:
        current = [item for item in heap if self._current(item[1], item[2])]
        heapify(current)
        return current
