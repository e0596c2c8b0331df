"""How often something may happen in a while: per name, per address, per key."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

WINDOW_S = 300.0
MAX_KEYS = 10_000


@dataclass(slots=True)
class _Count:
    number: int
    since_s: float


class Limiter:
    """Counts what happens per key in a window; memory is bounded, the oldest keys are forgotten."""

    def __init__(self, allowed: int, window_s: float = WINDOW_S, max_keys: int = MAX_KEYS) -> None:
        self._allowed = allowed
        self._window_s = window_s
        self._max_keys = max_keys
        self._counted: OrderedDict[str, _Count] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counted)

    def wait_s(self, key: str, now_s: float) -> float:
        """Return how long this key must wait; 0 for not at all."""
        counted = self._counted.get(key)
        if counted is None or counted.number < self._allowed:
            return 0.0
        return max(0.0, counted.since_s + self._window_s - now_s)

    def count(self, key: str, now_s: float) -> None:
        """Count one more."""
        counted = self._counted.get(key)
        if counted is None or now_s - counted.since_s >= self._window_s:
            self._counted[key] = _Count(1, now_s)
            self._counted.move_to_end(key)
        else:
            counted.number += 1
        while len(self._counted) > self._max_keys:
            self._counted.popitem(last=False)

    def forget(self, key: str) -> None:
        """Forget what was counted of a key."""
        self._counted.pop(key, None)
