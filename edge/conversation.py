"""What is said on one line before and between requests: connecting, starting a device, pausing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from contract.clock import Clock
from contract.errors import TransportError
from edge.core.modbus import Request
from edge.devices import Poll
from edge.health import Health
from edge.ports import Line

log = logging.getLogger(__name__)

# A device that rests for longer after being started does not hold up the others meanwhile.
SHORT_REST_S = 0.2


class Resting(Exception):
    """A device has been started, and must be left alone for rest_s before it is asked."""

    def __init__(self, device: str, rest_s: float) -> None:
        super().__init__(f"{device} has just been started; ask again in {rest_s:g} s")
        self.rest_s = rest_s


class Conversation:
    """Knows who has been started on the line's connection, and who needs a pause."""

    def __init__(
        self,
        name: str,
        line: Line,
        polls: Mapping[str, Poll],
        *,
        timeout_s: float,
        clock: Clock,
        health: Health,
    ) -> None:
        self.line = line
        self._name, self._polls, self._timeout_s = name, polls, timeout_s
        self._clock, self._health = clock, health
        self._steps: dict[str, int] = {}  # how many requests of its start each has been sent
        self._resting: set[str] = set()  # started, and told to wait before they are polled
        self._free_s: dict[str, float] = {}  # from when each bears another request

    @property
    def is_down(self) -> bool:
        """Whether there was no connection at the latest attempt."""
        return self._name in self._health.problems

    async def prepare(self, device: str) -> None:
        """Have a connection on which the device has been started.

        Raises: Resting if that takes longer; call again then. TransportError.
        """
        poll = self._polls[device]
        await self._connect(poll)
        for step in range(self._steps.get(device, 0), len(poll.start)):
            request, rest_s = poll.start[step]
            await self.ask(device, request)
            self._steps[device] = step + 1
            if rest_s > SHORT_REST_S:
                self._resting.add(device)
                raise Resting(device, rest_s)
            await asyncio.sleep(rest_s)

    def pause_s(self, device: str) -> float:
        """Return how long the device needs before its next request."""
        if device not in self._free_s:
            return 0.0
        return max(0.0, self._free_s[device] - self._clock.monotonic_s())

    async def ask(self, device: str, request: Request) -> bytes:
        """Ask a device that is prepared, after the pause it needs. Raises: TransportError."""
        poll = self._polls[device]
        if poll.pause_s:
            await asyncio.sleep(self.pause_s(device))
        try:
            return await self.line.ask(request, poll.timeout_s or self._timeout_s)
        finally:
            if poll.pause_s:
                self._free_s[device] = self._clock.monotonic_s() + poll.pause_s

    def finish(self, device: str) -> None:
        """End a device's turn."""
        self._resting.discard(device)
        if self._polls[device].close_after:
            self.line.close()

    async def _connect(self, poll: Poll) -> None:
        try:
            fresh = await self.line.open()
        except TransportError as error:
            if self._health.set_problem(self._name, str(error)):
                log.warning("%s is down: %s", self._name, error)
            raise
        if not fresh:
            return
        # Who is resting has been started, whatever becomes of the connection meanwhile: else
        # neighbours that lose it often would keep him from ever being polled.
        self._steps = {device: self._steps[device] for device in self._resting}
        if self._health.clear_problem(self._name):
            log.info("%s is up again", self._name)
        await asyncio.sleep(poll.pause_after_connect_s)
