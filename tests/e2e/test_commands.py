"""Commands from the cloud's command line to a real agent, over a real broker, and back."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aiomqtt
import msgspec
import pytest
import sqlalchemy as sa

from cloud import app as build
from cloud import commands
from cloud.config import load as load_cloud
from cloud.core.commanding import State
from cloud.keys import make_key
from cloud.state import schema
from contract.clock import SystemClock
from contract.commands import (
    Configure,
    ConfigureDone,
    What,
    Write,
    WriteDone,
    read_key,
    sign,
    verify,
)
from contract.topics import gateway_topic
from edge.config import load
from tests.edge.agent import agent
from tests.edge.changing import Street, street
from tests.edge.kit import eventually, mosquitto

pytestmark = pytest.mark.e2e

CLOUD = "data: cloud\nbroker: {{host: 127.0.0.1, port: {port}, tls: false}}\n"
GATEWAY = "cabinet-1"
PROFILE = """
kind: noise
maker: acme
model: with a knob
title: {zh: 噪声仪, en: Sound level meter}
source: made up for this test
period_s: 1
modbus:
  serial: {baud: 9600, parity: none, stop_bits: 1, unit_id: 1}
  measurements:
    noise_la: {address: 0, type: uint16, unit: dB(A), scale: 0.1, range: [25, 135]}
  writes:
    interval: {address: 16, function: 6, unit: min, low: 5, high: 60, about: of its averages}
vectors:
  - request: 01 03 00 00 00 01 84 0A
    frame: 01 03 02 02 57 F8 DA
    expect: {noise_la: 59.9}
    source: synthetic
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


async def start(*words: str | Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gridwarden",
        *map(str, words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def command(config: Path, do: str, *more: str | Path) -> Done:
    """Run `gridwarden cloud command …`."""
    process = await start("cloud", "command", do, config, GATEWAY, *more)
    out, err = await process.communicate()
    return Done(process.returncode or 0, out.decode(), err.decode())


class City:
    """A cloud's intake, a gateway that runs, and two devices."""

    def __init__(self, here: Street, port: int) -> None:
        self.here, self.port = here, port
        self.config = here.folder / "cloud.yaml"
        self.config.write_text(CLOUD.format(port=port))
        config = load_cloud(self.config)
        self._database = build.initialise(config)
        shutil.copy(make_key(config.commands.keys, GATEWAY), here.folder / "command.key")
        here.tail = "commands: {key_file: command.key}\nprofiles: profiles\n"
        own = here.folder / "profiles" / "noise"
        own.mkdir(parents=True)
        (own / "acme-knob.yaml").write_text(PROFILE, encoding="utf-8")

    def knows_gateway(self) -> bool:
        with self._database.read() as connection:
            return connection.scalar(sa.select(schema.gateways.c.born_ms)) is not None

    async def ask(self, what: What) -> commands.Command:
        """Ask as the API does, and wait for the end of it."""
        with self._database.write() as connection:
            now_ms = SystemClock().now_ms()
            asked = commands.ask(connection, GATEWAY, what, by="test", now_ms=now_ms)

        def found() -> commands.Command:
            with self._database.read() as connection:
                return commands.one(connection, GATEWAY, asked)

        await eventually(lambda: found().state.final)
        return found()

    def audit(self) -> list[str]:
        with self._database.read() as connection:
            return list(connection.scalars(sa.select(schema.audit.c.note)))

    def close(self) -> None:
        self._database.close()


@asynccontextmanager
async def city(folder: Path) -> AsyncIterator[City]:
    async with mosquitto(folder) as broker, street(folder, broker.port) as here:
        made = City(here, broker.port)
        text = here.text().replace("rs485-sound, bus: a", "acme-knob, bus: a")
        here.write(text)
        intake = await start("cloud", "intake", made.config)
        try:
            async with agent(here.config) as running:
                await eventually(made.knows_gateway)
                await eventually(lambda: here.polls("a") > 2 and here.polls("b") > 2)
                yield made
                assert await running.stop() == 0
        finally:
            intake.terminate()
            await intake.communicate()
            made.close()


async def test_a_device_is_read_and_written_from_the_cloud(tmp_path: Path) -> None:
    async with city(tmp_path) as here:
        read = await command(here.config, "read", "noise-a", "--json")
        assert read.code == 0, read
        (told,) = json.loads(read.out)["done"][0]["readings"]
        assert (told["measurement"], told["value"], told["unit"]) == ("noise_la", 59.9, "dB(A)")
        write = await here.ask(Write(device="noise-a", point="interval", value=30))
        assert write.done == (WriteDone(found=30.0, unit="min"),), write
        assert here.here.words == {16: 30}
        beyond = await here.ask(Write(device="noise-a", point="interval", value=300))
        assert beyond.state is State.REFUSED
        assert "60" in beyond.reason
        assert here.here.words == {16: 30}
        assert here.here.peers["a"].connections == 1
        assert any("write" in note and "noise-a" in note for note in here.audit())


async def test_a_gateway_is_configured_and_nothing_overheard_works_twice(tmp_path: Path) -> None:
    heard: list[bytes] = []
    answers: list[str] = []
    async with city(tmp_path) as here, aiomqtt.Client("127.0.0.1", here.port) as spy:
        for kind in ("cmd", "cmd-reply"):
            await spy.subscribe(gateway_topic(GATEWAY, kind), qos=1)

        async def listen() -> None:
            async for message in spy.messages:
                payload = bytes(message.payload)
                if message.topic.value.endswith("reply"):
                    answers.append(payload.decode())
                else:
                    heard.append(payload)

        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(listen())
            here.here.buses["c"], here.here.devices["noise-c"] = "", "c"
            text = here.here.text().replace("rs485-sound, bus: a", "acme-knob, bus: a")
            kept = await here.ask(Configure(yaml=text))
            assert kept.state is State.DONE, kept
            assert kept.done[-1] == ConfigureDone(version=load(here.here.config).version)
            assert here.here.config.read_text(encoding="utf-8") == text
            assert here.here.polls("c") > 0
            assert here.here.peers["a"].connections == 1, "it was left alone"

            wrong = await here.ask(Configure(yaml="gateway: cabinet-1\nbrokr: {}\n"))
            assert wrong.state is State.REFUSED
            for problem in ("broker is missing", "brokr: unknown key"):
                assert problem in wrong.reason

            await spy.publish(gateway_topic(GATEWAY, "cmd"), heard[0], qos=1)
            await eventually(lambda: any("has come before" in answer for answer in answers))
            key = read_key(tmp_path / "command.key")
            order = verify(heard[0], key)
            old = msgspec.structs.replace(
                order,
                id="f" * 32,
                issued_ms=order.issued_ms - 120_000,
                expires_ms=order.expires_ms - 120_000,
            )
            await spy.publish(gateway_topic(GATEWAY, "cmd"), sign(old, key), qos=1)
            await eventually(lambda: any("it expired at" in answer for answer in answers))
            listening.cancel()


async def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    config = tmp_path / "cloud.yaml"
    config.write_text(CLOUD.format(port=1))
    done = await command(config, "read", "noise-1")
    assert done.code == 2
    assert "gridwarden cloud gateway key CONFIG cabinet-1" in done.err
