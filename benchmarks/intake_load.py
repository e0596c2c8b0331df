"""The load of benchmarks.intake: packets made beforehand, pushed through a bare socket.

    python -m benchmarks.intake_load PORT FILE PER_S     run by benchmarks.intake as a process

It encodes with its own code, as an edge would, and knows of MQTT 3.1.1 what it needs.
"""

from __future__ import annotations

import json
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import zstandard

EPOCH = "0123abcd"
WINDOW = 256  # messages under way, as edges have them
CONNECT = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04load"
QOS_1, RETAINED = b"\x32", b"\x33"
DISCONNECT = b"\xe0\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the gateways have, and how they send it."""

    gateways: int
    devices: int  # each
    channels: int  # each

    @property
    def readings(self) -> int:
        """How many a batch has: one of each series of a gateway."""
        return self.devices * self.channels


def gateway_id(number: int) -> str:
    return f"bench-{number:03d}"


def device_ids(shape: Shape, gateway: int) -> list[str]:
    return [f"{gateway_id(gateway)}-n{device:03d}" for device in range(shape.devices)]


def topic(gateway: int, kind: str) -> bytes:
    name = gateway_id(gateway)
    return f"gw/v1/{crc32(name.encode()) % 64:02d}/{name}/{kind}".encode()


def births(shape: Shape, now_ms: int) -> list[bytes]:
    """Return each gateway's introduction, retained: intake may come later."""
    packets = []
    for gateway in range(shape.gateways):
        devices = [
            {
                "id": device,
                "kind": "noise",
                "profile": "noise/bench",
                "period_s": 60,
                "measurements": [f"noise_la.c{channel}" for channel in range(shape.channels)],
            }
            for device in device_ids(shape, gateway)
        ]
        told = {
            "gateway": gateway_id(gateway),
            "agent_version": "1",
            "config_version": "1",
            "born_ms": now_ms,
            "devices": devices,
        }
        packets.append(
            publish(topic(gateway, "birth"), json.dumps(told).encode(), gateway + 1, RETAINED)
        )
    return packets


def batches(
    shape: Shape, first_seq: int, rounds: int, first_ms: int, step_ms: int = 60_000
) -> Iterator[bytes]:
    """Yield rounds of one batch from every gateway, a step of the devices' time apart."""
    bodies = [_bodies(shape, gateway) for gateway in range(shape.gateways)]
    compress = zstandard.ZstdCompressor(level=3).compress
    sent = 0
    for seq in range(first_seq, first_seq + rounds):
        base_s = (first_ms + step_ms * (seq - first_seq)) / 1000
        head = f'[{{"bt":{base_s:.3f},"epoch":"{EPOCH}","seq":{seq}}},'
        for gateway, mine in enumerate(bodies):
            payload = compress((head + mine[seq % len(mine)]).encode())
            yield publish(topic(gateway, "data"), payload, sent % 65_535 + 1)
            sent += 1


def _bodies(shape: Shape, gateway: int) -> list[str]:
    """Return a few sets of values: resolution 0.1, a second of jitter."""
    dice = random.Random(gateway)
    bodies = []
    for _ in range(4):
        records = []
        for device in device_ids(shape, gateway):
            for channel in range(shape.channels):
                base = f'"bn":"{device}:",' if channel == 0 else ""
                records.append(
                    f'{{{base}"n":"noise_la.c{channel}","t":{dice.randrange(1000) / 1000},'
                    f'"v":{dice.randrange(400, 700) / 10}}}'
                )
        bodies.append(",".join(records) + "]")
    return bodies


def publish(name: bytes, payload: bytes, packet_id: int, kind: bytes = QOS_1) -> bytes:
    """Return a PUBLISH packet of QoS 1. Source: MQTT 3.1.1 §3.3."""
    rest = struct.pack(">H", len(name)) + name + struct.pack(">H", packet_id) + payload
    return kind + _length(len(rest)) + rest


def _length(number: int) -> bytes:
    digits = bytearray()
    while True:
        number, digit = divmod(number, 128)
        digits.append(digit | 0x80 if number else digit)
        if not number:
            return bytes(digits)


def write(path: Path, packets: Iterator[bytes]) -> int:
    """Write packets to a file, each after its length; return how many."""
    count = 0
    with path.open("wb") as file:
        for packet in packets:
            file.write(struct.pack(">I", len(packet)))
            file.write(packet)
            count += 1
    return count


def read(path: Path) -> list[bytes]:
    data, packets, at = path.read_bytes(), [], 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        packets.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return packets


def connect(port: int) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.sendall(CONNECT)
    answer = wire.recv(4)
    if answer != b"\x20\x02\x00\x00":
        raise ConnectionError(f"the broker answered {answer!r}")
    return wire


def push(wire: socket.socket, packets: Sequence[bytes], per_s: float = 0.0) -> int:
    """Send packets as fast as they are acknowledged, or so many a second; return how many were."""
    sent = acknowledged = rest = 0
    began = time.monotonic()
    while acknowledged < len(packets):
        due = int((time.monotonic() - began) * per_s) if per_s else len(packets)
        open_for = min(WINDOW - (sent - acknowledged), min(due, len(packets)) - sent, 64)
        if open_for > 0:
            wire.sendall(b"".join(packets[sent : sent + open_for]))
            sent += open_for
        if select.select([wire], [], [], 0.0 if open_for > 0 else 0.005)[0]:
            came = wire.recv(65_536)
            if not came:
                raise ConnectionError("the broker hung up")
            acknowledged, rest = acknowledged + (rest + len(came)) // 4, (rest + len(came)) % 4
    return acknowledged


def main(arguments: Sequence[str]) -> None:
    """Push a file's packets; print when it began, for how long, and how many."""
    port, path, per_s = int(arguments[0]), Path(arguments[1]), float(arguments[2])
    packets = read(path)
    wire = connect(port)
    began = time.monotonic()
    sent = push(wire, packets, per_s)
    took = time.monotonic() - began
    wire.sendall(DISCONNECT)
    wire.close()
    print(json.dumps({"began": began, "took": took, "sent": sent, "cpu": time.process_time()}))


if __name__ == "__main__":
    main(sys.argv[1:])
