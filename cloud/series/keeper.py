"""Keeps the series store: seals in time, merges in between, and says early what goes wrong."""

from __future__ import annotations

import logging
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

from cloud.ports import ColdStore
from cloud.series.sealer import Sealer
from contract.clock import Clock
from contract.errors import StorageError

log = logging.getLogger("gridwarden")

LOOK_S = 5.0
WARN_EVERY_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """When to seal, and when to warn of a disk that fills."""

    every_s: float
    readings: int
    warn_free_bytes: int


class Keeper:
    """One thread's work beside intake."""

    def __init__(
        self, sealer: Sealer, cold: ColdStore, timing: Timing, clock: Clock, data: Path
    ) -> None:
        self._sealer = sealer
        self._cold = cold
        self._timing = timing
        self._clock = clock
        self._data = data
        self._sealed_s = clock.monotonic_s()
        self._warned_s: float | None = None

    def run(self, stop: threading.Event) -> None:
        """Keep until told to stop; what fails is said and tried again."""
        more = False
        while not stop.wait(0 if more else min(LOOK_S, self._timing.every_s)):
            try:
                more = self.look()
            except StorageError as error:
                log.error("not sealed, trying again: %s", error)
                more = False
            self._warn()

    def look(self) -> bool:
        """Do what is due now; return whether there is more to do at once. Raises: StorageError."""
        waiting = self._sealer.waiting()
        due = self._clock.monotonic_s() - self._sealed_s >= self._timing.every_s
        if not due and waiting < self._timing.readings:
            return self._cold.tidy()
        self._sealed_s = self._clock.monotonic_s()
        sealed = self._sealer.seal()
        if sealed.readings:
            log.info("sealed %d readings into %d files", sealed.readings, sealed.parts)
        return 0 < sealed.readings < waiting

    def doubts(self) -> list[str]:
        """Say what will go wrong if nobody does anything. Raises: StorageError."""
        found = []
        waiting, free = self._sealer.waiting(), shutil.disk_usage(self._data).free
        if waiting > 3 * self._timing.readings:
            found.append(
                f"{waiting} readings wait in the state database to be sealed, more than three"
                f" times seal.readings ({self._timing.readings}): see why sealing fails"
            )
        if free < self._timing.warn_free_bytes:
            found.append(
                f"{self._data}: only {free >> 20} MB are free, less than seal.warn_free_mb"
                f" ({self._timing.warn_free_bytes >> 20}); when none is left, nothing is"
                " acknowledged any more and the gateways keep their readings: make room,"
                " or set series.retention"
            )
        return found

    def _warn(self) -> None:
        now_s = self._clock.monotonic_s()
        if self._warned_s is not None and now_s - self._warned_s < WARN_EVERY_S:
            return
        try:
            found = self.doubts()
        except (StorageError, OSError) as error:
            found = [f"cannot tell how full the disk is: {error}"]
        for doubt in found:
            self._warned_s = now_s
            log.warning("%s", doubt)
