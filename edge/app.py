"""Builds the agent from its configuration, runs it, ends it well. Nobody else builds adapters."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from contract.clock import Clock, SystemClock
from contract.commands import read_key
from contract.errors import ConfigError
from contract.messages import Birth
from edge import lock
from edge.aggregating import Aggregating
from edge.buffer import Buffer, OpenStore
from edge.carry_out import CarryOut
from edge.changes import Changes
from edge.commands import Commands
from edge.config import EdgeConfig
from edge.core.change import Vitals
from edge.core.clock_trust import BUILT_MS
from edge.core.heard import Heard
from edge.core.schedule import Backoff
from edge.diagnosis import diagnosis, vitals_of
from edge.drivers.bus import Surroundings
from edge.drivers.dial_in_port import DialInPorts
from edge.health import Health
from edge.lifelines import Lifelines
from edge.log_tail import LogTail
from edge.metrics import served
from edge.north.feed import Feeding
from edge.order_book import OrderBook
from edge.parts import parts_of, source_name
from edge.pipeline import Pipeline
from edge.ports import Held, Source
from edge.quarantine import Quarantine
from edge.replies import Replies
from edge.sources import GOODBYE_S, Sources
from edge.staged import drop_leftover
from edge.store import open_store
from edge.switchboard import Switchboard
from edge.systemd import Notifier
from edge.time_keeper import SystemTimeKeeper
from edge.uplink import NAME as UPLINK
from edge.uplink import Uplink

log = logging.getLogger(__name__)

DRAIN_S = 3.0
DAY_MS = 86_400_000


class Agent:
    """One edge agent. _config: what it runs now; _parts: of each source that is open, likewise."""

    def __init__(self, config: EdgeConfig, clock: Clock) -> None:
        self._config, self._clock, self._file = config, clock, config.path
        self.health = Health(clock)
        self._expect(config)
        self._manager = Notifier()
        self.buffer = Buffer(
            _open_store(config),
            commit_every_s=config.buffer.commit_every_s,
            clock=clock,
            health=self.health,
            keeper=SystemTimeKeeper(config.clock.source),
            hold_s=config.clock.hold_s,
        )
        quarantine = Quarantine(
            config.buffer.path.with_name(f"{config.buffer.path.name}.quarantine.jsonl"),
            clock=clock,
            health=self.health,
        )
        self._heard = Heard()
        self._norths = [
            north.open(config.buffer.path, config.devices, clock, self.health)
            for north in config.norths
        ]
        sink = Feeding(self.buffer, self._norths) if self._norths else self.buffer
        self._lifelines = Lifelines(config.supply, config.modem, clock=clock, health=self.health)
        self._aggregating = Aggregating(sink, config, clock=clock, health=self.health)
        self._pipeline = Pipeline(
            config.devices,
            buffer=self._aggregating,
            quarantine=quarantine,
            health=self.health,
            heard=self._heard,
        )
        self.on_demand = Switchboard(clock, self._pipeline.read)
        self._dial_in_ports = DialInPorts()
        self._parts: dict[str, object] = {}
        self._opened = dict[str, Source]()
        self._open_missing(config)
        self._changes = Changes(config, apply=self._apply, vitals=self._vitals, health=self.health)
        self.log_tail, self._replies = LogTail(), Replies()
        self._commands = self._new_commands(config)
        self._uplink = self._new_uplink(config)

    @property
    def connected(self) -> bool:
        """Whether there is a connection to the broker."""
        return self._uplink.connected

    def look_at_file(self) -> None:
        """Read the configuration anew, as SIGHUP asks."""
        self._changes.look()

    def held(self) -> Held | None:
        """Return what the buffer holds, as of its last commit."""
        return self.buffer.held

    async def run(self, stop: asyncio.Event, drain_s: float = DRAIN_S) -> None:
        """Run until `stop` is set; then end well within drain_s and a second or two."""
        await self.buffer.open()
        for key in await self.buffer.heard():
            self._heard.add(key)
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._sources = Sources(tasks, self._pipeline.read)
                self._start_opened()
                writing = tasks.create_task(self.buffer.run(), name="buffer")
                self._sending = tasks.create_task(self._uplink.run(), name="uplink")
                uploading = [tasks.create_task(north.run()) for north in self._norths]
                computing = tasks.create_task(self._aggregating.run(), name="aggregates")
                lifelines = tasks.create_task(self._lifelines.run(), name="lifelines")
                changing = [
                    tasks.create_task(self._changes.run(), name="changes"),
                    tasks.create_task(self._commands.run(), name="orders"),
                ]
                watching = tasks.create_task(
                    self._manager.watch(self.buffer.alive), name="watchdog"
                )
                log.info("running with %d devices", len(self._config.devices))
                self._manager.tell("READY=1", f"STATUS={len(self._config.devices)} devices")
                try:
                    await stop.wait()
                    log.info("stopping")
                    self._manager.tell("STOPPING=1")
                    await _cancel(*changing)
                    await self._sources.stop()
                    self.buffer.stop()
                    await writing
                    await self.buffer.commit()
                    await self._drain(drain_s)
                finally:  # also when one of them has failed: the others must end, too
                    watching.cancel()
                    for task in (computing, lifelines, *changing, *uploading):
                        task.cancel()
                    self.buffer.stop()
                    await self._stop_uplink()
        finally:
            for north in self._norths:
                await north.close()
            await self.buffer.close()

    async def _apply(self, wanted: EdgeConfig) -> None:
        """Make a configuration the one that runs. Raises: ConfigError halfway; apply another then.

        Sources that change end before others begin: they may want the same port.
        """
        parts = parts_of(wanted)
        outdated = [name for name, part in self._parts.items() if parts.sources.get(name) != part]
        await self._sources.stop(outdated)
        for name in outdated:
            del self._parts[name]
            self.health.clear_problem(name)
        self._expect(wanted)
        self.on_demand.disconnect(
            {device.id for device in self._config.devices}
            - {device.id for device in wanted.devices}
        )
        self._pipeline.know(wanted.devices)
        self._aggregating.know(wanted)
        try:
            self._open_missing(wanted)
        finally:
            self._start_opened()
        running, self._config = self._config, wanted
        self._commands.key = _key(wanted)
        if wanted.buffer != running.buffer:
            await self.buffer.reopen(
                _open_store(wanted), commit_every_s=wanted.buffer.commit_every_s
            )
        if parts.uplink != parts_of(running).uplink:
            await self._stop_uplink()
            self._uplink = self._new_uplink(wanted)
            self._sending = self._tasks.create_task(self._uplink.run(), name="uplink")
        else:
            self._uplink.introduce(_birth(wanted, self._clock))

    def _expect(self, config: EdgeConfig) -> None:
        self.health.expect(
            (device.id for device in config.devices), (plan.bus.id for plan in config.buses)
        )
        self.health.planned = {
            plan.bus.id: plan.utilisation for plan in config.buses if plan.utilisation is not None
        }

    def _open_missing(self, config: EdgeConfig) -> None:
        """Open what is configured and is not open. Raises: ConfigError, with the others open."""
        wanted, around = parts_of(config).sources, self._surroundings(config)
        problems: list[str] = []
        for plan in config.buses:
            name = source_name(plan)
            if name not in wanted or name in self._parts:
                continue
            try:
                self._opened[name] = plan.bus.open(plan.devices, around)
                self._parts[name] = wanted[name]
                self.on_demand.connect(plan.devices, self._opened[name])
            except ConfigError as error:
                problems += (f"{config.path}: {problem}" for problem in error.problems)
        if problems:
            raise ConfigError(*problems)

    def _start_opened(self) -> None:
        for name, source in self._opened.items():
            self._sources.start(name, source)
        self._opened = {}

    def _surroundings(self, config: EdgeConfig) -> Surroundings:
        polling, uplink = config.polling, config.uplink
        return Surroundings(
            gateway=config.gateway,
            clock=self._clock,
            health=self.health,
            probing=Backoff(first_s=polling.probe_first_s, most_s=polling.probe_most_s),
            reconnecting=Backoff(first_s=uplink.reconnect_first_s, most_s=uplink.reconnect_most_s),
            dial_in_ports=self._dial_in_ports,
        )

    def _new_uplink(self, config: EdgeConfig) -> Uplink:
        return Uplink(
            config.broker,
            config.uplink,
            birth=_birth(config, self._clock),
            buffer=self.buffer,
            clock=self._clock,
            health=self.health,
            on_order=self._commands.take,
            replies=self._replies,
        )

    def _new_commands(self, config: EdgeConfig) -> Commands:
        carry_out = CarryOut(
            file=config.path,
            on_demand=self.on_demand,
            buffer=self.buffer,
            changes=self._changes,
            resend=lambda numbers: self._uplink.send_again(numbers),
            diagnosis=self._diagnosis,
        )
        return Commands(
            config.gateway,
            _key(config),
            book=OrderBook(config.buffer.path, self._clock),
            clock=self._clock,
            sure=self._clock_sure,
            do=carry_out.do,
            answer=self._replies.put,
        )

    async def _stop_uplink(self) -> None:
        self._uplink.stop()
        await asyncio.wait([self._sending], timeout=GOODBYE_S)
        await _cancel(self._sending)
        self.health.clear_problem(UPLINK)

    def _vitals(self) -> Vitals:
        return vitals_of(self.health, connected=self._uplink.connected)

    def _diagnosis(self, log_lines: int) -> dict[str, object]:
        lines = self.log_tail.last(log_lines)
        return diagnosis(
            self._config, self._file, self.health, self.buffer.held, lines, self._clock
        )

    def _clock_sure(self) -> bool:
        return self.health.clock_synchronised and self._clock.now_ms() >= BUILT_MS

    async def _drain(self, drain_s: float) -> None:
        """Give the cloud a moment to acknowledge what is left; the rest stays on disk."""
        if not self._uplink.connected:
            return
        try:
            async with asyncio.timeout(drain_s):
                await self._uplink.drained()
        except TimeoutError:
            log.info("not everything is acknowledged; it stays in the buffer")


async def run(
    config: EdgeConfig, drain_s: float = DRAIN_S, left_out: Callable[[], int] = int
) -> None:
    """Run an agent until SIGTERM or SIGINT; on SIGHUP it reads its configuration anew.

    left_out: how many log lines were.

    Raises: ConfigError if another agent uses the same buffer, or the port of the metrics is taken.
    """
    with lock.held(config.buffer.path):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        drop_leftover(config.path)
        agent = Agent(config, SystemClock())
        loop.add_signal_handler(signal.SIGHUP, agent.look_at_file)
        agent.health.log_lines_left_out = left_out
        with agent.log_tail.listening(), served(config.metrics, agent.health, agent.held):
            await agent.run(stop, drain_s)


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=GOODBYE_S)


def _key(config: EdgeConfig) -> bytes | None:
    return None if config.commands.key_file is None else read_key(config.commands.key_file)


def _open_store(config: EdgeConfig) -> OpenStore:
    return partial(
        open_store,
        config.buffer.path,
        max_bytes=config.buffer.max_bytes,
        max_age_ms=round(config.buffer.max_age_days * DAY_MS),
        steps=config.buffer.steps,
        kinds={device.id: device.kind for device in config.devices},
        reserve_bytes=config.buffer.reserve_bytes,
    )


def _birth(config: EdgeConfig, clock: Clock) -> Birth:
    return Birth(
        gateway=config.gateway,
        agent_version=version("gridwarden"),
        config_version=config.version,
        born_ms=clock.now_ms(),
        devices=tuple(device.birth for device in config.devices),
    )
