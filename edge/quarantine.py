"""Frames that could not be understood: all counted, some kept to be looked at, never a crash."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from pathlib import Path

from contract.clock import Clock, iso_utc
from edge.bounded_file import append_line
from edge.health import Health
from edge.ports import Message

log = logging.getLogger(__name__)

MAX_FILE_BYTES = 1_000_000
MAX_SAMPLE_BYTES = 4_096
EVERY_S = 1.0  # at most one sample, and one line of log, in that time


class Quarantine:
    """A file of samples, one JSON object a line; when full, it begins anew and keeps one old."""

    def __init__(self, path: Path, *, clock: Clock, health: Health) -> None:
        self._path, self._clock, self._health = path, clock, health
        self._next_s = clock.monotonic_s()
        self._unsaid = 0

    def put(self, message: Message, why: str) -> None:
        """Set a message aside."""
        self._health.quarantined += 1
        now_s = self._clock.monotonic_s()
        if now_s < self._next_s:
            self._unsaid += 1
            return
        self._next_s = now_s + EVERY_S
        more = f" (and {self._unsaid} more)" if self._unsaid else ""
        self._unsaid = 0
        log.warning("bus %s: %s was set aside: %s%s", message.bus, message.topic, why, more)
        try:
            self._write(message, why)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror)

    def _write(self, message: Message, why: str) -> None:
        line = json.dumps(
            {
                "at": iso_utc(message.arrived_ms),
                "bus": message.bus,
                "topic": message.topic,
                "why": why,
                "bytes": len(message.payload),
                "payload_base64": b64encode(message.payload[:MAX_SAMPLE_BYTES]).decode(),
            }
        )
        # On the disk: its sender is told that it may forget it.
        append_line(self._path, line, MAX_FILE_BYTES)
