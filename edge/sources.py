"""The sources that run now, by name: one is started, stopped or restarted, the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from edge.ports import Committed, Deliver, Frame, Source

GOODBYE_S = 1.0


class Sources:
    """Runs sources as tasks of the agent's group: what fails in one is a bug, and ends them all."""

    def __init__(self, tasks: asyncio.TaskGroup, deliver: Deliver) -> None:
        self._tasks, self._deliver = tasks, deliver
        self._running: dict[str, _Running] = {}

    def start(self, name: str, source: Source) -> None:
        """Run a source under a name that is free."""
        assert name not in self._running, name
        gate = _Gate(self._deliver)
        task = self._tasks.create_task(source.run(gate.deliver), name=name)
        self._running[name] = _Running(task, gate)

    async def stop(self, names: Iterable[str] | None = None) -> None:
        """End these, or all; nothing that they read is delivered any more."""
        ended = [
            self._running.pop(name) for name in tuple(self._running if names is None else names)
        ]
        for each in ended:
            each.task.cancel()
        if ended:
            await asyncio.wait([each.task for each in ended], timeout=GOODBYE_S)
        for each in ended:
            each.gate.open = False

    def names(self) -> frozenset[str]:
        """Return what runs."""
        return frozenset(self._running)


class _Gate:
    """Lets frames through until it is closed, however slowly a source ends."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self.open = True

    def deliver(self, frame: Frame, committed: Committed | None = None, /) -> None:
        if self.open:
            self._deliver(frame, committed)


@dataclass(frozen=True, slots=True)
class _Running:
    task: asyncio.Task[None]
    gate: _Gate
