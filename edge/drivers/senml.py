"""Devices that publish plain SenML (RFC 8428) for themselves, at an MQTT broker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from contract.errors import DecodeError
from edge.committed import after
from edge.devices import Device
from edge.drivers.bus import Surroundings
from edge.drivers.mqtt import BrokerBus, MqttSource
from edge.packs import PackReader
from edge.ports import Committed, Deliver, Frame, Message, SetAside, Source

Filter = Annotated[str, Field(min_length=1, max_length=1_024)]


class SenmlBus(BrokerBus):
    """A broker at which devices publish packs. Names in them are <address>:<measurement>.

    topics: MQTT filters. On dev/v1/<address>/senml a device speaks for nobody but itself.
    """

    driver: Literal["senml"]
    topics: Annotated[tuple[Filter, ...], Field(min_length=1)] = ("dev/v1/+/senml",)

    def open(self, devices: Sequence[Device], around: Surroundings) -> Source:
        """Build the bus; connects only when it runs."""
        health, reader = around.health, PackReader(devices)

        def take(message: Message, deliver: Deliver, committed: Committed) -> None:
            try:
                unpacked = reader.read(message)
            except DecodeError as error:
                deliver(SetAside(message, str(error)), committed)
                return
            asides = [
                SetAside(message, f"{record.name or 'a record'}: {record.reason}")
                for record in unpacked.rejected
            ]
            health.unknown_senders += len(unpacked.unknown)
            for said in unpacked.said:
                health.answered(said.device, message.arrived_ms)
            deliver_all([*asides, *unpacked.said], deliver, committed)

        return MqttSource(self, sorted(self.topics), around, take)


def deliver_all(frames: Sequence[Frame], deliver: Deliver, committed: Committed) -> None:
    """Deliver what came in one message; it is committed when all of it is."""
    one_more = after(len(frames), committed)
    for frame in frames:
        deliver(frame, one_more)
    if not frames:
        committed()
