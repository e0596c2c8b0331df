"""`gridwarden edge read`: one poll of one device, or its next message, from wire to value."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contract.readings import Reading
from edge.cabinet.progress import Progress
from edge.cabinet.visit import Visit, unless_told, wait_for_caller
from edge.cabinet.witness import Exchange, Witness
from edge.checks import BusPlan
from edge.core.normalise import normalise
from edge.core.validate import validate
from edge.devices import Device
from edge.drivers.bus import Surroundings
from edge.pipeline import Pipeline
from edge.polling import PolledBus
from edge.ports import Committed, Frame, Message, Report, Source

LEAST_WAIT_S, MOST_WAIT_S = 30.0, 1_800.0
LOOK_S = 0.25
MOST_OTHERS = 8


@dataclass(slots=True, kw_only=True)
class Seen:
    """What came of reading one device. frame: what the readings came from; None if nothing came.

    exchanges: over Modbus. others: who else sent messages. aside: what was not believed, and why.
    """

    plan: BusPlan
    device: Device
    frame: Frame | None = None
    observed_ms: int | None = None
    readings: Mapping[str, Reading] = field(default_factory=dict)
    exchanges: list[Exchange] = field(default_factory=list)
    witness: Witness | None = None
    others: dict[str, None] = field(default_factory=dict)
    aside: list[str] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    took_s: float = 0.0
    waited: bool = False


async def read_device(
    told: asyncio.Event, visit: Visit, name: str, wait_s: float | None, progress: Progress
) -> Seen | None:
    """Read a device once; None if told to end before anything came."""
    plan, device = visit.device(name)
    around = visit.surroundings((device,))
    seen = Seen(plan=plan, device=device)
    source = plan.bus.open((device,), around)
    began_s = visit.clock.monotonic_s()
    if isinstance(source, PolledBus):
        work = _poll(source, seen, around, progress)
    else:
        patience_s = wait_s or min(max(1.5 * device.period_s, LEAST_WAIT_S), MOST_WAIT_S)
        work = _await(source, seen, around, patience_s, progress)
    await unless_told(told, work)
    seen.took_s = visit.clock.monotonic_s() - began_s
    seen.problems = around.health.told()
    return None if told.is_set() and not seen.readings else seen


class _Taker:
    """Takes frames the pipeline's way, keeps what they say of one device."""

    def __init__(self, seen: Seen, around: Surroundings) -> None:
        self._seen = seen
        self._pipeline = Pipeline(
            (seen.device,), buffer=Nowhere(), quarantine=Noted(seen.aside), health=around.health
        )
        self.came = asyncio.Event()

    def take(self, frame: Frame, committed: Committed | None = None, /) -> None:
        """Note a frame; the first that is the device's own, and says something, counts."""
        if committed is not None:
            committed()
        decoded = self._pipeline.decode(frame)
        if decoded is None:
            if isinstance(frame, Message) and len(self._seen.others) < MOST_OTHERS:
                self._seen.others[frame.topic] = None
            return
        device, observed_ms, values = decoded.device, decoded.observed_ms, decoded.values
        if not self.came.is_set() and (values or not isinstance(frame, Message | Report)):
            readings = validate(normalise(device.id, observed_ms, values), device.ranges)
            self._seen.frame, self._seen.observed_ms = frame, observed_ms
            self._seen.readings = {reading.measurement: reading for reading in readings}
            self.came.set()


class Nowhere:
    """A Sink: nothing is kept."""

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Forget them."""


class Noted:
    """A Shelf: only why is noted."""

    def __init__(self, notes: list[str]) -> None:
        self._notes = notes

    def put(self, message: Message, why: str) -> None:
        """Note why."""
        self._notes.append(f"{message.topic}: {why}")


async def _poll(source: PolledBus, seen: Seen, around: Surroundings, progress: Progress) -> None:
    """Poll once, as the agent does."""
    witness = Witness(source.line, around.clock, seen.exchanges.append)
    seen.witness = source.line = witness
    poll = seen.device.poll
    rest_s = sum(rest_s for _, rest_s in poll.start) if poll else 0.0
    if rest_s > 1:
        progress.say(f"{seen.device.id} measures only {rest_s:g} s after it was told to start")
    try:
        await wait_for_caller(seen.plan.bus, witness, around.clock, progress)
        progress.show(f"asking {seen.device.id} …")
        await source.poll(seen.device.id, _Taker(seen, around).take)
    finally:
        source.line.close()


async def _await(
    source: Source, seen: Seen, around: Surroundings, patience_s: float, progress: Progress
) -> None:
    """Wait for the next message of a device that speaks for itself."""
    taker = _Taker(seen, around)
    seen.waited = True
    clock = around.clock
    until_s = clock.monotonic_s() + patience_s
    running = asyncio.ensure_future(source.run(taker.take))
    coming = asyncio.ensure_future(taker.came.wait())
    try:
        while not coming.done() and not running.done() and clock.monotonic_s() < until_s:
            left_s = until_s - clock.monotonic_s()
            trouble = "".join(f" ({problem})" for problem in around.health.told())
            progress.show(f"waiting for {seen.device.id}, {left_s:.0f} s left{trouble} …")
            await asyncio.wait(
                (coming, running),
                timeout=min(LOOK_S, max(left_s, 0.0)),
                return_when=asyncio.FIRST_COMPLETED,
            )
    finally:
        coming.cancel()
        running.cancel()
        await asyncio.wait((running,))
    if not running.cancelled():
        running.result()
