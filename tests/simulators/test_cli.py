"""`gridwarden simulate` as a process: ready file, ports, ledger, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import msgspec
from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient

from simulators.ledger import read_ledger
from simulators.simulation import DeviceRecord, read_ready
from tests.simulators.conftest import Mosquitto, free_port, until


@contextlib.asynccontextmanager
async def simulate(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", "simulate", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def ended(*words: str) -> tuple[int | None, str]:
    """Run to the end; return exit code and stderr."""
    async with simulate(*words) as process:
        _, errors = await asyncio.wait_for(process.communicate(), 30)
        return process.returncode, errors.decode()


async def first_line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 30)).decode()


async def read_one(device: DeviceRecord, address: int, count: int) -> list[int]:
    framer = FramerType.RTU if device.driver == "modbus_rtu_over_tcp" else FramerType.SOCKET
    client = AsyncModbusTcpClient(device.host, port=device.port, framer=framer, retries=0)
    assert await client.connect()
    try:
        answer = await client.read_holding_registers(address, count=count, device_id=device.unit_id)
        assert not answer.isError()
        return list(answer.registers)
    finally:
        client.close()


async def test_the_demo_street(mosquitto: Mosquitto, tmp_path: Path) -> None:
    ready, ledger = tmp_path / "ready.json", tmp_path / "served.jsonl"
    words = ["demo", "--ready", str(ready), "--ledger", str(ledger), "--period", "0.2"]
    words += ["--mqtt-port", str(mosquitto.port)]
    async with simulate(*words) as process:
        await until(ready.exists)
        devices = {device.id: device for device in read_ready(ready)}
        assert len(devices) == 10
        assert devices["noise-01"].port == devices["noise-02"].port
        assert devices["manhole-01"].address == "24e124713c100001"
        (level,) = await read_one(devices["noise-01"], 0, 1)
        assert 300 < level < 600
        pm10 = await read_one(devices["dust-02"], 0x1FB, 2)
        assert 0 < pm10[0] < pm10[1] < 200
        unit, decimals, pressure = await read_one(devices["gas-02"], 2, 3)
        assert (unit, decimals) == (4, 1)
        assert 160 < pressure < 230
        await until(lambda: {"noise-01", "manhole-02"} <= {s.device for s in read_ledger(ledger)})
        began_s = asyncio.get_running_loop().time()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert asyncio.get_running_loop().time() - began_s < 1
    served = [line for line in read_ledger(ledger) if line.device == "noise-01"]
    assert [line.value for line in served] == [level / 10]

    # A second run takes the ports of the first again.
    ready_before = ready.read_bytes()
    async with simulate(*words) as process:
        assert "10 devices are up" in await first_line(process)
        assert ready.read_bytes() == ready_before
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_one_modbus_device() -> None:
    port = free_port()
    words = ["device", "water/yosemitech-y504", "--port", str(port), "--unit-id", "7"]
    async with simulate(*words, "--framing", "rtu") as process:
        assert f"port {port}" in await first_line(process)
        record = DeviceRecord(
            id="x",
            kind="water",
            profile="x",
            driver="modbus_rtu_over_tcp",
            host="127.0.0.1",
            port=port,
            unit_id=7,
        )
        assert len(await read_one(record, 0x2600, 6)) == 6
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0


async def test_one_modbus_device_on_a_pty() -> None:
    async with simulate("device", "noise/rs485-sound", "--serial", "pty") as process:
        line = await first_line(process)
        found = re.search(r"/dev/pts/\d+", line)
        assert found
        poll = await asyncio.create_subprocess_exec(
            *("/usr/bin/mbpoll", "-m", "rtu", "-b", "9600", "-P", "none", "-a", "1"),
            *("-r", "1", "-c", "1", "-1", "-t", "4", found[0]),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(poll.communicate(), 20)
        level = re.search(rb"\[1\]:\s+(\d+)", output)
        assert level
        assert 300 < int(level[1]) < 900


async def test_one_mqtt_device(mosquitto: Mosquitto) -> None:
    words = ["device", "manhole/milesight-em310-tilt", "--mqtt-port", str(mosquitto.port)]
    async with simulate(*words, "--period", "0.1") as process:
        assert "publishes as 24e124713c100001" in await first_line(process)
        async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
            await client.subscribe("application/#", qos=1)
            message = await asyncio.wait_for(anext(client.messages), 20)
        assert isinstance(message.payload, bytes)
        assert msgspec.json.decode(message.payload)["object"]["angle_z"] > 80


async def test_a_port_in_use_is_named_and_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, errors = await ended("device", "noise/rs485-sound", "--port", str(port))
    assert code == 2
    assert errors == f"port {port} on 127.0.0.1 is in use; choose another with --port\n"


async def test_mistakes_are_refused_before_anything_starts(tmp_path: Path) -> None:
    code, errors = await ended("device", "noise/rs485-sond")
    assert code == 2
    assert "noise/rs485-sound" in errors
    code, errors = await ended("demo", "--ready", "x", "--mqtt-password-file", str(tmp_path / "no"))
    assert code == 2
    assert errors.endswith("no: No such file or directory\n")
    code, errors = await ended("device", "noise/rs485-sound", "--serial", "/dev/nowhere")
    assert code == 2
    assert errors == "serial line /dev/nowhere: No such file or directory\n"
