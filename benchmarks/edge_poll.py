"""How many devices one agent reads, at what cost, beside the barest loop of pymodbus' own client.

    python -m benchmarks.edge_poll [--json] [--quick]

The agent is the real process (`gridwarden edge run`), its buffer on disk. The devices are one
process that answers any register over TCP at once, or after 5 ms. Five measurements in one run:

requests  20 connections ask for two registers as fast as they can, decode them and put them on
          disk; no broker can be reached. Counted at the devices, and again in the buffer.
bare      pymodbus' client alone on as many connections: ask, wait, forget. Before and after; the
          better counts, as other work on the machine only ever makes it worse.
wide      200 devices of 100 registers every second, delivered to a broker and acknowledged.
small     200 devices of 10 registers every second, likewise.
overload  devices that take 5 ms, asked for ten times what they can give; against the bare client.

Draining a backlog is benchmarks.edge_drain's to measure; its figures are told here, too.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.util
import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pymodbus.client import AsyncModbusTcpClient

from benchmarks.edge_street import (
    LOOPBACK,
    Devices,
    Street,
    agent,
    broker,
    cloud,
    devices,
    free_port,
    write_config,
)
from edge.store_look import read_figures

CONNECTIONS = 20
LATENCY_S = 0.005
LATE_S = 4.0  # for the last readings to be committed and to arrive
FAST = Street(connections=CONNECTIONS, devices=5, registers=2, period_s=0.005)
WIDE = Street(connections=CONNECTIONS, devices=10, registers=100, period_s=1.0)
SMALL = Street(connections=CONNECTIONS, devices=10, registers=10, period_s=1.0)
# 200 requests a second are all that a connection bears at 5 ms each.
FLOODED = Street(
    connections=CONNECTIONS, devices=10, registers=2, period_s=0.005, round_trip_s=0.0004
)
DRAIN = "benchmarks.edge_drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """How long to warm up and to measure, in seconds."""

    warm_s: float = 4.0
    bare_s: float = 5.0
    busy_s: float = 10.0
    calm_s: float = 20.0


QUICK = Lengths(warm_s=2.0, bare_s=0.5, busy_s=1.0, calm_s=2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Requests or values a second, and what they cost. cpu_percent: of one core.

    least, most: a unit's share of what an even distribution would give it.
    """

    per_s: float
    cpu_percent: float
    rss_mb: float = 0.0
    least: float = 1.0
    most: float = 1.0
    kept: float = 1.0  # the part of what was answered that is on disk


async def bare(port: int, for_s: float) -> Rate:
    """Ask with pymodbus' client alone, one task a connection."""
    clients = [AsyncModbusTcpClient(LOOPBACK, port=port) for _ in range(CONNECTIONS)]
    for client in clients:
        await client.connect()
    until_s = time.monotonic() + for_s
    began_cpu_s, began_s = time.process_time(), time.monotonic()

    async def ask(client: AsyncModbusTcpClient) -> int:
        count = 0
        while time.monotonic() < until_s:
            answer = await client.read_holding_registers(0, count=FAST.registers, device_id=1)
            assert not answer.isError()
            count += 1
        return count

    counts = await asyncio.gather(*map(ask, clients))
    took_s = time.monotonic() - began_s
    cpu_s = time.process_time() - began_cpu_s
    for client in clients:
        client.close()
    return Rate(per_s=sum(counts) / took_s, cpu_percent=100 * cpu_s / took_s)


def poll(street: Street, having: Devices, lengths: Lengths) -> Rate:
    """Have an agent without a broker poll for a while."""
    with tempfile.TemporaryDirectory(prefix="edge-poll-") as name:
        config = write_config(Path(name), street, having.port, free_port())
        before_all = sum(having.answered().values())
        with agent(config) as running:
            _until(lambda: sum(having.answered().values()) > before_all)
            time.sleep(lengths.warm_s)
            before, cpu_s, began_s = having.answered(), running.cpu_s(), time.monotonic()
            time.sleep(lengths.busy_s)
            after, took_s = having.answered(), time.monotonic() - began_s
            cpu_s = running.cpu_s() - cpu_s
            rss_mb = running.most_rss_mb()
        answered = sum(having.answered().values()) - before_all
        held = read_figures(config.with_name("buffer.sqlite"), 10**9)
        kept = held.published_readings / street.registers / answered
    counts = [count - before.get(unit, 0) for unit, count in after.items()]
    even = sum(counts) / len(counts)
    return Rate(
        per_s=sum(counts) / took_s,
        cpu_percent=100 * cpu_s / took_s,
        rss_mb=rss_mb,
        least=min(counts) / even,
        most=max(counts) / even,
        kept=kept,
    )


async def deliver(street: Street, having: Devices, lengths: Lengths) -> Rate:
    """Have an agent deliver to a cloud for a while.

    Counted by when readings were observed, so that what a stalled disk held back counts where it
    belongs, and what never comes is missing.
    """
    with tempfile.TemporaryDirectory(prefix="edge-poll-") as name, broker(Path(name)) as port:
        config = write_config(Path(name), street, having.port, port)
        async with cloud(port) as city:
            with agent(config) as running:
                await city.begun.wait()
                await asyncio.sleep(lengths.warm_s)
                cpu_s, began_s = running.cpu_s(), time.monotonic()
                first_s = math.ceil(time.time())
                await asyncio.sleep(lengths.calm_s + 1)
                took_s = time.monotonic() - began_s
                cpu_s = running.cpu_s() - cpu_s
                rss_mb = running.most_rss_mb()
                await asyncio.sleep(LATE_S)
                count = city.between(first_s, first_s + round(lengths.calm_s))
    return Rate(
        per_s=count / round(lengths.calm_s), cpu_percent=100 * cpu_s / took_s, rss_mb=rss_mb
    )


def drain(*, quick: bool) -> tuple[float | None, float | None]:
    """Return (times real time, lag of live readings in seconds), where that can be measured."""
    if importlib.util.find_spec(DRAIN) is None:
        return None, None
    measured = importlib.import_module(DRAIN).measure(quick=quick)
    return round(measured.times_real_time, 1), round(measured.live_lag_s, 2)


def run(lengths: Lengths, *, quick: bool = False) -> dict[str, float | None]:
    """Measure everything, and print it as it comes; return the figures."""
    with devices() as having:
        first = asyncio.run(bare(having.port, lengths.bare_s))
        fast = poll(FAST, having, lengths)
        second = asyncio.run(bare(having.port, lengths.bare_s))
        best = max(first, second, key=lambda rate: rate.per_s)
        bare_per_s, bare_cpu = best.per_s, best.cpu_percent
        _tell("bare pymodbus client, requests/s", bare_per_s, _cost(bare_per_s, bare_cpu))
        _tell("agent, requests/s", fast.per_s, _cost(fast.per_s, fast.cpu_percent))
        _tell("  of what was answered, on disk", fast.kept)
        wide = asyncio.run(deliver(WIDE, having, lengths))
        _tell("200 × 100 registers, values/s delivered", wide.per_s, _share(wide))
        small = asyncio.run(deliver(SMALL, having, lengths))
        _tell("200 × 10 registers, values/s delivered", small.per_s, _share(small))
    with devices(LATENCY_S) as slow:
        first = asyncio.run(bare(slow.port, lengths.bare_s))
        flooded = poll(FLOODED, slow, lengths)
        second = asyncio.run(bare(slow.port, lengths.bare_s))
        capacity = max(first, second, key=lambda rate: rate.per_s)
        times = FLOODED.wanted_per_s / capacity.per_s
        _tell(f"5 ms latency, {times:.1f} × the demand, requests/s", flooded.per_s)
        _tell("  what the bare client gets from them", capacity.per_s)
        _tell("  least and most of a device, 1 is even", flooded.least, f"{flooded.most:.3f}")
    times_real_time, live_lag_s = drain(quick=quick)
    return {
        "requests_per_s": round(fast.per_s, 1),
        "ratio_to_bare_client": round(fast.per_s / bare_per_s, 3),
        "wide_values_per_s": round(wide.per_s, 1),
        "wide_cpu_percent": round(wide.cpu_percent, 2),
        "wide_rss_mb": round(wide.rss_mb, 1),
        "small_cpu_percent": round(small.cpu_percent, 2),
        "overload_delivered_ratio": round(flooded.per_s / capacity.per_s, 4),
        "drain_times_real_time": times_real_time,
        "live_lag_s_while_draining": live_lag_s,
    }


def _tell(what: str, value: float, more: str = "") -> None:
    print(f"{what:<48}{value:12.3f}  {more}", flush=True)


def _cost(per_s: float, cpu_percent: float) -> str:
    return f"{cpu_percent / 100 / per_s * 1e6:.1f} µs of CPU each"


def _share(rate: Rate) -> str:
    return f"{rate.cpu_percent:.1f} % of a core, {rate.rss_mb:.0f} MB"


def _until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    until_s = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > until_s:
            raise SystemExit("the agent does not begin to poll")
        time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="short: to see that it runs")
    asked = parser.parse_args(arguments)
    figures = run(QUICK if asked.quick else Lengths(), quick=asked.quick)
    for name, value in figures.items():
        print(f"{name:<28}{'not measured' if value is None else f'{value:12g}'}")
    if asked.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
