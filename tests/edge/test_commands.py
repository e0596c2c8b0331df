"""Orders over a real broker: believed only if signed, carried out once, answered, audited."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex

import aiomqtt
import pytest

from contract.clock import SystemClock
from contract.commands import (
    Configure,
    ConfigureDone,
    Diagnose,
    DiagnoseDone,
    Order,
    Read,
    Reply,
    Resend,
    ResendDone,
    What,
    decode_reply,
    sign,
)
from contract.topics import gateway_topic
from edge.config import load
from edge.staged import staged_path
from tests.edge.changing import Street, running, street
from tests.edge.kit import Cloud, eventually, mosquitto

KEY = bytes(range(32))
GATEWAY = "cabinet-1"


class Commander:
    """Somebody at the broker who has the key."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.replies: list[Reply] = []

    async def listen(self) -> None:
        async for message in self._client.messages:
            self.replies.append(decode_reply(bytes(message.payload)))

    async def publish(self, payload: bytes) -> None:
        await self._client.publish(gateway_topic(GATEWAY, "cmd"), payload, qos=1)

    async def ask(self, what: What, good_for_ms: int = 60_000) -> Order:
        """Send an order."""
        now_ms = SystemClock().now_ms()
        order = Order(
            gateway=GATEWAY,
            id=token_hex(16),
            issued_ms=now_ms + min(0, good_for_ms - 1),
            expires_ms=now_ms + good_for_ms,
            what=what,
            by="wang",
        )
        await self.publish(sign(order, KEY))
        return order

    def of(self, order: Order) -> Sequence[Reply]:
        return [reply for reply in self.replies if reply.id == order.id]

    async def answered(self, order: Order, times: int = 1) -> Reply:
        """Wait for the order's last reply."""
        await eventually(lambda: len(self.of(order)) >= times)
        return self.of(order)[-1]


@asynccontextmanager
async def commander(port: int) -> AsyncIterator[Commander]:
    async with aiomqtt.Client("127.0.0.1", port) as client, asyncio.TaskGroup() as tasks:
        made = Commander(client)
        await client.subscribe(gateway_topic(GATEWAY, "cmd-reply"), qos=1)
        listening = tasks.create_task(made.listen())
        yield made
        listening.cancel()


@asynccontextmanager
async def commanded(folder: Path) -> AsyncIterator[tuple[Street, int]]:
    """Have a street whose gateway takes orders, and a broker."""
    async with mosquitto(folder) as broker, street(folder, broker.port) as here:
        key = folder / "command.key"
        key.write_text(KEY.hex())
        key.chmod(0o600)
        here.tail = "commands: {key_file: command.key}\n"
        here.write()
        yield here, broker.port


def audit(here: Street) -> list[dict[str, str]]:
    lines = (here.folder / "buffer.sqlite.orders.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


async def test_diagnostics_come_whole_and_without_secrets(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected and here.polls("a") > 2)
        reply = await cloud.answered(await cloud.ask(Diagnose(log_lines=5)))
        assert reply.status == "done"
        parts = [each.done for each in cloud.replies if isinstance(each.done, DiagnoseDone)]
        told = json.loads("".join(part.chunk for part in parts))
        assert told["gateway"] == GATEWAY
        assert told["config"]["commands"] == {"key_file": "command.key"}
        assert "device.noise-a.age_s" in told["figures"]
        assert told["versions"]["gridwarden"]
        assert [line["outcome"] for line in audit(here)] == ["accepted", "done"]
        assert audit(here)[0]["by"] == "wang"


async def test_what_is_not_genuine_is_refused_answered_and_audited(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected)
        now_ms = SystemClock().now_ms()
        order = Order(
            gateway=GATEWAY,
            id=token_hex(16),
            issued_ms=now_ms,
            expires_ms=now_ms + 60_000,
            what=Diagnose(),
        )
        await cloud.publish(sign(order, bytes(32)))
        reply = await cloud.answered(order)
        assert reply.status == "refused"
        assert "signature" in reply.reason
        await cloud.publish(b"noise")
        await eventually(lambda: len(cloud.replies) == 2)
        assert [line["outcome"] for line in audit(here)] == ["refused", "refused"]


async def test_an_order_comes_once_also_after_a_restart(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (here, port), commander(port) as cloud:
        async with running(here.config) as agent:
            await eventually(lambda: agent.connected)
            order = await cloud.ask(Diagnose(log_lines=0))
            assert (await cloud.answered(order)).status == "done"
        async with running(here.config) as agent:
            await eventually(lambda: agent.connected)
            await cloud.publish(sign(order, KEY))
            reply = await cloud.answered(order, times=2)
            assert reply.status == "refused"
            assert "has come before" in reply.reason
            assert reply.repeated


async def test_what_has_expired_is_refused(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected)
        reply = await cloud.answered(await cloud.ask(Diagnose(), good_for_ms=-1))
        assert reply.status == "refused"
        assert "it expired at" in reply.reason


async def test_without_a_key_nothing_is_taken(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (here, port), commander(port) as cloud:
        here.tail = ""
        here.write()
        async with running(here.config) as agent:
            await eventually(lambda: agent.connected)
            reply = await cloud.answered(await cloud.ask(Diagnose()))
            assert "no commands.key_file" in reply.reason


async def test_a_configuration_by_command_is_kept_on_disk_once_it_has_done_well(
    tmp_path: Path,
) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected and here.polls("a") > 2 and here.polls("b") > 2)
        before = here.config.read_text(encoding="utf-8")
        here.buses["c"], here.devices["noise-c"] = "", "c"
        order = await cloud.ask(Configure(yaml=here.text()))
        await eventually(lambda: here.polls("c") > 0)
        assert here.config.read_text(encoding="utf-8") == before, "it has yet to prove itself"
        assert staged_path(here.config).exists()
        reply = await cloud.answered(order, times=2)
        assert [each.status for each in cloud.of(order)] == ["accepted", "done"]
        assert here.config.read_text(encoding="utf-8") == here.text()
        assert not staged_path(here.config).exists()
        assert isinstance(reply.done, ConfigureDone)
        assert reply.done.version == load(here.config).version
        assert here.peers["a"].connections == here.peers["b"].connections == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("gateway: cabinet-1\nbrokr: {}\n", ["brokr: unknown key", "broker is missing"]),
        ("gateway: cabinet-2", ["only a restart changes this"]),
        ("unit_id: 9", ["answered before: no answer"]),
    ],
)
async def test_a_configuration_that_does_not_do_is_refused_with_every_reason(
    tmp_path: Path, wrong: str, why: list[str]
) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected and here.polls("a") > 2)
        before = here.config.read_text(encoding="utf-8")
        here.silent.add(b"\x09")
        key = wrong.split(":")[0]
        text = here.text()
        if wrong.count("\n") < 2:
            line = {"gateway": "gateway: cabinet-1", "unit_id": "unit_id: 1"}[key]
            wrong = text.replace(line, wrong, 1)
        reply = await cloud.answered(await cloud.ask(Configure(yaml=wrong)), times=2)
        assert reply.status == "refused"
        assert isinstance(reply.done, ConfigureDone)
        for each in why:
            assert any(each in problem for problem in reply.done.problems), reply.done.problems
        assert reply.done.version == load(here.config).version
        assert here.config.read_text(encoding="utf-8") == before
        assert not staged_path(here.config).exists()


async def test_a_stretch_is_sent_again_as_far_as_it_is_held(tmp_path: Path) -> None:
    async with commanded(tmp_path) as (here, port), commander(port) as cloud:
        here.head["resend_after_s"] = 1_000.0  # only because it is asked for
        here.write()
        async with Cloud(port).running() as intake, running(here.config) as agent:
            await eventually(lambda: intake.order.count(3) > 0)
            intake.acknowledging = False
            await eventually(lambda: bool(agent.buffer.held and agent.buffer.held.held_batches > 4))
            held = agent.buffer.held
            assert held is not None
            last = held.published_batches
            await eventually(lambda: intake.order.count(last) == 1)
            reply = await cloud.answered(await cloud.ask(Resend(first_seq=1, last_seq=last)))
            assert isinstance(reply.done, ResendDone), reply
            assert reply.done.epoch == agent.buffer.epoch
            assert reply.done.held[-1][1] == last
            assert reply.done.gone[0][0] == 1
            await eventually(lambda: intake.order.count(last) == 2)


async def test_a_stretch_of_another_epoch_is_gone(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected)
        order = await cloud.ask(Resend(first_seq=3, last_seq=7, epoch="0" * 16))
        reply = await cloud.answered(order)
        assert isinstance(reply.done, ResendDone)
        assert (reply.done.held, reply.done.gone) == ((), ((3, 7),))
        reply = await cloud.answered(await cloud.ask(Resend(first_seq=1, last_seq=9_999)))
        assert reply.status == "refused"


async def test_a_device_that_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected)
        reply = await cloud.answered(await cloud.ask(Read(device="nobody")))
        assert reply.status == "refused"
        assert "nobody" in reply.reason


async def test_a_forged_copy_does_not_unsay_what_became_of_an_order(tmp_path: Path) -> None:
    async with (
        commanded(tmp_path) as (here, port),
        running(here.config) as agent,
        commander(port) as cloud,
    ):
        await eventually(lambda: agent.connected)
        order = await cloud.ask(Diagnose(log_lines=0))
        assert (await cloud.answered(order)).status == "done"
        await cloud.publish(sign(order, bytes(32)))
        reply = await cloud.answered(order, times=2)
        assert "signature" in reply.reason
        assert reply.repeated
