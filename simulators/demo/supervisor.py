"""The demo from the first process to the last: what starts after what, and how it all ends."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from simulators.demo import probes
from simulators.demo.children import Child, DemoError, Program, run_to_end
from simulators.demo.figures import Buffer, Count, shortcomings
from simulators.demo.layout import GATEWAY, DemoPorts, Layout
from simulators.demo.ports import HOST, ReservedPorts
from simulators.simulation import read_ready

_START_S = 30.0  # for a part to be ready, on a slow machine
_DRAIN_S = 20.0  # for the edge to send what it holds
_COUNT_S = 10.0  # for the cloud to have stored and concluded all
_UNDER_WAY_S = 0.5  # from a device over its broker to the edge
_EDGE_ENDS_S, _END_S, _BROKER_ENDS_S = 1.5, 2.0, 1.0  # to end by themselves: 5 s in all

_OWN = (sys.executable, "-m", "gridwarden")

T = TypeVar("T")
Say = Callable[..., None]
"""Says a text of texts.TEXTS by its name, with what is to be filled in."""


class Supervisor:
    """Runs the parts of the demo in a data folder."""

    def __init__(
        self,
        layout: Layout,
        nats_server: Path,
        reserved: ReservedPorts,
        *,
        say: Say,
        note: Callable[[str], None],
    ) -> None:
        self.layout = layout
        self.ports = DemoPorts(
            nats=reserved.take(), monitor=reserved.take(), mqtt=reserved.take(), web=reserved.take()
        )
        self.children: dict[str, Child] = {}
        self._nats_server = nats_server
        self._say = say
        self._note = note

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.ports.web}/"

    async def start(self) -> None:
        """Start everything in order, each part when what it needs is ready.

        Raises: DemoError if a part does not become ready.
        """
        await self._start_broker()
        await self._start_cloud()
        await self._start_edge()

    async def watch(self) -> None:
        """Restart what dies, until all is told to end. Raises: as Child.watch()."""
        async with asyncio.TaskGroup() as tasks:
            for name, child in self.children.items():
                tasks.create_task(child.watch(), name=f"watch-{name}")

    async def drain(self) -> None:
        """End the devices, then the edge once it has sent what it holds.

        Raises: DemoError if the edge does not end.
        """
        self._say("draining")
        await self.children["devices"].end(_END_S)
        await asyncio.sleep(_UNDER_WAY_S)
        if not await self.children["edge"].end(_DRAIN_S + 5.0):
            raise DemoError("the edge did not end when asked to")

    async def count(self) -> tuple[Buffer, Count]:
        """Return both sides' figures, as soon as they are as they must be, or at the latest."""
        self._say("counting")
        deadline_s = time.monotonic() + _COUNT_S
        buffer = await self._ask(Buffer, "edge", "buffer", str(self.layout.edge_config))
        while True:
            count = await self._ask(Count, "cloud", "count", str(self.layout.cloud_config))
            if not shortcomings(buffer, count) or time.monotonic() > deadline_s:
                return buffer, count
            await asyncio.sleep(0.3)

    async def end(self) -> None:
        """End all processes, the edge while there is a cloud to send to, the broker last.

        Takes 5 s at the most.
        """
        order = {"edge": (0, _EDGE_ENDS_S), "broker": (2, _BROKER_ENDS_S)}
        for step in range(3):
            ending = [
                child.end(within_s)
                for name, child in self.children.items()
                for turn, within_s in [order.get(name, (1, _END_S))]
                if turn == step
            ]
            await asyncio.gather(*ending)

    async def _start_broker(self) -> None:
        self.layout.write_nats(self.ports)
        broker = await self._launch(
            "broker", [str(self._nats_server), "-c", str(self.layout.nats_config)]
        )
        await broker.ready(lambda: probes.port_open(self.ports.mqtt), _START_S)
        self._say("broker", port=self.ports.mqtt)

    async def _start_cloud(self) -> None:
        config = str(self.layout.cloud_config)
        self.layout.write_cloud(self.ports)
        account = ("--admin-password-file", str(self.layout.secret_file("admin")))
        has_account = self.layout.has_account.exists()  # from an earlier demo in this folder
        await self._run("cloud-init", "cloud", "init", config, *(() if has_account else account))
        self.layout.has_account.touch()
        self._say("init")
        intake = await self._launch_own("intake", "cloud", "intake", config)
        web = await self._launch_own("web", "cloud", "web", config)
        devices = await self._launch_devices()
        await intake.ready(lambda: probes.subscribed(self.ports.monitor, "intake"), _START_S)
        self._say("intake")
        await devices.ready(lambda: probes.has_content(self.layout.ready), _START_S)
        self._say("devices", count=len(read_ready(self.layout.ready)))
        await web.ready(lambda: probes.http_ok(self.ports.web, "/readyz"), _START_S)
        self._say("web", port=self.ports.web)

    async def _launch_devices(self) -> Child:
        self.layout.ready.unlink(missing_ok=True)
        self.layout.ledger.unlink(missing_ok=True)
        return await self._launch_own(
            *("devices", "simulate", "demo", "--ready", str(self.layout.ready)),
            *("--ledger", str(self.layout.ledger), "--mqtt-port", str(self.ports.mqtt)),
            *("--mqtt-user", "devices"),
            *("--mqtt-password-file", str(self.layout.secret_file("devices"))),
        )

    async def _start_edge(self) -> None:
        self.layout.write_edge(self.ports, read_ready(self.layout.ready))
        config = str(self.layout.edge_config)
        edge = await self._launch_own("edge", "edge", "run", config, "--drain-s", f"{_DRAIN_S:g}")

        def reading() -> bool:
            connected = probes.subscribed(self.ports.monitor, GATEWAY)
            return connected and probes.polled(self.layout.ledger)

        await edge.ready(reading, _START_S)
        self._say("edge")

    async def _launch_own(self, name: str, *words: str) -> Child:
        return await self._launch(name, [*_OWN, *words])

    async def _launch(self, name: str, command: Iterable[str]) -> Child:
        program = Program(name=name, command=tuple(command), log=self.layout.log(name))
        child = self.children[name] = Child(program, self._note)
        await child.start()
        return child

    async def _run(self, name: str, *words: str) -> str:
        program = Program(name=name, command=(*_OWN, *words), log=self.layout.log(name))
        return await run_to_end(program, _START_S)

    async def _ask(self, kind: type[T], *words: str) -> T:
        """Run one of our commands with --json and read its last line."""
        name = "-".join(words[:2])
        output = await self._run(name, *words, "--json")
        try:
            return msgspec.json.decode(output.strip().splitlines()[-1], type=kind)
        except (msgspec.DecodeError, IndexError) as error:
            raise DemoError(f"{name} said {output!r}: {error}") from error
