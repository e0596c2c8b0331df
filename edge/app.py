"""Builds the agent from its configuration, runs it, ends it well. Nobody else builds adapters."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

from contract.clock import Clock, SystemClock
from contract.errors import ConfigError
from contract.messages import Birth
from edge import lock
from edge.buffer import Buffer
from edge.config import EdgeConfig
from edge.core.schedule import Backoff
from edge.drivers.bus import Surroundings
from edge.health import DeviceHealth, Health
from edge.metrics import served
from edge.pipeline import Pipeline
from edge.ports import Held, Source
from edge.quarantine import Quarantine
from edge.store import open_store
from edge.systemd import Notifier
from edge.uplink import Uplink

log = logging.getLogger(__name__)

DRAIN_S = 3.0
GOODBYE_S = 1.0
DAY_MS = 86_400_000


class Agent:
    """One edge agent."""

    def __init__(self, config: EdgeConfig, clock: Clock) -> None:
        self._config = config
        health = Health(clock, {device.id: DeviceHealth() for device in config.devices})
        self.health = health
        self._manager = Notifier()
        self._buffer = Buffer(
            partial(
                open_store,
                config.buffer.path,
                max_bytes=config.buffer.max_bytes,
                max_age_ms=round(config.buffer.max_age_days * DAY_MS),
            ),
            commit_every_s=config.buffer.commit_every_s,
            clock=clock,
            health=health,
        )
        quarantine = Quarantine(
            config.buffer.path.with_name(f"{config.buffer.path.name}.quarantine.jsonl"),
            clock=clock,
            health=health,
        )
        self._pipeline = Pipeline(
            config.devices, buffer=self._buffer, quarantine=quarantine, health=health
        )
        self._sources = _sources(config, clock, health)
        self._uplink = Uplink(
            config.broker,
            config.uplink,
            birth=_birth(config, clock),
            buffer=self._buffer,
            clock=clock,
            health=health,
        )

    def held(self) -> Held | None:
        """Return what the buffer holds, as of its last commit."""
        return self._buffer.held

    async def run(self, stop: asyncio.Event, drain_s: float = DRAIN_S) -> None:
        """Run until `stop` is set; then end well within drain_s and a second or two."""
        await self._buffer.open()
        try:
            async with asyncio.TaskGroup() as tasks:
                reading = [
                    tasks.create_task(source.run(self._pipeline.read), name=name)
                    for name, source in self._sources.items()
                ]
                writing = tasks.create_task(self._buffer.run(), name="buffer")
                sending = tasks.create_task(self._uplink.run(), name="uplink")
                watching = tasks.create_task(
                    self._manager.watch(self._buffer.alive), name="watchdog"
                )
                log.info("running with %d devices", len(self._config.devices))
                self._manager.tell("READY=1", f"STATUS={len(self._config.devices)} devices")
                try:
                    await stop.wait()
                    log.info("stopping")
                    self._manager.tell("STOPPING=1")
                    await _cancel(reading)
                    self._buffer.stop()
                    await writing
                    await self._buffer.commit()
                    await self._drain(drain_s)
                finally:  # also when one of them has failed: the others must end, too
                    watching.cancel()
                    self._buffer.stop()
                    self._uplink.stop()
                    await asyncio.wait([sending], timeout=GOODBYE_S)
                    sending.cancel()
        finally:
            await self._buffer.close()

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
    """Run an agent until SIGTERM or SIGINT. left_out: how many log lines were.

    Raises: ConfigError if another agent uses the same buffer, or the port of the metrics is taken.
    """
    with lock.held(config.buffer.path):
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        agent = Agent(config, SystemClock())
        agent.health.log_lines_left_out = left_out
        with served(config.metrics, agent.health, agent.held):
            await agent.run(stop, drain_s)


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=GOODBYE_S)


def _sources(config: EdgeConfig, clock: Clock, health: Health) -> dict[str, Source]:
    around = Surroundings(
        gateway=config.gateway,
        clock=clock,
        health=health,
        probing=Backoff(first_s=config.polling.probe_first_s, most_s=config.polling.probe_most_s),
        reconnecting=Backoff(
            first_s=config.uplink.reconnect_first_s, most_s=config.uplink.reconnect_most_s
        ),
    )
    try:
        return {
            f"bus {plan.bus.id}": plan.bus.open(plan.devices, around)
            for plan in config.buses
            if plan.devices
        }
    except ConfigError as error:
        raise ConfigError(*(f"{config.path}: {problem}" for problem in error.problems)) from error


def _birth(config: EdgeConfig, clock: Clock) -> Birth:
    return Birth(
        gateway=config.gateway,
        agent_version=version("gridwarden"),
        config_version=config.version,
        born_ms=clock.now_ms(),
        devices=tuple(device.birth for device in config.devices),
    )
