"""From a reading to its alert, committed and acknowledged, at a steady 10,000 readings/s."""

from __future__ import annotations

import json
import select
import socket
import statistics
import struct
import time
from dataclasses import dataclass, field

import sqlalchemy as sa

from benchmarks import intake_load as load
from benchmarks.intake_load import Shape
from benchmarks.intake_rig import Rig
from cloud.core.isa_18_2 import Event
from cloud.state import schema

READINGS_PER_S = 10_000
READINGS = 100  # a message
DEVICES = 5  # those whose readings are loud in turn; each is quiet again in between
ALERT_EVERY = 5  # messages
FIRST_SEQ = 1_000_000
LOUD, QUIET = 140.0, 60.0


@dataclass(slots=True)
class _Acks:
    """Acknowledgements as they come; a packet may come in pieces."""

    wire: socket.socket
    waiting: dict[tuple[str, int], float] = field(default_factory=dict)  # when it was read
    took_ms: list[float] = field(default_factory=list)
    came: bytes = b""

    def take(self, until: float) -> None:
        """Read what comes until then."""
        while (left := until - time.monotonic()) > 0:
            if not select.select([self.wire], [], [], left)[0]:
                return
            data = self.wire.recv(65_536)
            if not data:
                raise ConnectionError("the broker hung up")
            self.came += data
            self._packets(time.time())

    def _packets(self, now_s: float) -> None:
        while len(self.came) >= 2:
            length = shift = 0
            at = 1
            while at < len(self.came):
                length |= (self.came[at] & 127) << shift
                shift, at = shift + 7, at + 1
                if not self.came[at - 1] & 128:
                    break
            if len(self.came) < at + length:
                return
            kind, body, self.came = (
                self.came[0],
                self.came[at : at + length],
                self.came[at + length :],
            )
            if kind & 0xF0 == 0x30:
                self._ack(body, now_s)

    def _ack(self, body: bytes, now_s: float) -> None:
        (name,) = struct.unpack_from(">H", body)
        gateway = body[2 : 2 + name].decode().split("/")[3]
        told = json.loads(body[2 + name :])
        ranges = [(1, told["seq"]), *told.get("ranges", ())]
        for key in [key for key in self.waiting if key[0] == gateway]:
            if any(first <= key[1] <= last for first, last in ranges):
                self.took_ms.append((now_s - self.waiting.pop(key)) * 1000)


def sensor_to_alert_ms(there: Rig, shape: Shape, seconds: float) -> tuple[float, float, int]:
    """Return p50 and p99 from reading to acknowledged alert, and how many alerts there were."""
    wire = load.connect(there.port)
    wire.sendall(b"\x82\x12\x00\x01\x00\x0dgw/v1/+/+/ack\x00")
    acks = _Acks(wire)
    messages = round(seconds * READINGS_PER_S / READINGS)
    began = time.monotonic()
    alerts = 0
    for number in range(messages):
        acks.take(began + number * READINGS / READINGS_PER_S)
        gateway, seq = number % shape.gateways, FIRST_SEQ + number // shape.gateways
        loud = number % ALERT_EVERY == 0
        now_s = time.time()
        device = load.device_ids(shape, gateway)[seq % DEVICES]
        wire.sendall(
            load.publish(
                load.topic(gateway, "data"),
                _message(shape, gateway, seq, now_s, device if loud else None),
                number % 65_535 + 1,
            )
        )
        if loud:
            acks.waiting[load.gateway_id(gateway), seq] = now_s
            alerts += 1
    deadline = time.monotonic() + 60
    while acks.waiting and time.monotonic() < deadline:
        acks.take(time.monotonic() + 0.01)
    wire.close()
    if acks.waiting:
        raise AssertionError(f"{len(acks.waiting)} batches are not acknowledged")
    raised = _raised(there)
    if raised != alerts:
        raise AssertionError(f"{raised} of {alerts} alerts were raised")
    took = sorted(acks.took_ms)
    return statistics.median(took), took[min(len(took) - 1, int(len(took) * 0.99))], raised


def _message(shape: Shape, gateway: int, seq: int, now_s: float, loud: str | None) -> bytes:
    """Return a batch of readings a moment apart, the last one now; one device's may be loud."""
    records: list[dict[str, object]] = [{"bt": now_s, "epoch": load.EPOCH, "seq": seq}]
    names = [
        (device, channel)
        for device in load.device_ids(shape, gateway)
        for channel in range(shape.channels)
    ][:READINGS]
    for device, channel in names:
        value = LOUD if device == loud and channel == 0 else QUIET
        records.append({"n": f"{device}:noise_la.c{channel}", "t": 0, "v": value})
    return json.dumps(records, separators=(",", ":")).encode()


def _raised(there: Rig) -> int:
    events = schema.alert_events
    query = sa.select(sa.func.count()).where(events.c.event == Event.CONDITION.value)
    with there.database.read() as connection:
        return connection.scalar(query) or 0
