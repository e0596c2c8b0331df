"""The demo's processes: they come back, they end, and they never outlive the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from simulators.demo.children import Child, DemoError, Program, last_lines, run_to_end
from tests.simulators.conftest import until

SLEEPS = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPS}"


def program(folder: Path, code: str, name: str = "part") -> Program:
    return Program(name=name, command=(sys.executable, "-c", code), log=folder / f"{name}.log")


def runs(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


@contextlib.asynccontextmanager
async def started(code: str, folder: Path, said: list[str]) -> AsyncIterator[Child]:
    child = Child(program(folder, code), said.append)
    await child.start()
    try:
        yield child
    finally:
        await child.end(0.1)


async def test_ready_is_a_condition_and_not_a_time(tmp_path: Path) -> None:
    async with started(SLEEPS, tmp_path, []) as child:
        await child.ready(lambda: "up" in last_lines(tmp_path / "part.log"), 20)
        assert runs(child.pid)


async def test_a_part_that_ends_before_it_is_ready_shows_its_log(tmp_path: Path) -> None:
    async with started("import sys; sys.exit('no such port')", tmp_path, []) as child:
        with pytest.raises(DemoError, match=r"(?s)ended before it was ready.*no such port"):
            await child.ready(lambda: False, 20)


async def test_a_part_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    async with started(SLEEPS, tmp_path, []) as child:
        with pytest.raises(DemoError, match="was not ready within 0 s"):
            await child.ready(lambda: False, 0.1)


async def test_a_killed_part_is_started_again_and_said_so(tmp_path: Path) -> None:
    said: list[str] = []
    async with started(SLEEPS, tmp_path, said) as child, asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(child.watch())
        killed = child.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: child.pid not in (0, killed))
        assert said == ["part ended (signal SIGKILL); starting it again"]
        assert await child.end(5)
        await watch


async def test_a_part_that_keeps_dying_ends_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulators.demo.children._MOST_RESTARTS", 3)
    said: list[str] = []
    async with started("import sys; sys.exit('disk on fire')", tmp_path, said) as child:
        with pytest.raises(DemoError, match=r"(?s)exit code 1\) after 3 restarts.*disk on fire"):
            await child.watch()
    assert len(said) == 3


async def test_who_does_not_want_to_end_is_killed(tmp_path: Path) -> None:
    async with started(STUBBORN, tmp_path, []) as child:
        await child.ready(lambda: "up" in last_lines(tmp_path / "part.log"), 20)
        pid = child.pid
        assert not await child.end(0.2)
        assert not runs(pid)


async def test_what_a_part_left_behind_is_killed_with_it(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}]);"
        "print('pid', p.pid, flush=True); time.sleep(60)"
    )
    log = tmp_path / "part.log"
    async with started(code, tmp_path, []) as child:
        await child.ready(lambda: "up" in last_lines(log), 20)
        grandchild = int(log.read_text().split("pid ")[1].split()[0])
        await child.end(5)
        await until(lambda: not runs(grandchild))


async def test_killed_itself_the_supervisor_leaves_nobody(tmp_path: Path) -> None:
    supervisor = (
        "import asyncio; from pathlib import Path;"
        "from simulators.demo.children import Child, Program;"
        f"p = Program(name='part', command=({sys.executable!r}, '-c', {STUBBORN!r}),"
        f" log=Path({str(tmp_path / 'part.log')!r}));"
        "c = Child(p, print);"
        "asyncio.run(c.start()); print(c.pid, flush=True); import time; time.sleep(60)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", supervisor, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    child = int(await asyncio.wait_for(process.stdout.readline(), 20))
    await until(lambda: "up" in last_lines(tmp_path / "part.log"))
    assert runs(child)
    process.kill()
    await process.communicate()
    await until(lambda: not runs(child))


async def test_a_program_that_ends_by_itself_gives_its_output(tmp_path: Path) -> None:
    code = "import sys; print('figures'); print('aside', file=sys.stderr)"
    assert await run_to_end(program(tmp_path, code), 20) == "figures\n"
    assert (tmp_path / "part.log").read_text() == "aside\n"


async def test_a_program_that_fails_or_hangs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match=r"(?s)part failed \(exit code 1\).*broken"):
        await run_to_end(program(tmp_path, "import sys; sys.exit('broken')"), 20)
    with pytest.raises(DemoError, match="took longer"):
        await run_to_end(program(tmp_path, SLEEPS), 0.3)
