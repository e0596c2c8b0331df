"""A polled bus: asks its devices one after another, each in its own time, over one line."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from contract.errors import Disconnected, Timeout, TransportError
from edge.cancelling import check_cancelled
from edge.conversation import Conversation, Resting
from edge.core.modbus import Refused, Request
from edge.core.schedule import Schedule
from edge.devices import Device
from edge.drivers.bus import Surroundings
from edge.ports import Answers, Deliver, Line, Silence

log = logging.getLogger(__name__)

MOST_WAITING = 32
IDLE_S = 60.0


@dataclass(frozen=True, slots=True)
class _Demand:
    """Requests that somebody waits for."""

    device: str
    requests: Sequence[Request]
    answers: asyncio.Future[tuple[bytes, ...]]

    def succeed(self, answers: Sequence[bytes]) -> None:
        """Hand over what came, if somebody still waits for it."""
        if not self.answers.done():
            self.answers.set_result(tuple(answers))

    def fail(self, error: TransportError) -> None:
        """Say why nothing comes."""
        if not self.answers.done():
            self.answers.set_exception(error)


class PolledBus:
    """A Source over a Line, and Askable. One task, one exchange at a time, no task per poll.

    line: may be wrapped before it is used, to see what passes.
    """

    def __init__(
        self,
        name: str,
        line: Line,
        devices: Sequence[Device],
        *,
        timeout_s: float,
        around: Surroundings,
    ) -> None:
        self._name = name
        self._bus = name.removeprefix("bus ")
        self._clock, self._health = around.clock, around.health
        self._polls = {d.id: d.poll for d in devices if d.poll is not None}
        self._periods_s = {d.id: d.period_s for d in devices}
        self._probing = around.probing
        self._talk = Conversation(
            name, line, self._polls, timeout_s=timeout_s, clock=self._clock, health=self._health
        )
        self._demands: deque[_Demand] = deque()
        self._ended = self._hurried = False
        self._bell = asyncio.Event()  # there is something to do before the next poll is due
        self._refusing: set[str] = set()
        self._probes: dict[str, int] = {}

    @property
    def line(self) -> Line:
        """The line that all is said on."""
        return self._talk.line

    @line.setter
    def line(self, line: Line) -> None:
        self._talk.line = line

    async def run(self, deliver: Deliver) -> None:
        """Poll until cancelled."""
        schedule = Schedule(self._periods_s, self._clock.monotonic_s(), self._probing)
        self._ended = False
        try:
            while True:
                check_cancelled()
                await self._serve()
                if self._hurried:
                    self._hurried = False
                    schedule.hurry(self._clock.monotonic_s())
                device = schedule.take(self._clock.monotonic_s())
                if device is None:
                    await self._rest(schedule)
                else:
                    await self._take_turn(device, schedule, deliver)
        finally:
            self._ended = True
            self._dismiss()
            self.line.close()

    def hurry(self) -> None:
        """Probe those who failed at once: it is worth while now."""
        self._hurried = True
        self._bell.set()

    async def ask_now(self, device: str, requests: Sequence[Request]) -> tuple[bytes, ...]:
        """Ask ahead of all polls; see edge.ports.Askable."""
        if self._ended:
            raise self._stopped()
        if len(self._demands) >= MOST_WAITING:
            raise Timeout(f"{self._name}: {MOST_WAITING} requests wait already")
        demand = _Demand(device, requests, asyncio.get_running_loop().create_future())
        self._demands.append(demand)
        self._bell.set()
        return await demand.answers

    async def poll(self, device: str, deliver: Deliver) -> bool:
        """Poll one device once, now; return whether it answered all that it was asked."""
        while True:
            try:
                return await self._poll(device, deliver, sparing=False)
            except Resting as resting:
                await asyncio.sleep(resting.rest_s)

    async def _take_turn(self, device: str, schedule: Schedule, deliver: Deliver) -> None:
        was_down = self._talk.is_down
        try:
            answered = await self._poll(device, deliver, sparing=schedule.is_failing(device))
        except Resting as resting:
            schedule.postpone(device, self._clock.monotonic_s() + resting.rest_s)
        else:
            schedule.finished(device, self._clock.monotonic_s(), answered=answered)
        if was_down and not self._talk.is_down:
            schedule.hurry(self._clock.monotonic_s())

    async def _poll(self, device: str, deliver: Deliver, *, sparing: bool) -> bool:
        """Poll one device; return whether it answered all.

        sparing: begin with one short request, and stop unless that is answered.
        Raises: Resting.
        """
        poll = self._polls[device]
        answers: list[bytes | None] = [None] * len(poll.requests)
        problem: TransportError | None = None
        sent_ms = received_ms = asked = 0
        began_s = self._clock.monotonic_s()
        try:
            await self._talk.prepare(device)
            sent_ms = self._clock.now_ms()
            for index in self._order(device, sparing=sparing):
                if self._demands or poll.pause_s:
                    await self._give_way(device)
                try:
                    answers[index] = await self._talk.ask(device, poll.requests[index])
                    received_ms = self._clock.now_ms()
                except Refused as refusal:
                    self._tell_refusal(device, refusal)
                    if refusal.for_silence:
                        raise
                asked += 1
        except TransportError as error:
            problem = error
        self._talk.finish(device)
        took_s = self._clock.monotonic_s() - began_s
        self._health.exchanged(self._bus, device, took_s, asked, answered=problem is None)
        if received_ms:
            observed_ms = (sent_ms + received_ms) // 2
            deliver(Answers(device, observed_ms, tuple(answers)))
            if problem is None:
                self._note_answer(device, observed_ms)
                return True
        self._choose_probe(device, answers)
        self._note_failure(device, problem, silent=not received_ms, deliver=deliver)
        return False

    def _order(self, device: str, *, sparing: bool) -> Sequence[int]:
        """Return in which order to make the requests of a poll."""
        every = range(len(self._polls[device].requests))
        if not sparing:
            return every
        probe = self._probes[device]
        return (probe, *(index for index in every if index != probe))

    def _choose_probe(self, device: str, answers: Sequence[bytes | None]) -> None:
        """Choose what to begin with as long as a device fails: the shortest that it answers."""
        requests = self._polls[device].requests
        answered = [index for index, answer in enumerate(answers) if answer is not None]
        if answered or device not in self._probes:
            may_do = answered or range(len(requests))
            self._probes[device] = min(may_do, key=lambda index: requests[index].size)

    async def _give_way(self, device: str) -> None:
        """Serve whoever cannot wait, and let the device have its pause."""
        while True:
            if self._demands:
                await self._serve()
                await self._talk.prepare(device)
            pause_s = self._talk.pause_s(device)
            if pause_s <= 0:
                return
            await self._wait(pause_s)

    async def _serve(self) -> None:
        """Do what others wait for, one after the other."""
        while self._demands:
            demand = self._demands.popleft()
            if demand.answers.done():
                continue  # nobody waits any more
            try:
                await self._talk.prepare(demand.device)
                demand.succeed([await self._talk.ask(demand.device, r) for r in demand.requests])
                self._talk.finish(demand.device)
            except Resting as resting:
                demand.fail(Timeout(str(resting)))
            except TransportError as error:
                self._talk.finish(demand.device)
                demand.fail(error)
            except asyncio.CancelledError:
                demand.fail(self._stopped())
                raise

    def _dismiss(self) -> None:
        while self._demands:
            self._demands.popleft().fail(self._stopped())

    def _stopped(self) -> Disconnected:
        return Disconnected(f"{self._name} is not running")

    async def _rest(self, schedule: Schedule) -> None:
        due_s = schedule.next_due_s()
        await self._wait(IDLE_S if due_s is None else due_s - self._clock.monotonic_s())

    async def _wait(self, for_s: float) -> None:
        """Wait, but not when there is something to do."""
        timer = asyncio.get_running_loop().call_later(max(0.0, for_s), self._bell.set)
        try:
            await self._bell.wait()
        finally:
            timer.cancel()
        self._bell.clear()

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
