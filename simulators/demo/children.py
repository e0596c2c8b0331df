"""The demo's processes: started, watched, restarted, ended, and never left behind.

Each is the leader of its own session, so that Ctrl-C in the terminal reaches the supervisor alone;
and each is killed by the kernel if the supervisor dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.errors import GridwardenError

_PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
_MOST_RESTARTS = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 3.0
_GOOD_FOR_S = 5.0  # one that has run for so long may be restarted as often again
_LAST_LINES = 15


class DemoError(GridwardenError):
    """A part of the demo failed; the demo ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run."""

    name: str
    command: Sequence[str]
    log: Path


class Child:
    """One running program."""

    def __init__(self, program: Program, say: Callable[[str], None]) -> None:
        self.program = program
        self.restarts = 0
        self._say = say
        self._process: asyncio.subprocess.Process | None = None
        self._ending = False
        self._started_s = 0.0

    @property
    def pid(self) -> int:
        """The process id; 0 when it does not run."""
        return self._process.pid if self._process and self._process.returncode is None else 0

    async def start(self) -> None:
        """Start it; its output goes to its log."""
        self._process = await _spawn(self.program)
        self._started_s = asyncio.get_running_loop().time()

    async def ready(self, condition: Callable[[], object], within_s: float) -> None:
        """Wait until a condition holds.

        Raises: DemoError with the log's end if it ends before, or takes too long.
        """
        began_s = asyncio.get_running_loop().time()
        while not await asyncio.to_thread(condition):
            if self._process is None or self._process.returncode is not None:
                raise self._failure("ended before it was ready")
            if asyncio.get_running_loop().time() - began_s > within_s:
                raise self._failure(f"was not ready within {within_s:.0f} s")
            await asyncio.sleep(0.05)

    async def watch(self) -> None:
        """Restart it whenever it dies unasked.

        Raises: DemoError with the log's end after too many restarts.
        """
        while self._process is not None:
            code = await self._process.wait()
            if self._ending:
                return
            if asyncio.get_running_loop().time() - self._started_s >= _GOOD_FOR_S:
                self.restarts = 0
            if self.restarts == _MOST_RESTARTS:
                raise self._failure(f"ended again ({_how(code)}) after {self.restarts} restarts")
            pause_s = min(_FIRST_PAUSE_S * 2**self.restarts, _LONGEST_PAUSE_S)
            self.restarts += 1
            self._say(f"{self.program.name} ended ({_how(code)}); starting it again")
            await asyncio.sleep(pause_s)
            if not self._ending:
                await self.start()

    async def end(self, within_s: float) -> bool:
        """Ask it to end, and kill what is left of it; True if it ended by itself."""
        self._ending = True
        process = self._process
        if process is None:
            return True
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        willing = True
        try:
            await asyncio.wait_for(process.wait(), within_s)
        except TimeoutError:
            willing = False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # it, or children that outlived it
        await process.wait()
        return willing

    def _failure(self, what: str) -> DemoError:
        return DemoError(
            f"{self.program.name} {what}; the end of {self.program.log}:\n"
            + last_lines(self.program.log)
        )


async def run_to_end(program: Program, within_s: float) -> str:
    """Run a program that ends by itself and return what it wrote to stdout.

    Raises: DemoError with its log's last lines if it fails or takes too long.
    """
    process = await _spawn(program, stdout=asyncio.subprocess.PIPE)
    try:
        output, _ = await asyncio.wait_for(process.communicate(), within_s)
    except TimeoutError:
        raise DemoError(f"{program.name} took longer than {within_s:.0f} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode:
        how = _how(process.returncode)
        raise DemoError(f"{program.name} failed ({how}):\n{last_lines(program.log)}\n{text}")
    return text


def last_lines(log: Path) -> str:
    """Return the end of a log, indented."""
    try:
        lines = log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    except OSError:
        lines = []
    return "\n".join(f"    {line}" for line in lines or ["(nothing)"])


async def _spawn(program: Program, stdout: int | None = None) -> asyncio.subprocess.Process:
    with program.log.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *program.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log if stdout is None else stdout,
            stderr=log,
            start_new_session=True,
            preexec_fn=_death_with_parent(),
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def _death_with_parent() -> Callable[[], None] | None:
    """Return what a child does first: ask the kernel to kill it when its parent dies."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before we had asked
            os._exit(1)

    return ask


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
