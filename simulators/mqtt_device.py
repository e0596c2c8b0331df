"""Devices that publish over MQTT, behind one connection, as a LoRaWAN network server has it.

While the broker is away messages are kept, the oldest dropped when there are too many, and sent
later with the time they were sampled at.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import aiomqtt

from contract.clock import Clock
from simulators.devices import Sensor, Timeline
from simulators.ledger import Ledger, Served
from simulators.uplinks import Uplink, uplink

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0
_ANSWER_S = 5.0  # for CONNACK and PUBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where to publish, and as whom."""

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    client_id: str = "simulators"

    def __str__(self) -> str:
        return f"broker {self.host}:{self.port}"


class NetworkServer:
    """Keeps what devices send until the broker has acknowledged it (QoS 1)."""

    def __init__(
        self, broker: Broker, *, most_kept: int = 10_000, say: Callable[[str], None] = print
    ) -> None:
        self.connected = asyncio.Event()
        self.dropped = 0
        self.broker = broker
        self._say = say
        self._kept: deque[Uplink] = deque(maxlen=most_kept)
        self._more = asyncio.Event()

    def submit(self, message: Uplink) -> None:
        """Keep a message until it is sent; the oldest makes room if there are too many."""
        self.dropped += len(self._kept) == self._kept.maxlen
        self._kept.append(message)
        self._more.set()

    @property
    def waiting(self) -> int:
        """How many messages the broker has not acknowledged yet."""
        return len(self._kept)

    async def run(self) -> None:
        """Connect, send, and connect again when the broker went away; never returns."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                async with self._client() as client:
                    self.connected.set()
                    wait_s = _FIRST_WAIT_S
                    await self._send_while_connected(client)
            except* aiomqtt.MqttError as gone:
                reasons = "; ".join(str(reason) for reason in gone.exceptions)
                self._say(f"{self.broker}: {reasons}; trying again in {wait_s:.1f} s")
            self.connected.clear()
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.user or None,
            password=self.broker.password or None,
            identifier=self.broker.client_id,
            timeout=_ANSWER_S,
            keepalive=10,
        )

    async def _send_while_connected(self, client: aiomqtt.Client) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_listen(client), name="mqtt-listen")
            tasks.create_task(self._send(client), name="mqtt-send")

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            while self._kept:
                message = self._kept[0]
                await client.publish(message.topic, message.payload, qos=1)
                if self._kept and self._kept[0] is message:
                    self._kept.popleft()
            self._more.clear()
            await self._more.wait()


async def _listen(client: aiomqtt.Client) -> None:
    """Wait for nothing but the connection's end, which raises MqttError at once."""
    async for _ in client.messages:
        pass


class MqttDevice:
    """Samples its sensor every period and hands the message to the network server."""

    def __init__(
        self,
        sensor: Sensor,
        *,
        address: str,
        name: str,
        period_s: float,
        clock: Clock,
        timeline: Timeline,
        ledger: Ledger,
    ) -> None:
        self._sensor = sensor
        self._address = address
        self._name = name
        self._period_s = period_s
        self._clock = clock
        self._timeline = timeline
        self._ledger = ledger
        self._count = 0

    async def run(self, server: NetworkServer) -> None:
        """Publish for ever, at even times whatever sampling costs."""
        due_s = self._clock.monotonic_s()
        while True:
            message = self.sample()
            self._ledger.record(*self._served(message))
            server.submit(message)
            due_s = max(due_s + self._period_s, self._clock.monotonic_s())
            await asyncio.sleep(due_s - self._clock.monotonic_s())

    def sample(self) -> Uplink:
        """Measure now and wrap it."""
        now_ms = self._clock.now_ms()
        since_s = self._timeline.since_s(now_ms)
        self._count += 1
        return uplink(
            self._sensor.profile,
            address=self._address,
            name=self._name,
            values=self._sensor.measure(now_ms, since_s),
            sampled_ms=now_ms,
            count=self._count,
        )

    def _served(self, message: Uplink) -> list[Served]:
        return [
            Served(
                device=self._sensor.street.device,
                measurement=name,
                value=value,
                served_ms=message.sampled_ms,
                to=message.topic,
            )
            for name, value in message.values.items()
        ]
