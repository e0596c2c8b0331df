"""`edge watch`: a live table on a terminal, lines elsewhere; it keeps nothing and ends well."""

from __future__ import annotations

import asyncio
import json
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from edge import lock
from simulators.modbus_frames import Framing
from tests.edge.cabinet.kit import (
    Part,
    bus_of,
    device,
    edge,
    interrupted,
    start,
    tcp,
    tool,
    write_config,
)
from tests.edge.kit import ScriptedPeer, eventually, free_port

NOISE = "noise/rs485-sound"


async def lines_of(process: asyncio.subprocess.Process, many: int) -> list[str]:
    """Return the first lines that a process writes."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return [(await process.stdout.readline()).decode() for _ in range(many)]


async def test_a_json_object_an_update_and_one_in_the_end(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE)) as port:
        config = write_config(tmp_path, [tcp(port)], [device(NOISE) + ", period_s: 0.1"])
        process = await start("watch", config, "--json")
        updates: list[dict[str, Any]] = [json.loads(line) for line in await lines_of(process, 3)]
        done = await interrupted(process)
    assert done.code == 0
    for update in updates:
        assert update["device"] == "it"
        assert update["poll_ms"] > 0
        value = update["values"]["noise_la"]
        assert (value["unit"], value["quality"]) == ("dB(A)", "")
        assert 30 < value["value"] < 110
    assert done.told["devices"]["it"]["updates"] >= 3  # type: ignore[index]


async def test_a_line_an_update_where_there_is_no_terminal(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE)) as port:
        config = write_config(tmp_path, [tcp(port)], [device(NOISE)])
        done = await edge("watch", config, "--for", "1.5")
    assert done.code == 0
    assert "it: noise_la " in done.out.splitlines()[0]
    assert "\x1b" not in done.out


def files(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return [path.name for path in folder.iterdir()]


async def test_nothing_is_kept(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE)) as port:
        config = write_config(tmp_path, [tcp(port)], [device(NOISE)])
        done = await edge("watch", config, "--for", "1")
    assert done.code == 0
    assert files(tmp_path) == ["edge.yaml"]


async def test_a_dead_device_and_a_dead_bus_are_told_and_hide_nobody(tmp_path: Path) -> None:
    gone = f"id: gone, driver: modbus_tcp, host: 127.0.0.1, port: {free_port()}"
    async with bus_of(Part(profile=NOISE)) as port:
        config = write_config(
            tmp_path,
            [tcp(port), gone],
            [
                device(NOISE),
                device(NOISE, 9, "dead"),
                f"id: lost, profile: {NOISE}, bus: gone, unit_id: 1",
            ],
        )
        done = await edge("watch", config, "--for", "2", "--json")
    devices: Any = done.told["devices"]
    assert devices["it"]["problem"] == ""
    assert devices["it"]["updates"] > 0
    assert "exception 11" in devices["dead"]["problem"]
    assert devices["dead"]["failures"] > 0
    assert "no connection" in devices["lost"]["problem"]


async def test_beside_an_agent_a_line_of_its_own_is_left_alone(tmp_path: Path) -> None:
    peer = ScriptedPeer(lambda unit, at: 599, lambda request, right: [(0.0, right)], rtu=True)
    await peer.start()
    other = f"id: rtu, driver: modbus_rtu_over_tcp, host: 127.0.0.1, port: {peer.port}"
    try:
        async with bus_of(Part(profile=NOISE)) as port:
            config = write_config(
                tmp_path,
                [tcp(port), other],
                [device(NOISE), f"id: framed, profile: {NOISE}, bus: rtu, unit_id: 1"],
            )
            with lock.held(tmp_path / "buffer.sqlite"):
                done = await edge("watch", config, "--for", "1.5", "--json")
                assert peer.connections == 0
                forced = await edge("watch", config, "--for", "1.5", "--json", "--anyway")
    finally:
        await peer.stop()
    devices: Any = done.told["devices"]
    assert devices["it"]["updates"] > 0
    assert "not read: the agent" in devices["framed"]["problem"]
    assert forced.told["devices"]["framed"]["updates"] > 0  # type: ignore[index]


async def test_one_device_only(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE), Part(profile=NOISE, unit_id=2)) as port:
        config = write_config(tmp_path, [tcp(port)], [device(NOISE), device(NOISE, 2, "other")])
        done = await edge("watch", config, "--device", "other", "--for", "1", "--json")
    assert list(done.told["devices"]) == ["other"]  # type: ignore[call-overload]


async def test_a_reader_that_goes_away_ends_it(tmp_path: Path) -> None:
    async with bus_of(Part(profile=NOISE), framing=Framing.TCP) as port:
        config = write_config(tmp_path, [tcp(port)], [device(NOISE) + ", period_s: 0.1"])
        command = shlex.join([sys.executable, "-m", "edge", "watch", str(config)])
        process = await asyncio.create_subprocess_shell(
            f"{command} | head -n 1", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        out, err = await asyncio.wait_for(process.communicate(), 60)
    assert out.count(b"\n") == 1
    assert err == b""


async def test_without_devices_there_is_nothing_to_watch(tmp_path: Path) -> None:
    done = await edge("watch", write_config(tmp_path, [tcp(1)]))
    assert done.code == 2
    assert "there are no devices to watch" in done.err


class Terminal:
    """A real terminal of 80 columns, by tmux with a server of its own."""

    def __init__(self, folder: Path) -> None:
        self._tmux = (tool("tmux"), "-S", str(folder / "tmux"))

    async def call(self, *words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            *self._tmux, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        return out.decode()

    async def begin(self, command: str) -> None:
        await self.call("new-session", "-d", "-x", "80", "-y", "24", "sh")
        await self.call("send-keys", f"{command}; echo ended with $?", "Enter")

    async def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen; return it."""
        for _ in range(600):
            screen = await self.call("capture-pane", "-p")
            if all(text in screen for text in texts):
                return screen
            await asyncio.sleep(0.05)
        raise AssertionError(f"{texts} are not on the screen:\n{screen}")


@pytest.fixture
async def terminal(tmp_path: Path) -> AsyncIterator[Terminal]:
    made = Terminal(tmp_path)
    yield made
    await made.call("kill-server")


async def test_on_a_terminal_it_draws_in_place_and_leaves_the_last_table(
    terminal: Terminal, tmp_path: Path
) -> None:
    words = [599]
    peer = ScriptedPeer(lambda unit, at: words[0], lambda request, right: [(0.0, right)])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)], [device(NOISE) + ", period_s: 0.2"])
        await terminal.begin(shlex.join([sys.executable, "-m", "edge", "watch", str(config)]))
        first = await terminal.shows("DEVICE", "59.9 dB(A)", "normal")
        assert first.count("noise_la") == 1
        words[0] = 655
        second = await terminal.shows("65.5 dB(A)")
        assert "59.9" not in second  # drawn over, not below
        assert second.count("DEVICE") == 1
        words[0] = 5990
        await terminal.shows("599 dB(A)", "over range")
        await terminal.call("send-keys", "C-c")
        last = await terminal.shows("ended with 0")
        assert "599 dB(A)" in last
    finally:
        await peer.stop()


async def test_a_scan_shows_its_progress_on_a_terminal(terminal: Terminal, tmp_path: Path) -> None:
    peer = ScriptedPeer(lambda unit, at: 0, lambda request, right: [])
    await peer.start()
    try:
        config = write_config(tmp_path, [tcp(peer.port)])
        scan = ["scan", str(config), "line", "--timeout-s", "0.2", "--units", "1-100"]
        await terminal.begin(shlex.join([sys.executable, "-m", "edge", *scan]))
        await eventually(lambda: len(peer.requests) > 8)
        screen = await terminal.shows("s left", "[#")
        assert screen.count("[#") == 1
        await terminal.call("send-keys", "C-c")
        last = await terminal.shows("ended with 130", "interrupted")
        assert "[#" not in last  # the bar is gone
    finally:
        await peer.stop()
