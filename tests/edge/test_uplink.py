"""Through a real broker to a stand-in for the cloud: everything, live first, until acknowledged."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiomqtt
import pytest

from contract.clock import SystemClock
from contract.messages import Ack, Birth, State, decode, encode
from contract.topics import gateway_topic
from edge.broker import connect
from edge.buffer import Buffer
from edge.health import Health
from edge.options import Endpoint, UplinkOptions
from edge.store import open_store
from edge.uplink import Uplink
from tests.edge.kit import Cloud, Mosquitto, eventually, keep_connected, mosquitto
from tests.suites.buffers import readings

GATEWAY = "cabinet-1"
BIRTH = Birth(gateway=GATEWAY, agent_version="1", config_version="2", born_ms=3, devices=())


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with mosquitto(tmp_path) as broker:
        yield broker


class Agent:
    """A buffer and an uplink, without drivers."""

    def __init__(self, port: int, path: Path, *, tls: bool = False, **options: float) -> None:
        clock = SystemClock()
        self.health = Health(clock)
        self.buffer = Buffer(
            partial(open_store, path, max_bytes=10**8, max_age_ms=10**12),
            commit_every_s=0.05,
            clock=clock,
            health=self.health,
        )
        quick = {"reconnect_first_s": 0.02, "reconnect_most_s": 0.2, "resend_after_s": 0.3}
        self.uplink = Uplink(
            Endpoint(host="127.0.0.1", port=port, tls=tls),
            UplinkOptions.model_validate(quick | options),
            birth=BIRTH,
            buffer=self.buffer,
            clock=clock,
            health=self.health,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Agent]:
        await self.buffer.open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.buffer.run())
            sending = tasks.create_task(self.uplink.run())
            yield self
            self.buffer.stop()
            self.uplink.stop()
            async with asyncio.timeout(10):
                await asyncio.wait([sending])
        await self.buffer.close()

    async def put(self, count: int, device: str = "dust-01") -> None:
        """Commit a batch of its own."""
        self.buffer.put(readings(count, device=device), urgent=device.startswith("gas"))
        assert await self.buffer.commit()

    @property
    def is_empty(self) -> bool:
        return self.buffer.held is not None and not self.buffer.held.held_batches


async def test_what_is_committed_arrives_and_is_let_go(broker: Mosquitto, tmp_path: Path) -> None:
    async with Cloud(broker.port).running() as cloud:
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            for _ in range(10):
                await agent.put(5)
            await eventually(lambda: agent.is_empty)
        assert cloud.readings == 50
        assert set(cloud.order) == set(range(1, 11))


async def test_nothing_is_let_go_on_the_brokers_word_alone(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with Cloud(broker.port).running() as cloud:
        cloud.acknowledging = False
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            await agent.put(5)
            await eventually(lambda: cloud.order.count(1) >= 3)  # sent again and again
            assert not agent.is_empty
            cloud.acknowledging = True
            await eventually(lambda: agent.is_empty)
        assert cloud.readings == 5


async def test_an_acknowledgement_of_another_epoch_is_ignored(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with Cloud(broker.port).running() as cloud:
        cloud.acknowledging = False
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            await agent.put(5)
            await eventually(lambda: len(cloud.order) >= 1)
            async with aiomqtt.Client("127.0.0.1", broker.port) as client:
                for payload in (
                    encode(Ack(epoch="0123456789abcdef", seq=99)),
                    encode(Ack(epoch=agent.buffer.epoch, seq=0, ranges=((9, 3),))),
                    b"{}",
                    b"\xff",
                ):
                    await client.publish(gateway_topic(GATEWAY, "ack"), payload, qos=1)
            before = cloud.order.count(1)
            await eventually(lambda: cloud.order.count(1) > before)
            assert not agent.is_empty
            cloud.acknowledging = True
            await eventually(lambda: agent.is_empty)


async def test_the_backlog_of_an_earlier_run_arrives_beside_what_is_live(
    broker: Mosquitto, tmp_path: Path
) -> None:
    earlier = Agent(broker.port, tmp_path / "b")
    for _ in range(60):
        await earlier.put(3)
    await earlier.buffer.close()
    async with Cloud(broker.port).running() as cloud:
        # So slow a backlog that live batches must overtake it or wait for seconds.
        agent = Agent(broker.port, tmp_path / "b", backlog_batches_per_s=30.0)
        async with agent.running():
            await eventually(lambda: len(cloud.order) > 5)
            await agent.put(1)
            await agent.put(1, device="gas-01")
            await eventually(lambda: {63, 64} <= set(cloud.order))
            assert len(cloud.order) < 63
            await eventually(lambda: agent.is_empty)
        # 62 tells that there was no agent for a while, under the number 61.
        assert sorted(set(cloud.order)) == [*range(1, 61), 62, 63, 64]
        assert cloud.readings == 182


async def test_an_old_copy_of_a_buffer_loses_nothing_and_overwrites_nothing(
    broker: Mosquitto, tmp_path: Path
) -> None:
    """Restored from a backup, it numbers anew from where it was then; the cloud is far beyond."""
    path, backup = tmp_path / "b", tmp_path / "backup"
    async with Cloud(broker.port).running() as cloud:
        cloud.bears_copies = True
        async with Agent(broker.port, path).running() as agent:
            await agent.put(2)
            await eventually(lambda: agent.is_empty)
        shutil.copy(path, backup)
        async with Agent(broker.port, path).running() as agent:
            for _ in range(9):
                await agent.put(2)
            await eventually(lambda: agent.is_empty)
            first_epoch = agent.buffer.epoch
        shutil.copy(backup, path)
        offline = Agent(broker.port, path)
        # It runs for a while without a connection: some of its numbers the cloud has, some not.
        await offline.buffer.open()
        for _ in range(20):
            await offline.put(3, device="noise-01")
        async with offline.running() as agent:
            await eventually(lambda: agent.buffer.epoch not in ("", first_epoch))
            await eventually(lambda: agent.is_empty)
        of_epoch = {epoch: 0 for epoch, _ in cloud.batches}
        for (epoch, _), batch in cloud.batches.items():
            of_epoch[epoch] += len(batch.readings)
    # What went out under old numbers before that was noticed comes again under new ones.
    assert of_epoch.pop(first_epoch) >= 20
    assert list(of_epoch.values()) == [60]


async def test_urgent_batches_of_the_backlog_go_first(broker: Mosquitto, tmp_path: Path) -> None:
    earlier = Agent(broker.port, tmp_path / "b")
    for device in ("dust-01", "dust-01", "gas-01", "dust-01", "gas-01"):
        await earlier.put(1, device=device)
    await earlier.buffer.close()
    async with Cloud(broker.port).running() as cloud:
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            await eventually(lambda: agent.is_empty)
        backlog = [seq for seq in cloud.order if seq <= 5]  # 7 tells that there was no agent
        assert backlog[:5] == [3, 5, 1, 2, 4]


async def test_a_broker_that_loses_everything_costs_nothing(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with Cloud(broker.port).running() as cloud:
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            for _ in range(4):
                for _ in range(5):
                    await agent.put(2)
                broker.kill()
                for _ in range(5):
                    await agent.put(2)
                await eventually(lambda: not agent.uplink.connected)
                await broker.start()
                await eventually(lambda: agent.uplink.connected)
            await eventually(lambda: agent.is_empty)
        assert cloud.readings == 80
        assert sorted(set(cloud.order)) == list(range(1, 41))


async def test_no_broker_at_the_start_is_said_and_buffered(
    broker: Mosquitto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker.kill()
    async with Agent(broker.port, tmp_path / "b").running() as agent:
        await eventually(lambda: "no connection to broker" in caplog.text)
        await agent.put(7)
        assert agent.buffer.held is not None
        assert agent.buffer.held.held_readings == 7
        await broker.start()
        async with Cloud(broker.port).running() as cloud:
            await eventually(lambda: agent.is_empty)
            assert cloud.readings == 7
    assert caplog.text.count("no connection to broker") == 1


async def test_a_cloud_that_is_down_does_not_find_a_flood_of_repetitions(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with Cloud(broker.port).running() as cloud:
        cloud.acknowledging = False
        agent = Agent(broker.port, tmp_path / "b", window_batches=8.0, resend_after_s=0.1)
        async with agent.running():
            for _ in range(30):
                await agent.put(1)
            await asyncio.sleep(1.0)
            # At most the window at 0, 0.1, 0.3, 0.7 s.
            assert len(cloud.order) <= 4 * 8
            cloud.acknowledging = True
            await eventually(lambda: agent.is_empty)
        assert cloud.readings == 30


async def test_birth_and_state_are_retained_and_the_will_says_offline(
    broker: Mosquitto, tmp_path: Path
) -> None:
    seen: list[tuple[str, bytes]] = []

    async def listen(client: aiomqtt.Client) -> None:
        await client.subscribe(gateway_topic(GATEWAY, "birth"))
        await client.subscribe(gateway_topic(GATEWAY, "state"))
        async for message in client.messages:
            kind = message.topic.value.rpartition("/")[2]
            seen.append((kind, message.payload))

    def last_state() -> State | None:
        states = [payload for kind, payload in seen if kind == "state"]
        return decode(states[-1], State) if states else None

    def figure(name: str) -> float | None:
        state = last_state()
        return state.health.get(name) if state else None

    def online() -> bool | None:
        state = last_state()
        return state.online if state else None

    agent = Agent(broker.port, tmp_path / "b", state_every_s=0.05)
    async with asyncio.TaskGroup() as tasks:
        async with agent.running():
            await agent.put(3)
            await eventually(lambda: agent.uplink.connected)
            listening = tasks.create_task(keep_connected(broker.port, listen))
            await eventually(lambda: online() is True)
            assert decode(dict(seen)["birth"], Birth) == BIRTH
            await eventually(lambda: figure("published_readings") == 3)
            await eventually(lambda: figure("buffer.held_batches") == 1)
        await eventually(lambda: online() is False)
        listening.cancel()


async def test_goodbye_is_the_last_word(broker: Mosquitto, tmp_path: Path) -> None:
    """A broker that is slow to take it hears no later state: the retained one would stay."""
    agent = Agent(broker.port, tmp_path / "b", state_every_s=0.02)
    async with agent.running():
        await eventually(lambda: agent.uplink.connected)
        broker.freeze()
        agent.uplink.stop()
        await asyncio.sleep(0.2)  # ten more states would be due
        broker.thaw()
    endpoint = Endpoint(host="127.0.0.1", port=broker.port, tls=False)
    async with connect(endpoint, "later", clean=True) as client:
        await client.subscribe(gateway_topic(GATEWAY, "state"))
        async for message in client.messages:
            assert decode(message.payload, State).online is False
            break


async def test_a_killed_agent_is_told_offline_by_its_will(
    broker: Mosquitto, tmp_path: Path
) -> None:
    agent = Agent(broker.port, tmp_path / "b")
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(agent.uplink.run())
        await eventually(lambda: agent.uplink.connected)
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe(gateway_topic(GATEWAY, "state"))
            # A second client of the same name makes the broker drop the first without goodbye.
            async with connect(agent.uplink._broker, GATEWAY, clean=True):
                async with asyncio.timeout(20):
                    async for message in client.messages:
                        if not decode(message.payload, State).online:
                            break
        sending.cancel()
    await agent.buffer.close()


async def test_a_stopping_agent_waits_until_all_is_acknowledged(
    broker: Mosquitto, tmp_path: Path
) -> None:
    async with Cloud(broker.port).running() as cloud:
        async with Agent(broker.port, tmp_path / "b").running() as agent:
            await eventually(lambda: agent.uplink.connected)
            for _ in range(50):
                await agent.put(1)
            async with asyncio.timeout(20):
                await agent.uplink.drained()
        assert cloud.readings == 50


async def test_cancelling_ends_it_although_the_broker_is_gone(
    broker: Mosquitto, tmp_path: Path
) -> None:
    agent = Agent(broker.port, tmp_path / "b")
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(agent.uplink.run())
        await eventually(lambda: agent.uplink.connected)
        broker.kill()
        sending.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([sending])
    assert sending.cancelled()
    await agent.buffer.close()


async def test_cancelling_ends_it_although_the_connection_breaks_in_that_moment(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.11's TaskGroup forgets that it was cancelled if a task in it fails meanwhile."""

    async def break_when_cancelled(_uplink: Uplink, _client: aiomqtt.Client) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise aiomqtt.MqttError("gone") from None

    monkeypatch.setattr(Uplink, "_reply", break_when_cancelled)
    agent = Agent(broker.port, tmp_path / "b")
    sending = asyncio.create_task(agent.uplink.run())
    await eventually(lambda: agent.uplink.connected)
    sending.cancel()
    await asyncio.wait([sending], timeout=60)
    agent.uplink.stop()  # so that a failure of this test ends, too
    await asyncio.wait([sending])
    assert sending.cancelled()
    await agent.buffer.close()


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_no_plain_text_after_a_tls_error(tmp_path: Path) -> None:
    """A peer that speaks no TLS is offered nothing but TLS, however often it fails."""
    first_bytes: list[bytes] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first_bytes.append(await reader.read(3))
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    agent = Agent(port, tmp_path / "b", tls=True)
    async with agent.running():
        await agent.put(1)
        await eventually(lambda: len(first_bytes) >= 3)
        assert not agent.uplink.connected
    assert {each[:2] for each in first_bytes} == {b"\x16\x03"}  # TLS handshake; MQTT is 0x10
    server.close()
    await server.wait_closed()
    gc.collect()
