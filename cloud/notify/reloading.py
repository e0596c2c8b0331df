"""The section `notify` of the running intake: read anew when its file changes, or when asked.

What is wrong is refused whole, and what ran before runs on. Nothing is lost meanwhile: what is to
be told stands in the database.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from cloud.config import CloudConfig, load
from cloud.notify import open_channel, worker
from cloud.notify.settings import Notify
from cloud.state import ledger
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import ConfigError, StorageError
from contract.watched_file import WatchedFile

log = logging.getLogger(__name__)

LOOK_S = 0.1
MOST_TOLD = 2_000  # characters
WHO = "intake"


@dataclass(frozen=True, slots=True)
class Reloads:
    """Where the settings are from, and whether somebody has asked to look there."""

    path: Path
    asked: threading.Event = field(default_factory=threading.Event)


class Crew:
    """The threads of one set of settings. One that fails ends them all, and its error is raised."""

    def __init__(self, tasks: Callable[[threading.Event], dict[str, Callable[[], None]]]) -> None:
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=[task], name=name)
            for name, task in tasks(self._stop).items()
        ]
        for thread in self._threads:
            thread.start()

    def check(self) -> None:
        """Raises: what ended one of them."""
        if self._errors:
            raise self._errors[0]

    def end(self) -> None:
        """Have each finish what it is at, and wait for that."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.check()

    def _guarded(self, task: Callable[[], None]) -> None:
        try:
            task()
        except BaseException as error:
            self._errors.append(error)
            self._stop.set()


class Telling:
    """Tells people by the settings of now. Raises: ConfigError if those of the start cannot be."""

    def __init__(
        self, config: CloudConfig, database: Database, clock: Clock, reloads: Reloads | None
    ) -> None:
        self._config, self._running = config, config.notify
        self._database, self._clock, self._reloads = database, clock, reloads
        self._watched = WatchedFile(reloads.path) if reloads else None
        self._looked_s = clock.monotonic_s()
        for settings in config.notify.channels.values():
            open_channel(settings, clock)

    def run(self, stop: threading.Event) -> None:
        """Run until told to stop."""
        self._crew = self._begin(self._running, self._config.zone)
        try:
            while not stop.wait(LOOK_S):
                self._crew.check()
                self._look()
        finally:
            self._crew.end()

    def _look(self) -> None:
        if self._reloads is None or self._watched is None:
            return
        asked = self._reloads.asked.is_set()
        self._reloads.asked.clear()
        every_s, now_s = self._running.watch_every_s, self._clock.monotonic_s()
        due = every_s > 0 and now_s - self._looked_s >= every_s
        if due:
            self._looked_s = now_s
        if asked or (due and self._watched.changed()):
            self._take(self._reloads.path, asked=asked)

    def _take(self, path: Path, *, asked: bool) -> None:
        """Tell by what the file says now; asked: also if it says the same, with a new password."""
        try:
            config = load(path)
            for settings in config.notify.channels.values():
                open_channel(settings, self._clock)
        except ConfigError as error:
            self._refused(error)
            return
        for name in _others(self._config, config):
            log.warning("%s: %s is as it was; a change of it takes a restart", path, name)
        if config.notify == self._running and not asked:
            return
        self._crew.end()
        before = self._running
        try:
            self._crew = self._begin(config.notify, self._config.zone)
        except ConfigError as error:  # a secret that went between the two looks
            self._crew = self._begin(before, self._config.zone)
            self._refused(error)
            return
        self._running = config.notify
        log.info("notify: the changed settings run")
        self._note("notify.reloaded", f"{len(config.notify.channels)} channels")

    def _refused(self, error: ConfigError) -> None:
        for problem in error.problems:
            log.error("%s", problem)
        log.error("the changed settings of notify are not taken; those before run on")
        self._note("notify.refused", "; ".join(error.problems)[:MOST_TOLD])

    def _note(self, action: str, note: str) -> None:
        try:
            with self._database.write() as connection:
                now_ms = self._clock.now_ms()
                ledger.audit(
                    connection, who=WHO, action=action, subject="notify", note=note, at_ms=now_ms
                )
        except StorageError as error:
            log.error("%s is not in the audit: %s", action, error)

    def _begin(self, settings: Notify, zone: ZoneInfo) -> Crew:
        return Crew(lambda stop: worker.tasks(settings, self._database, zone, self._clock, stop))


def _others(before: CloudConfig, after: CloudConfig) -> list[str]:
    """Return the other sections that differ."""
    names = type(before).model_fields
    return [
        name for name in names if name != "notify" and getattr(before, name) != getattr(after, name)
    ]
