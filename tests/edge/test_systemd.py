"""A real datagram socket stands for the service manager."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    name = str(tmp_path / "notify") if request.param == "path" else f"@gridwarden-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind("\0" + name[1:] if name[0] == "@" else name)
        line.settimeout(5)
        yield line, name


def test_tells_the_manager(manager: tuple[socket.socket, str]) -> None:
    line, name = manager
    Notifier({"NOTIFY_SOCKET": name}).tell("READY=1", "STATUS=12 devices")
    assert line.recv(100) == b"READY=1\nSTATUS=12 devices"


async def test_gives_signs_of_life_only_while_alive(manager: tuple[socket.socket, str]) -> None:
    line, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "30000"})
    assert notifier.watchdog_s == 0.03
    asked = 0
    seen_enough = asyncio.Event()

    def alive() -> bool:
        nonlocal asked
        asked += 1
        if asked == 6:
            seen_enough.set()
        return asked <= 2

    watching = asyncio.create_task(notifier.watch(alive))
    await seen_enough.wait()
    watching.cancel()
    line.setblocking(False)
    assert [line.recv(100), line.recv(100)] == [b"WATCHDOG=1", b"WATCHDOG=1"]
    with pytest.raises(BlockingIOError):
        line.recv(100)


async def test_nobody_to_tell_is_no_error() -> None:
    notifier = Notifier({"WATCHDOG_USEC": "30000"})
    notifier.tell("READY=1")
    await notifier.watch(lambda: True)  # returns at once
    Notifier({"NOTIFY_SOCKET": "/absent/socket"}).tell("READY=1")


@pytest.mark.parametrize(
    "environment",
    [
        {"WATCHDOG_USEC": "30000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {},
    ],
)
def test_nobody_watches_this_process(environment: dict[str, str]) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/x", **environment}).watchdog_s is None
