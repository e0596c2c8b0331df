"""What a gateway remembers of orders, on disk: which came, and what became of them."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from contract.clock import Clock, iso_utc
from contract.errors import StorageError
from contract.folders import sync_folder
from edge.bounded_file import append_line
from edge.core.orders import Memory

MAX_AUDIT_BYTES = 1_000_000
MAX_TOLD = 500  # characters of a reason, or of what was asked


class OrderBook:
    """`<buffer>.orders`: the ids that may not come again. `<buffer>.orders.jsonl`: the audit.

    Without its file it remembers nothing, so it refuses what was issued before now.
    """

    def __init__(self, buffer: Path, clock: Clock) -> None:
        self._path = buffer.with_name(f"{buffer.name}.orders")
        self._audit = buffer.with_name(f"{buffer.name}.orders.jsonl")
        self._clock = clock
        self._memory: Memory | None = None
        with suppress(StorageError):  # a disk that is full now may have room later
            self.memory()

    def memory(self) -> Memory:
        """Return what is remembered. Raises: StorageError."""
        if self._memory is None:
            self._memory = self._read()
        return self._memory

    def remember(self, memory: Memory) -> None:
        """Have it on disk, then here. Raises: StorageError."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("wb") as file:
                file.write(msgspec.json.encode(memory))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            sync_folder(self._path.parent)
        except OSError as error:
            raise StorageError(f"{self._path}: cannot be written: {error.strerror}") from error
        self._memory = memory

    def note(self, order: str, by: str, what: str, outcome: str, reason: str) -> None:
        """Write a line of audit. Raises: StorageError."""
        line = json.dumps(
            {
                "at": iso_utc(self._clock.now_ms()),
                "order": order,
                "by": by,
                "what": what[:MAX_TOLD],
                "outcome": outcome,
                "reason": reason[:MAX_TOLD],
            },
            ensure_ascii=False,
        )
        try:
            append_line(self._audit, line, MAX_AUDIT_BYTES)
        except OSError as error:
            raise StorageError(f"{self._audit}: cannot be written: {error.strerror}") from error

    def _read(self) -> Memory:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Memory)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            memory = Memory(since_ms=self._clock.now_ms())
            self.remember(memory)
            return memory
