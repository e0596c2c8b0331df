"""How fast a day's backlog reaches the cloud, and how late live readings are meanwhile.

    python -m benchmarks.edge_drain [--quick] [--json]

20 devices of five series, each read every 10 s, four of them gas; a day of that is in a buffer file
when the connection comes back. The agent's own buffer and uplink, with their defaults, publish it
through a real broker (mosquitto) to a consumer that acknowledges as the cloud does, while the same
devices go on. What drains within the time measured is set against the time that it was gathered
in; the lag is from a reading to its arrival, the worst of all, the group commit's second included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import aiomqtt

from benchmarks.edge_street import LOOPBACK, broker
from contract.clock import SystemClock
from contract.codec import decode_batch
from contract.intervals import IntervalSet
from contract.messages import Ack, Birth, encode
from contract.readings import Reading
from contract.topics import ALL_DATA, gateway_topic
from edge.buffer import Buffer
from edge.health import Health
from edge.options import BufferOptions, Endpoint, UplinkOptions
from edge.store import SqliteStore, open_store
from edge.uplink import Uplink

GATEWAY = "bench"
DEVICES, GAS, SERIES, PERIOD_S = 20, 4, 5, 10
MAX_BYTES = 500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """times_real_time: gathered seconds that arrived per second. live_lag_s: the worst."""

    times_real_time: float
    live_lag_s: float
    backlog_batches: int
    drained_batches: int
    measured_s: float
    widest_ranges: int


@dataclass(slots=True)
class Consumer:
    """Acknowledges what comes; knows backlog by its numbers and live readings by their time."""

    first_live: int
    have: IntervalSet = field(default_factory=IntervalSet)
    backlog: int = 0
    worst_lag_s: float = 0.0
    ranges: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, port: int) -> None:
        """Listen until cancelled."""
        async with aiomqtt.Client(LOOPBACK, port, identifier="consumer") as client:
            await client.subscribe(ALL_DATA, qos=1)
            self.ready.set()
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                ack = encode(self._take(message.payload))
                await client.publish(gateway_topic(GATEWAY, "ack"), ack)

    def _take(self, payload: bytes) -> Ack:
        batch = decode_batch(payload).batch
        if batch.seq < self.first_live:
            self.backlog += batch.seq not in self.have
        elif batch.readings:  # none in what tells of the time without an agent
            oldest_ms = min(reading.observed_ms for reading in batch.readings)
            self.worst_lag_s = max(self.worst_lag_s, time.time() - oldest_ms / 1000)
        for gap in batch.gaps:
            self.have.add(gap.first_seq, gap.last_seq)
        self.have.add(batch.seq)
        self.ranges = max(self.ranges, len(self.have))
        return Ack.of(batch.epoch, self.have, (batch.seq,))


def second_of(street_s: int, at_ms: int) -> tuple[list[Reading], list[Reading]]:
    """Return what the street's devices say in one second: gas, and the others."""
    due = [number for number in range(DEVICES) if number % PERIOD_S == street_s % PERIOD_S]
    gas: list[Reading] = []
    others: list[Reading] = []
    for number in due:
        into, name = (gas, "gas_pressure") if number < GAS else (others, "pm10")
        into += [
            Reading(f"d{number:02d}", f"{name}.c{i}", at_ms + i, (street_s * 7 + i) % 997 / 10)
            for i in range(SERIES)
        ]
    return gas, others


def gather(path: Path, seconds: int) -> int:
    """Fill a buffer file as an agent without a connection does; return how many batches.

    Without waiting for the disk: that it is durable is not what is measured here.
    """
    store = SqliteStore(path, max_bytes=MAX_BYTES, max_age_ms=10**12)
    store._db.execute("PRAGMA synchronous = OFF")
    began_ms = time.time_ns() // 1_000_000 - seconds * 1000
    for street_s in range(seconds):
        store.commit(*second_of(street_s, began_ms + street_s * 1000), 0, None)
    batches = store.figures().held_batches
    store.close()
    return batches


async def drain(path: Path, port: int, backlog: int, seconds: int, measured_s: float) -> Drain:
    """Connect, and look on for so long, or until the backlog is gone."""
    clock, consumer = SystemClock(), Consumer(backlog + 1)
    health = Health(clock)
    buffer = Buffer(
        partial(open_store, path, max_bytes=MAX_BYTES, max_age_ms=10**12),
        commit_every_s=BufferOptions().commit_every_s,
        clock=clock,
        health=health,
    )
    birth = Birth(gateway=GATEWAY, agent_version="", config_version="", born_ms=0, devices=())
    uplink = Uplink(
        Endpoint(host=LOOPBACK, port=port, tls=False),
        UplinkOptions(),
        birth=birth,
        buffer=buffer,
        clock=clock,
        health=health,
    )
    await buffer.open()
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(consumer.run(port))
        await consumer.ready.wait()
        running = [tasks.create_task(buffer.run()), tasks.create_task(uplink.run())]
        began_s, street_s = time.monotonic(), 0
        while time.monotonic() - began_s < measured_s and consumer.backlog < backlog:
            gas, others = second_of(street_s, clock.now_ms())
            for readings, urgent in ((gas, True), (others, False)):
                if readings:
                    buffer.put(readings, urgent=urgent)
            street_s += 1
            await asyncio.sleep(max(0.0, began_s + street_s - time.monotonic()))
        took_s, drained = time.monotonic() - began_s, consumer.backlog
        buffer.stop()
        uplink.stop()
        await asyncio.wait(running, timeout=5)
        for task in (*running, listening):
            task.cancel()
    await buffer.close()
    return Drain(
        times_real_time=round(drained / backlog * seconds / took_s, 1),
        live_lag_s=round(consumer.worst_lag_s, 3),
        backlog_batches=backlog,
        drained_batches=drained,
        measured_s=round(took_s, 1),
        widest_ranges=consumer.ranges,
    )


def measure(*, quick: bool = False) -> Drain:
    """Gather a day (quick: an hour), and drain for half a minute (quick: ten seconds)."""
    seconds, measured_s = (3_600, 10.0) if quick else (86_400, 30.0)
    with tempfile.TemporaryDirectory(prefix="gridwarden-drain-") as name:
        folder = Path(name)
        backlog = gather(folder / "buffer.sqlite", seconds)
        with broker(folder) as port:
            return asyncio.run(drain(folder / "buffer.sqlite", port, backlog, seconds, measured_s))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="an hour's backlog")
    asked = parser.parse_args(arguments)
    measured = measure(quick=asked.quick)
    print(f"backlog, batches                      {measured.backlog_batches:>12}")
    print(
        f"drained in {measured.measured_s:>5} s, batches           {measured.drained_batches:>12}"
    )
    print(f"times real time                       {measured.times_real_time:>12}")
    print(f"live readings, worst lag, s           {measured.live_lag_s:>12}")
    print(f"intervals at the cloud, at most       {measured.widest_ranges:>12}")
    if asked.json:
        figures = {
            "drain_times_real_time": measured.times_real_time,
            "live_lag_s_while_draining": measured.live_lag_s,
        }
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
