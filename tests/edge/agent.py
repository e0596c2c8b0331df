"""The agent as a real process, for the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge.ports import Held


class Done(NamedTuple):
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


async def edge(*words: str | Path) -> Done:
    """Run `gridwarden edge …` to its end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edge",
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    return Done(process.returncode or 0, out.decode(), err.decode())


async def buffer_of(config: Path) -> Held:
    """Return what `edge buffer --json` says last."""
    done = await edge("buffer", config, "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Held)


async def until_held(config: Path, readings: int) -> None:
    """Wait until the buffer holds so many."""
    for _ in range(100):
        if (await buffer_of(config)).held_readings >= readings:
            return
    raise AssertionError("the buffer does not fill")


class AgentProcess:
    """`gridwarden edge run CONFIG`, with what it logs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.log: list[str] = []

    async def read_log(self) -> None:
        """Collect the log until the process ends."""
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log.append(line.decode().rstrip())

    def said(self, what: str) -> bool:
        """Whether the log has it."""
        return any(what in line for line in self.log)

    def kill(self) -> None:
        """kill -9."""
        os.kill(self._process.pid, signal.SIGKILL)

    async def stop(self, within_s: float = 5.0) -> int:
        """SIGTERM; return the exit code, which must come in time."""
        self._process.terminate()
        async with asyncio.timeout(within_s):
            return await self._process.wait()

    async def wait(self) -> int:
        """Wait for the end."""
        return await self._process.wait()


@asynccontextmanager
async def agent(config: Path, *options: str) -> AsyncIterator[AgentProcess]:
    """Run an agent; whatever the test does, it is gone in the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "edge", "run", str(config), *options, stderr=asyncio.subprocess.PIPE
    )
    running = AgentProcess(process)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(running.read_log())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
