"""A polled bus: asks its devices one after another, each in its own time, over one line."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress

from contract.errors import TransportError
from edge.cancelling import check_cancelled
from edge.core.modbus import Refused
from edge.core.schedule import Schedule
from edge.devices import Device, Poll
from edge.drivers.bus import Surroundings
from edge.ports import Answers, Deliver, Line, Silence

log = logging.getLogger(__name__)


class PolledBus:
    """A Source over a Line. One task, one exchange at a time, no task per poll.

    line: may be wrapped before it is used, to see what passes. wake: set when it is worth while to
    probe those who failed, at once.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        devices: Sequence[Device],
        *,
        timeout_s: float,
        around: Surroundings,
        wake: asyncio.Event | None = None,
    ) -> None:
        self._name, self._timeout_s = name, timeout_s
        self._bus = name.removeprefix("bus ")
        self._wake = wake
        self.line = line
        self._clock, self._health = around.clock, around.health
        self._polls: Mapping[str, Poll] = {d.id: d.poll for d in devices if d.poll is not None}
        self._periods_s = {d.id: d.period_s for d in devices}
        self._probing = around.probing
        self._started: set[str] = set()
        self._refusing: set[str] = set()

    async def run(self, deliver: Deliver) -> None:
        """Poll until cancelled."""
        schedule = Schedule(self._periods_s, self._clock.monotonic_s(), self._probing)
        try:
            while True:
                check_cancelled()
                device = schedule.take(self._clock.monotonic_s())
                if device is None:
                    await self._rest(schedule)
                    continue
                down = self._name in self._health.problems
                answered = await self.poll(device, deliver)
                now_s = self._clock.monotonic_s()
                schedule.finished(device, now_s, answered=answered)
                if down and self._name not in self._health.problems:
                    schedule.hurry(now_s)
        finally:
            self.line.close()

    async def _rest(self, schedule: Schedule) -> None:
        due_s = schedule.next_due_s()
        pause_s = 60.0 if due_s is None else due_s - self._clock.monotonic_s()
        if self._wake is None or pause_s <= 0:
            await asyncio.sleep(max(0.0, pause_s))
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._wake.wait()
            self._wake.clear()
            schedule.hurry(self._clock.monotonic_s())

    async def poll(self, device: str, deliver: Deliver) -> bool:
        """Poll one device once; return whether it answered all that it was asked."""
        poll = self._polls[device]
        answers: list[bytes | None] = []
        problem: TransportError | None = None
        sent_ms = received_ms = 0
        began_s = self._clock.monotonic_s()
        try:
            await self._connect(device, poll)
            sent_ms = self._clock.now_ms()
            for request in poll.requests:
                if answers and poll.pause_s:
                    await asyncio.sleep(poll.pause_s)
                try:
                    answers.append(await self.line.ask(request, self._timeout(poll)))
                    received_ms = self._clock.now_ms()
                except Refused as refusal:
                    self._tell_refusal(device, refusal)
                    answers.append(None)
        except TransportError as error:
            problem = error
        if poll.close_after:
            self.line.close()
        took_s = self._clock.monotonic_s() - began_s
        self._health.exchanged(self._bus, device, took_s, len(answers), answered=problem is None)
        if any(answer is not None for answer in answers):
            missing = len(poll.requests) - len(answers)
            observed_ms = (sent_ms + received_ms) // 2
            deliver(Answers(device, observed_ms, (*answers, *[None] * missing)))
            if problem is None:
                self._note_answer(device, observed_ms)
                return True
        self._note_failure(device, problem, silent=received_ms == 0, deliver=deliver)
        return False

    async def _connect(self, device: str, poll: Poll) -> None:
        """Have a connection on which the device has been started."""
        try:
            fresh = await self.line.open()
        except TransportError as error:
            if self._health.set_problem(self._name, str(error)):
                log.warning("%s is down: %s", self._name, error)
            raise
        if fresh:
            self._started.clear()
            if self._health.clear_problem(self._name):
                log.info("%s is up again", self._name)
            await asyncio.sleep(poll.pause_after_connect_s)
        if device not in self._started:
            for request, rest_s in poll.start:
                await self.line.ask(request, self._timeout(poll))
                await asyncio.sleep(rest_s)
            self._started.add(device)

    def _timeout(self, poll: Poll) -> float:
        return poll.timeout_s or self._timeout_s

    def _note_answer(self, device: str, at_ms: int) -> None:
        if self._health.answered(device, at_ms):
            log.info("%s answers again", device)

    def _note_failure(
        self, device: str, problem: TransportError | None, *, silent: bool, deliver: Deliver
    ) -> None:
        why = str(problem) if problem else "refuses every request"
        kind = type(problem).__name__ if problem else "Refused"
        if self._health.failed(device, why, kind):
            log.warning("%s has failed: %s", device, why)
            if silent:
                deliver(Silence(device, self._clock.now_ms()))

    def _tell_refusal(self, device: str, refusal: Refused) -> None:
        if device not in self._refusing:
            self._refusing.add(device)
            log.warning("%s refuses a request: %s", device, refusal)
