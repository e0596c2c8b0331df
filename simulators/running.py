"""A simulation's life: until it is told to end, with or without a broker."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine

from contract.errors import TransportError
from simulators.ledger import Ledger
from simulators.mqtt_device import NetworkServer
from simulators.simulation import Simulation

_BROKER_PATIENCE_S = 15.0


async def publish_until(
    stop: asyncio.Event,
    simulation: Simulation,
    server: NetworkServer,
    announce: Callable[[], None],
) -> None:
    """Publish what publishes, announce when all is up, and end at `stop`.

    Raises: TransportError if the broker did not let us in.
    """
    if not simulation.publishes:
        announce()
        await stop.wait()
        return
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(server.run(), name="network-server")]
        came = await _connected(server, stop)
        if came:
            announce()
            running.append(tasks.create_task(simulation.run(server), name="devices"))
            await stop.wait()
        for task in running:
            task.cancel()
    if not came and not stop.is_set():
        raise TransportError(f"{server.broker} did not let us in for {_BROKER_PATIENCE_S:.0f} s")


def run_until_told(
    serve: Callable[[asyncio.Event], Coroutine[None, None, None]],
    simulation: Simulation,
    book: Ledger,
) -> None:
    """Run `serve` with an event that SIGTERM and SIGINT set, then close everything."""

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await serve(stop)
        finally:
            await simulation.close()

    with book:
        asyncio.run(main())


async def _connected(server: NetworkServer, stop: asyncio.Event) -> bool:
    """Wait for the broker, but not for ever, nor past `stop`; True if the broker came."""
    waits = [asyncio.ensure_future(event.wait()) for event in (server.connected, stop)]
    try:
        await asyncio.wait(waits, timeout=_BROKER_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return server.connected.is_set()
