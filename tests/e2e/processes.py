"""Finding the demo's processes, talking to them, and waiting for conditions."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def gridwarden(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gridwarden", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=options.pop("timeout", 60),
        **options,
    )


def last_json(text: str) -> dict[str, Any]:
    """Read the JSON object that is the last line."""
    found = json.loads(text.strip().splitlines()[-1])
    assert isinstance(found, dict)
    return found


def wait_for(what: Callable[[], T | None], why: str, within_s: float = 60.0) -> T:
    """Ask again until there is an answer; a missing one is a failure that says what was awaited."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        answer = what()
        if answer is not None and answer is not False:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited {within_s} s in vain for {why}")


def processes_with(*words: str) -> dict[int, str]:
    """Return the running processes whose command line has all the words, by process id."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                line = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
            except OSError:
                continue
            if line and all(word in line for word in words):
                found[int(folder.name)] = line
    return found


def is_free(port: int) -> bool:
    """Whether nobody listens on this port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Demo:
    """A running demo."""

    def __init__(self, process: subprocess.Popen[str], data: Path) -> None:
        self.process = process
        self.data = data

    def kill(self, *words: str) -> None:
        """kill -9 the one process of this demo whose command line has the words."""
        (pid,) = processes_with(str(self.data), *words)
        os.kill(pid, signal.SIGKILL)

    def published(self) -> int:
        """Return how many readings the edge has committed so far."""
        done = gridwarden("edge", "buffer", self.data / "edge.yaml", "--json")
        return int(last_json(done.stdout)["published_readings"]) if done.returncode == 0 else 0

    def left_behind(self) -> dict[int, str]:
        """Return this demo's processes that still run."""
        return processes_with(str(self.data))


@contextmanager
def demo(data: Path, *options: str) -> Iterator[Demo]:
    """Run `gridwarden demo`, and see that nothing of it is left, whatever the test does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gridwarden", "demo", "--data", str(data), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Demo(process, data)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
        for pid in processes_with(str(data)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
