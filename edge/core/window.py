"""Which batches are under way: sent, and not yet acknowledged by the cloud.

A broker's PUBACK does not count. What stays unacknowledged is sent again, after a patience that
doubles while nothing at all is acknowledged: a cloud that is down must not find the broker's queue
full of repetitions. Times are monotonic seconds given by the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Container

MOST_S = 60.0


class Window:
    """At most `size` batches in flight, by number. Not for several threads."""

    def __init__(self, size: int, resend_after_s: float) -> None:
        self._size = size
        self._resend_after_s = self._patience_s = resend_after_s
        self._sent_s: dict[int, float] = {}  # in the order of sending

    def __contains__(self, seq: int) -> bool:
        return seq in self._sent_s

    def __len__(self) -> int:
        return len(self._sent_s)

    def numbers(self) -> frozenset[int]:
        """Return the numbers in flight."""
        return frozenset(self._sent_s)

    def has_room(self, reserve: int = 0) -> bool:
        """Whether another may be sent, leaving `reserve` places free."""
        return len(self._sent_s) < self._size - reserve

    def sent(self, seq: int, now_s: float) -> None:
        """Note that a batch goes out."""
        self._sent_s.pop(seq, None)
        self._sent_s[seq] = now_s

    def acknowledged(self, covers: Callable[[int], bool]) -> int:
        """Take out what an acknowledgement covers; return how many those were."""
        done = [seq for seq in self._sent_s if covers(seq)]
        for seq in done:
            del self._sent_s[seq]
        if done:
            self._patience_s = self._resend_after_s
        return len(done)

    def take_out(self, numbers: Container[int]) -> None:
        """Take batches out so that they are sent again, whatever was heard of them."""
        for seq in [seq for seq in self._sent_s if seq in numbers]:
            del self._sent_s[seq]

    def expire(self, now_s: float) -> int:
        """Take out what has waited too long, to be sent again; return how many those were."""
        late = [seq for seq, sent_s in self._sent_s.items() if now_s - sent_s >= self._patience_s]
        for seq in late:
            del self._sent_s[seq]
        if late:
            self._patience_s = max(self._resend_after_s, min(2 * self._patience_s, MOST_S))
        return len(late)

    def next_expiry_s(self) -> float | None:
        """Return when expire() will next find something, or None if nothing is in flight."""
        first = next(iter(self._sent_s.values()), None)
        return None if first is None else first + self._patience_s

    def clear(self) -> None:
        """Forget all: a new connection begins anew."""
        self._sent_s.clear()
        self._patience_s = self._resend_after_s
