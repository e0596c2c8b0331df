"""To the cloud: live batches first, the backlog beside them, until the cloud acknowledges each."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, suppress

import aiomqtt

from contract.clock import Clock
from contract.errors import ConfigError, DecodeError, Disconnected
from contract.intervals import IntervalSet
from contract.messages import Ack, Birth, State, decode, encode
from contract.topics import gateway_topic
from edge.broker import connect, is_refusal
from edge.buffer import Buffer
from edge.cancelling import check_cancelled
from edge.core.schedule import Backoff
from edge.health import Health
from edge.options import Endpoint, UplinkOptions
from edge.outbox import Outbox
from edge.ports import Stored
from edge.replies import Replies

log = logging.getLogger(__name__)

NAME = "uplink"
PIPELINE = 16  # publishes whose PUBACK is awaited at once


class _Stopped(Exception):
    """Ends a session on purpose."""


class Uplink:
    """Publishes what the buffer holds, and lets go of what the cloud has."""

    def __init__(
        self,
        broker: Endpoint,
        options: UplinkOptions,
        *,
        birth: Birth,
        buffer: Buffer,
        clock: Clock,
        health: Health,
        on_order: Callable[[bytes], None] | None = None,
        replies: Replies | None = None,
    ) -> None:
        self._broker, self._options = broker, options
        self._birth, self._gateway = birth, birth.gateway
        self._on_order, self._replies = on_order or _ignore, replies or Replies()
        self._buffer, self._clock, self._health = buffer, clock, health
        self._outbox = Outbox(buffer, options, clock)
        self._backoff = Backoff(first_s=options.reconnect_first_s, most_s=options.reconnect_most_s)
        self._stop = asyncio.Event()
        self._reborn = asyncio.Event()
        self.connected = False
        buffer.on_commit = self._take
        buffer.on_older = self._outbox.look_behind

    async def run(self) -> None:
        """Connect, publish, reconnect with jittered backoff; until stopped."""
        failures = 0
        while not self._stop.is_set():
            check_cancelled()
            try:
                # In a task of its own: a TaskGroup of 3.11 that fails while it is cancelled
                # forgets the cancellation. This task owns no TaskGroup, and so remembers.
                await asyncio.create_task(self._connection(), name="uplink session")
            except (ConfigError, Disconnected) as error:
                failures = 1 if self.connected else failures + 1
                self._tell_down(error)
            finally:
                self.connected = False
            await self._pause(self._backoff.after(max(1, failures)))

    async def drained(self) -> None:
        """Wait until the cloud has everything; for ever, if it does not answer."""
        await self._outbox.drained()

    def introduce(self, birth: Birth) -> None:
        """Say anew what there is, over the connection that there is."""
        self._birth = birth
        self._reborn.set()

    def send_again(self, numbers: IntervalSet) -> None:
        """Send batches again, if they are held."""
        self._outbox.send_again(numbers)

    def stop(self) -> None:
        """Say goodbye and end run()."""
        self._stop.set()

    def _take(self, batches: Sequence[Stored]) -> None:
        self._outbox.add(batches, live=self.connected)

    def _client(self) -> AbstractAsyncContextManager[aiomqtt.Client]:
        will = aiomqtt.Will(self._topic("state"), self._state(online=False), qos=1, retain=True)
        # Acknowledgements are cumulative, so none that we miss need be kept for us.
        return connect(self._broker, self._gateway, clean=True, will=will)

    async def _connection(self) -> None:
        async with self._client() as client:
            await self._session(client)

    async def _session(self, client: aiomqtt.Client) -> None:
        check_cancelled()
        granted = await client.subscribe([(self._topic("ack"), 1), (self._topic("cmd"), 1)])
        if is_refusal(granted[1]):
            log.warning("the broker refuses a subscription to %s: no orders", self._topic("cmd"))
        if is_refusal(granted[0]):
            raise Disconnected(f"the broker refuses a subscription to {self._topic('ack')}")
        await self._publish_birth(client)
        self._outbox.restart()
        self._buffer.connected()
        self.connected = True
        self._tell_up()
        reasons: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish(client), name="batches")
                tasks.create_task(self._report(client), name="state")
                tasks.create_task(self._introduce(client), name="birth")
                tasks.create_task(self._reply(client), name="replies")
                tasks.create_task(self._say_goodbye(client), name="goodbye")
                await self._listen(client)
        except* (aiomqtt.MqttError, _Stopped) as group:
            reasons += _leaves(group)
        if not any(isinstance(reason, _Stopped) for reason in reasons):
            raise Disconnected(str(reasons[0]))

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if message.topic.value == self._topic("cmd"):
                self._on_order(bytes(message.payload))
                continue
            try:
                self._acknowledge(decode(message.payload, Ack))
            except (DecodeError, ValueError) as error:
                log.warning("an acknowledgement that is none was ignored: %s", error)

    def _acknowledge(self, ack: Ack) -> None:
        if ack.epoch != self._buffer.epoch:
            return
        numbers = IntervalSet(ack.ranges)
        if ack.seq > 0:
            numbers.add(1, ack.seq)
        if self._buffer.sent.is_contradicted_by(numbers):
            log.error(
                "the cloud has batches that were never sent from this buffer: it is an old copy;"
                " what it holds is numbered anew"
            )
            self._buffer.begin_anew()
            self._outbox.restart()
            return
        self._buffer.sent.is_answered = True
        self._buffer.acknowledge(numbers)
        self._outbox.acknowledged(ack)

    async def _publish(self, client: aiomqtt.Client) -> None:
        slots = asyncio.Semaphore(PIPELINE)
        topic = self._topic("data")

        async def send(batch: Stored) -> None:
            await client.publish(topic, batch.payload, qos=1)
            slots.release()

        async with asyncio.TaskGroup() as sending:
            while True:
                await slots.acquire()
                batch = await self._outbox.next()
                sending.create_task(send(batch), name=f"batch {batch.seq}")

    async def _report(self, client: aiomqtt.Client) -> None:
        while not self._stop.is_set():  # then goodbye is the last word, which the broker keeps
            check_cancelled()
            self._health.urgent.clear()
            await client.publish(self._topic("state"), self._state(online=True), qos=1, retain=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.state_every_s):
                    await self._health.urgent.wait()

    async def _reply(self, client: aiomqtt.Client) -> None:
        while True:
            check_cancelled()
            payload = await self._replies.first()
            await client.publish(self._topic("cmd-reply"), payload, qos=1)
            self._replies.sent(payload)

    async def _publish_birth(self, client: aiomqtt.Client) -> None:
        self._reborn.clear()
        await client.publish(self._topic("birth"), encode(self._birth), qos=1, retain=True)

    async def _introduce(self, client: aiomqtt.Client) -> None:
        while True:
            check_cancelled()
            await self._reborn.wait()
            await self._publish_birth(client)

    async def _say_goodbye(self, client: aiomqtt.Client) -> None:
        await self._stop.wait()
        await client.publish(self._topic("state"), self._state(online=False), qos=1, retain=True)
        raise _Stopped

    def _state(self, *, online: bool) -> bytes:
        health = self._health.figures()
        if held := self._buffer.held:
            health["published_readings"] = held.published_readings
            health["published_batches"] = held.published_batches
            health["buffer.held_batches"] = held.held_batches
            health["buffer.held_readings"] = held.held_readings
            health["buffer.held_bytes"] = held.held_bytes
            health["buffer.max_bytes"] = held.max_bytes
            health["buffer.disk_full"] = int(held.disk_full)
            if held.oldest_ms is not None:
                health["buffer.oldest_s"] = (self._clock.now_ms() - held.oldest_ms) / 1000
        state = State(
            online=online,
            at_ms=self._clock.now_ms(),
            health=health if online else {},
            problems=self._health.told() if online else (),
        )
        return encode(state)

    def _topic(self, kind: str) -> str:
        return gateway_topic(self._gateway, kind)

    def _tell_up(self) -> None:
        self._health.clear_problem(NAME)
        log.info("connected to %s:%d", self._broker.host, self._broker.port)

    def _tell_down(self, error: Exception) -> None:
        # The text alone: a log record that keeps the error keeps a failed connection's socket too.
        why, where = str(error), f"{self._broker.host}:{self._broker.port}"
        if self._health.set_problem(NAME, why):
            log.warning(
                "no connection to broker %s: %s; readings are kept on disk until it is back",
                where,
                why,
            )

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s * random.uniform(0.5, 1.0)):  # noqa: S311
                await self._stop.wait()
        except TimeoutError:
            return


def _ignore(_: bytes) -> None:
    """Nobody takes orders here."""


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error
