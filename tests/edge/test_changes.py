"""A changed file: what is the same goes on as if nothing were; what does not do well goes back."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import aiomqtt
import pytest

from contract.messages import Birth, decode
from edge.config import load
from edge.ports import NotAllowed
from tests.edge.changing import running, street
from tests.edge.kit import eventually, keep_connected, mosquitto


async def test_one_bus_changes_and_the_other_keeps_polling_over_its_connection(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with street(tmp_path) as here, running(here.config) as agent:
        await eventually(lambda: here.polls("a") > 5 and here.polls("b") > 5)
        here.buses["c"], here.devices["noise-c"] = "", "c"
        del here.buses["a"], here.devices["noise-a"]
        here.write()
        await eventually(lambda: here.polls("c") > 5)
        stopped_at, going_at = here.polls("a"), here.polls("b")
        await eventually(lambda: here.polls("b") > going_at + 5)
        assert here.polls("a") == stopped_at, "it is removed"
        assert here.peers["b"].connections == 1, "it was left alone"
        assert set(agent.health.devices) == {"noise-b", "noise-c"}
        assert "stop bus a; start bus c" in caplog.text
        await eventually(lambda: f"configuration {load(here.config).version}" in caplog.text)


async def test_what_people_call_a_device_restarts_nothing_and_is_told(tmp_path: Path) -> None:
    told: list[bytes] = []

    def births() -> list[Birth]:
        return [decode(payload, Birth) for payload in told]

    async def listen(client: aiomqtt.Client) -> None:
        await client.subscribe("gw/v1/+/+/birth", qos=1)
        async for message in client.messages:
            told.append(bytes(message.payload))  # noqa: PERF401  they are looked at meanwhile

    async with (
        mosquitto(tmp_path) as broker,
        street(tmp_path, broker.port) as here,
        running(here.config),
        asyncio.TaskGroup() as tasks,
    ):
        listening = tasks.create_task(keep_connected(broker.port, listen))
        await eventually(lambda: here.polls("a") > 2 and len(told) > 0)
        here.write(here.text().replace("id: noise-a,", "id: noise-a, name: 文化路,"))
        await eventually(lambda: births()[-1].devices[0].name == "文化路")
        assert births()[-1].config_version == load(here.config).version
        assert here.peers["a"].connections == here.peers["b"].connections == 1
        listening.cancel()


async def test_what_does_worse_is_taken_back_and_reported(tmp_path: Path) -> None:
    async with street(tmp_path) as here, running(here.config) as agent:
        await eventually(lambda: here.polls("a") > 5 and here.polls("b") > 5)
        old = load(here.config).version
        here.silent.add(b"\x09")
        here.write(here.text().replace("bus: a, unit_id: 1", "bus: a, unit_id: 9"))
        await eventually(lambda: "configuration" in agent.health.problems)
        told = agent.health.problems["configuration"]
        assert "noise-a answered before: no answer" in told
        assert old in told
        asked = here.polls("a")
        await eventually(
            lambda: here.polls("a") > asked + 5 and here.peers["a"].requests[-1][6] == 1
        )
        assert here.peers["b"].connections == 1
        here.write()  # as it was
        await eventually(lambda: "configuration" not in agent.health.problems)


async def test_a_wrong_file_changes_nothing_and_every_problem_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with street(tmp_path) as here, running(here.config) as agent:
        await eventually(lambda: here.polls("a") > 5)
        here.write(here.text().replace("period_s", "perod_s", 1).replace("bus: b", "bus: x"))
        await eventually(lambda: "configuration" in agent.health.problems)
        for what in ("perod_s: unknown key", "unknown bus 'x'"):
            assert what in caplog.text
        asked = here.polls("a")
        await eventually(lambda: here.polls("a") > asked + 5)
        assert here.peers["a"].connections == here.peers["b"].connections == 1


async def test_the_gateway_s_name_takes_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with street(tmp_path) as here, running(here.config) as agent:
        await eventually(lambda: here.polls("a") > 2)
        text = here.text().replace("cabinet-1", "cabinet-2").replace("buffer.sqlite", "b.sqlite")
        here.write(text)
        await eventually(lambda: "configuration" in agent.health.problems)
        assert "buffer.path: only a restart changes this" in caplog.text
        assert "gateway: only a restart changes this" in caplog.text


async def test_a_hangup_reads_the_file_where_it_is_not_watched(tmp_path: Path) -> None:
    async with street(tmp_path) as here:
        here.head["watch_every_s"] = 0
        here.write()
        async with running(here.config) as agent:
            await eventually(lambda: here.polls("a") > 2)
            here.buses["c"], here.devices["noise-c"] = "", "c"
            here.write()
            agent.look_at_file()
            await eventually(lambda: here.polls("c") > 2)


async def test_the_buffer_s_bounds_change_in_place(tmp_path: Path) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        street(tmp_path, broker.port) as here,
        running(here.config) as agent,
    ):
        await eventually(lambda: agent.buffer.held is not None and here.polls("a") > 2)
        epoch = agent.buffer.epoch
        here.head["max_bytes"] = 7_000_000
        here.write()
        await eventually(lambda: bool(agent.buffer.held and agent.buffer.held.max_bytes == 7e6))
        assert agent.buffer.epoch == epoch
        held = agent.buffer.held
        assert held is not None
        await eventually(
            lambda: bool(
                agent.buffer.held and agent.buffer.held.published_readings > held.published_readings
            )
        )
        assert here.peers["a"].connections == here.peers["b"].connections == 1


async def test_a_broker_that_is_not_there_is_taken_back(tmp_path: Path) -> None:
    async with (
        mosquitto(tmp_path) as broker,
        street(tmp_path, broker.port) as here,
        running(here.config) as agent,
    ):
        await eventually(lambda: agent.connected)
        here.head["broker"] = 1
        here.write()
        await eventually(lambda: "configuration" in agent.health.problems)
        assert "no connection to the broker" in agent.health.problems["configuration"]
        await eventually(lambda: agent.connected)
        assert here.peers["a"].connections == here.peers["b"].connections == 1


async def test_who_may_be_asked_out_of_turn_changes_with_it(tmp_path: Path) -> None:
    async with street(tmp_path) as here, running(here.config) as agent:
        (before,) = await agent.on_demand.read("noise-a")
        here.buses["c"], here.devices["noise-c"] = "", "c"
        del here.buses["a"], here.devices["noise-a"]
        here.write()
        await eventually(lambda: here.polls("c") > 5)
        with pytest.raises(NotAllowed, match="no device 'noise-a'; did you mean noise-"):
            await agent.on_demand.read("noise-a")
        for device in ("noise-b", "noise-c"):
            (reading,) = await agent.on_demand.read(device, ["noise_la"])
            assert (reading.device, reading.quality) == (device, before.quality)
