"""What the tests at the cabinet share: devices that stand still, commands as processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from contract.clock import ManualClock
from device_profiles.loader import load_profile
from simulators.ledger import Ledger
from simulators.modbus_frames import Framing
from simulators.scenarios import BusPart, DevicePart, Scenario
from simulators.simulation import Simulation, Surroundings

PATIENCE_S = 60.0
HEAD = "gateway: cabinet\nbroker: {host: 127.0.0.1, port: 1, tls: false}\n"


def tool(name: str) -> str:
    """Return where a tool is that the test needs; without it the test fails and says why."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/bin:/usr/sbin")
    if found is None:
        pytest.fail(f"{name} is missing; run: sudo apt-get install {name}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command came to."""

    code: int | None
    out: str
    err: str

    @property
    def told(self) -> dict[str, object]:
        """The JSON object on the last line."""
        found: dict[str, object] = json.loads(self.out.splitlines()[-1])
        return found


async def start(*words: object, **environment: str) -> asyncio.subprocess.Process:
    """Start `gridwarden edge …`."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge", *map(str, words)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1", "TERM": "dumb", **environment},
    )


async def finish(process: asyncio.subprocess.Process) -> Done:
    """Wait for the end; whatever happens, the process is gone."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    # Whoever stands at a cabinet is never shown a trace.
    assert "Traceback" not in err.decode()
    return Done(code=process.returncode, out=out.decode(), err=err.decode())


async def edge(*words: object) -> Done:
    """Run `gridwarden edge …` to its end."""
    return await finish(await start(*words))


async def interrupted(process: asyncio.subprocess.Process) -> Done:
    """Press Ctrl-C."""
    process.send_signal(signal.SIGINT)
    return await finish(process)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A simulated Modbus device."""

    profile: str
    unit_id: int = 1


@asynccontextmanager
async def bus_of(*parts: Part, framing: Framing = Framing.TCP) -> AsyncIterator[int]:
    """Serve devices on one listener, and yield its port. Time stands still: so do all values."""
    scenario = Scenario(
        buses={"bus": BusPart(framing=framing)},
        devices=tuple(
            DevicePart(id=f"d{part.unit_id}", profile=part.profile, bus="bus", unit_id=part.unit_id)
            for part in parts
        ),
    )
    around = Surroundings(profiles=load_profile, clock=ManualClock(), ledger=Ledger(None))
    simulation = Simulation(scenario, around)
    await simulation.listen()
    try:
        yield simulation.records()[0].port
    finally:
        await simulation.close()


def write_config(folder: Path, buses: Sequence[str], devices: Sequence[str] = ()) -> Path:
    """Write the agent's file; each bus and device is a flow mapping."""
    path = folder / "edge.yaml"
    lines = [HEAD, "buses:\n", *(f"  - {{{bus}}}\n" for bus in buses)]
    if devices:
        lines += ["devices:\n", *(f"  - {{{device}}}\n" for device in devices)]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def tcp(port: int, driver: str = "modbus_tcp", **more: object) -> str:
    """Return a bus called `line`."""
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"id: line, driver: {driver}, host: 127.0.0.1, port: {port}{extra}"


def device(profile: str, unit_id: int = 1, name: str = "it") -> str:
    """Return a device on the bus `line`."""
    return f"id: {name}, profile: {profile}, bus: line, unit_id: {unit_id}"
