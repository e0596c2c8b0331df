"""The rules that intake evaluates with, as another process sees them."""

from __future__ import annotations

import threading

from cloud import rule_sets
from cloud.core.rules import RuleSet
from cloud.state.database import Database
from contract.clock import Clock

FRESH_S = 2.0  # for so long what was read is taken to be so


class RulesInForce:
    """Reads them again when they may have changed. Any thread may ask.

    files: what counts before intake's first start.
    """

    def __init__(self, database: Database, files: RuleSet, clock: Clock) -> None:
        self._database = database
        self._rules = files
        self._clock = clock
        self._number = 0
        self._read_s = -FRESH_S
        self._lock = threading.Lock()

    def now(self) -> RuleSet:
        """Return the rules. Raises: StorageError."""
        with self._lock:
            now_s = self._clock.monotonic_s()
            if now_s - self._read_s >= FRESH_S:
                self._read()
                self._read_s = now_s
            return self._rules

    def _read(self) -> None:
        with self._database.read() as connection:
            current = rule_sets.current(connection)
            if current and current.number != self._number:
                self._rules = rule_sets.rules_of(connection, current.number)
                self._number = current.number
