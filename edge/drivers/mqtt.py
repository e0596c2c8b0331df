"""Devices that publish for themselves: a subscription at an MQTT broker, shared by all of them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, TypeAlias

from contract.errors import ConfigError, Disconnected
from device_profiles.core.payload import compile_payload_decoder
from edge.broker import Received, connect, is_refusal, until_lost
from edge.cancelling import check_cancelled
from edge.devices import Device
from edge.drivers.bus import Bus, Surroundings
from edge.options import Endpoint
from edge.ports import Committed, Deliver, Message, Source

log = logging.getLogger(__name__)

Take: TypeAlias = Callable[[Message, Deliver, Committed], None]


class BrokerBus(Bus, Endpoint):
    """A broker at which devices publish of themselves."""

    protocol: ClassVar[Literal["mqtt"]] = "mqtt"
    shared: ClassVar[bool] = True


class MqttBus(BrokerBus):
    """A broker at which devices, or a LoRaWAN network server for them, publish JSON."""

    driver: Literal["mqtt"]

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; connects only when it runs."""
        profiles = {device.profile.name: device.profile for device in devices}
        topics = {
            topic
            for profile in profiles.values()
            for topic in compile_payload_decoder(profile).topics
        }
        return MqttSource(self, sorted(topics), around)


def hand_on(message: Message, deliver: Deliver, committed: Committed) -> None:
    """Deliver a message as it came."""
    deliver(message, committed)


class MqttSource:
    """A Source over one subscription. take: does with each message what its driver does.

    The broker is told that a message has come only when it is on disk here.
    """

    def __init__(
        self,
        bus: BrokerBus,
        topics: Sequence[str],
        around: Surroundings,
        take: Take = hand_on,
    ) -> None:
        self._bus, self._topics, self._around, self._take = bus, topics, around, take
        self._name = f"bus {bus.id}"
        # The session is kept, so that the broker keeps what comes while we are away; a visitor
        # has a name of its own, lest the broker throw the agent out.
        self._clean = around.visiting
        visitor = f"-visitor-{random.randrange(1 << 32):08x}" if self._clean else ""  # noqa: S311
        self._client_id = f"{around.gateway}-{bus.id}{visitor}"

    async def run(self, deliver: Deliver) -> None:
        """Receive until cancelled; reconnect with backoff."""
        failures = 0

        def take(received: Received, acknowledge: Committed) -> None:
            self._take(self._message(received), deliver, acknowledge)

        while True:
            try:
                async with connect(
                    self._bus, self._client_id, clean=self._clean, take=take
                ) as client:
                    granted = await client.subscribe([(topic, 1) for topic in self._topics])
                    check_cancelled()
                    self._tell_up(granted)
                    failures = 0
                    await until_lost(client)
            except (ConfigError, Disconnected) as error:
                failures += 1
                self._tell_down(str(error))
            pause_s = self._around.reconnecting.after(max(failures, 1))
            await asyncio.sleep(pause_s * random.uniform(0.75, 1.25))  # noqa: S311

    def _message(self, received: Received) -> Message:
        return Message(
            self._bus.id,
            self._around.clock.now_ms(),
            received.topic,
            received.payload,
            received.number,
            received.again,
        )

    def _tell_up(self, granted: Sequence[object]) -> None:
        codes = zip(self._topics, granted, strict=False)
        refused = [topic for topic, code in codes if is_refusal(code)]
        if not refused:
            self._around.health.clear_problem(self._name)
            log.info("%s: subscribed to %s", self._name, ", ".join(self._topics))
        elif self._around.health.set_problem(self._name, f"refused: {', '.join(refused)}"):
            log.warning("%s: the broker refuses %s", self._name, ", ".join(refused))

    def _tell_down(self, why: str) -> None:
        where = f"{self._bus.host}:{self._bus.port}"
        if self._around.health.set_problem(self._name, why):
            log.warning("%s: no connection to %s: %s; trying again", self._name, where, why)
