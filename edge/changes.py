"""A changed configuration: read, compared, applied, and kept if it does well, else taken back.

One at a time. What runs is always the last good one, or the one that must still prove itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contract.errors import ConfigError
from contract.watched_file import WatchedFile
from edge.config import EdgeConfig, load
from edge.core.change import Change, Vitals, ailments, compare, doubts
from edge.health import Health
from edge.parts import parts_of

log = logging.getLogger(__name__)

NAME = "configuration"
NEVER_S = 3_600.0
MOST_TOLD = 900  # characters; `state` takes a thousand


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """version: the one that runs now. problems: why it is not the new one; doubts: about that."""

    version: str
    problems: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()


class Changes:
    """Takes changes of the configuration to the agent.

    apply: make a configuration the one that runs, and touch nothing that is the same.
    """

    def __init__(
        self,
        config: EdgeConfig,
        *,
        apply: Callable[[EdgeConfig], Awaitable[None]],
        vitals: Callable[[], Vitals],
        health: Health,
    ) -> None:
        self.running = config
        self._apply, self._vitals, self._health = apply, vitals, health
        self._file = config.path
        self._watched = WatchedFile(self._file)
        self._look_now = asyncio.Event()
        self._turn = asyncio.Lock()

    def look(self) -> None:
        """Read the file again now, and its profiles, whether it looks changed or not."""
        self._look_now.set()

    async def run(self) -> None:
        """Watch the file until cancelled."""
        while True:
            every_s = self.running.changes.watch_every_s
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s or NEVER_S):
                    await self._look_now.wait()
            asked = self._look_now.is_set()
            self._look_now.clear()
            changed = every_s > 0 and self._watched.changed()
            if asked or changed:
                self._tell(await self.take(self._file), asked=asked)

    async def take(self, path: Path, keep: Callable[[], None] | None = None) -> Outcome:
        """Run a configuration for its settling time, and then for good or no more.

        keep: called when it has done well, to put it where the next start finds it.
        """
        async with self._turn:
            try:
                wanted = await asyncio.to_thread(load, path)
            except ConfigError as error:
                return self._refused(error.problems)
            change = compare(parts_of(self.running), parts_of(wanted))
            if change.refused:
                return self._refused(
                    [f"{path}: {key}: only a restart changes this" for key in change.refused]
                )
            return await self._prove(wanted, change, keep)

    async def _prove(
        self, wanted: EdgeConfig, change: Change, keep: Callable[[], None] | None
    ) -> Outcome:
        before, last_good = self._vitals(), self.running
        if wanted.version != last_good.version:
            log.info("configuration %s: %s", wanted.version, change.words())
        try:
            await self._apply(wanted)
            if change.touches:
                await asyncio.sleep(wanted.changes.settle_s)
            ill = ailments(change, before, self._vitals())
            if not ill and keep is not None:
                keep()
        except ConfigError as error:
            ill = error.problems
        if ill:
            await self._apply(last_good)
            return self._refused(ill)
        self.running = wanted
        names = [device.id for device in wanted.devices]
        return Outcome(version=wanted.version, doubts=doubts(change, names, self._vitals()))

    def _refused(self, problems: Sequence[str]) -> Outcome:
        return Outcome(version=self.running.version, problems=tuple(problems))

    def _tell(self, outcome: Outcome, *, asked: bool) -> None:
        """Say how a change of the file went."""
        if not outcome.problems:
            news = self._health.clear_problem(NAME)
            if asked or news or outcome.doubts:
                log.info("configuration %s runs", outcome.version)
            for doubt in outcome.doubts:
                log.warning("configuration %s: look at %s", outcome.version, doubt)
            return
        for problem in outcome.problems:
            log.error("%s", problem)
        what = f"the file was refused, {outcome.version} runs: {'; '.join(outcome.problems)}"
        self._health.set_problem(NAME, what[:MOST_TOLD])
        log.error("the changed configuration is not taken; %s runs", outcome.version)
