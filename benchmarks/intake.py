"""Measure intake: readings a second and CPU a reading, beside the bare loop; sensor to alert.

    python -m benchmarks.intake [--quick] [--json] [--broker nats|mosquitto] [--mqtt 3.1.1|5]
    python -m benchmarks.intake --overload SECONDS

A real broker, `gridwarden cloud intake` as a process, and the load as another. A reading counts
when its commit is on disk. Sealing is put off: benchmarks.series measures it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import intake_load as load
from benchmarks.intake_alerts import sensor_to_alert_ms
from benchmarks.intake_bare import bare_us
from benchmarks.intake_load import Shape
from benchmarks.intake_rig import ROOT, Rig, rig

SLOW = "commit_every_s: 0.1, block_readings: 20, queue_messages: 200"
OVERLOAD_PER_S = 4_000  # messages of ten readings: ten times what it then takes, about
CATCH_UP_S = 3_600
THIN_SEQ = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of everything."""

    wide: Shape
    wide_rounds: int
    thin: Shape
    thin_rounds: int
    alerts_s: float


FULL = Size(
    wide=Shape(gateways=50, devices=100, channels=10),
    wide_rounds=100,
    thin=Shape(gateways=50, devices=5, channels=2),
    thin_rounds=800,
    alerts_s=15,
)
QUICK = Size(
    wide=Shape(gateways=3, devices=10, channels=5),
    wide_rounds=5,
    thin=Shape(gateways=3, devices=5, channels=2),
    thin_rounds=10,
    alerts_s=1,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one load led to."""

    messages: int
    readings: int
    seconds: float  # from the first byte sent to the last commit
    load_s: float  # of these, how long the load was sending
    cpu_s: float  # of intake
    load_cpu_s: float
    peak_mb: float


def prepare(there: Rig, shape: Shape) -> None:
    """Introduce the gateways, and let every series be known."""
    wire = load.connect(there.port)
    load.push(wire, load.births(shape, _past_ms(600)))
    deadline = time.monotonic() + 120
    while there.devices() < shape.gateways * shape.devices:
        if time.monotonic() > deadline:
            raise AssertionError("the gateways' births do not arrive")
        time.sleep(0.05)
    load.push(wire, list(load.batches(shape, 1, 1, _past_ms(600))))
    wire.close()
    there.wait_stored(shape.gateways * shape.readings)


def flood(there: Rig, shape: Shape, packets: Iterator[bytes], per_s: float = 0.0) -> Run:
    """Push as fast as the broker takes them, or so many a second; wait until all is stored."""
    path = there.folder / "packets"
    load.write(path, packets)
    before, cpu_s = there.counted("readings_stored"), there.cpu_s()
    told = _push(there, path, per_s)
    readings = round(told["sent"]) * shape.readings
    ended = there.wait_stored(before + readings)
    return Run(
        messages=round(told["sent"]),
        readings=readings,
        seconds=ended - told["began"],
        load_s=told["took"],
        cpu_s=there.cpu_s() - cpu_s,
        load_cpu_s=told["cpu"],
        peak_mb=there.peak_mb(),
    )


def wide(there: Rig, size: Size) -> tuple[Run, float]:
    """Return the run of wide batches, and the bare loop's µs of CPU a reading on such ones."""
    payloads = [
        packet[packet.index(b"\x28\xb5\x2f\xfd") :]
        for packet in load.batches(size.wide, 1, max(2, size.wide_rounds // 5), _past_ms(500))
    ]
    before = bare_us(payloads, size.wide, _made(there.folder / "before"))
    packets = load.batches(size.wide, 2, size.wide_rounds, _past_ms(500))
    run = flood(there, size.wide, packets)
    after = bare_us(payloads, size.wide, _made(there.folder / "after"))
    return run, (before + after) / 2


def thin(there: Rig, size: Size) -> Run:
    """Send a few readings a message, of some of the devices that are known."""
    packets = load.batches(size.thin, THIN_SEQ, size.thin_rounds, _past_ms(50), step_ms=1000)
    return flood(there, size.thin, packets)


def overload(there: Rig, size: Size, seconds: float) -> dict[str, float]:
    """Push many times what a slowed intake can take, for so long; then let it run freely."""
    prepare(there, size.thin)
    rounds = max(10, round(seconds * OVERLOAD_PER_S / size.thin.gateways))
    path = there.folder / "packets"
    load.write(path, load.batches(size.thin, 2, rounds, _past_ms(500), step_ms=10))
    before = there.counted("readings_stored")
    told = _push(there, path, OVERLOAD_PER_S)
    meanwhile = there.counted("readings_stored") - before
    sent = round(told["sent"]) * size.thin.readings
    slow_mb = there.peak_mb()
    _say("sent", told["sent"], "messages")
    _say("in", told["took"], "s")
    _say("stored meanwhile", meanwhile / size.thin.readings, "messages")
    _say("peak memory of intake", slow_mb, "MB")
    if there.stop() != 0:
        raise AssertionError("intake did not end well under load")
    there.release(SLOW)
    began = time.monotonic()
    caught_up_s = there.wait_stored(before + sent, CATCH_UP_S) - began
    peak_mb = max(slow_mb, there.peak_mb())
    _say("all stored, none twice, after", caught_up_s, "s more")
    _say("peak memory of intake", peak_mb, "MB")
    return {
        "overload_s": round(told["took"], 1),
        "times_over": round(sent / max(1, meanwhile), 2),
        "lost": 0,
        "doubled": 0,
        "catch_up_s": round(caught_up_s, 1),
        "peak_mb": round(peak_mb, 1),
    }


def _push(there: Rig, path: Path, per_s: float) -> dict[str, float]:
    """Have a process send packets; return what it says of it."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.intake_load", str(there.port), str(path), str(per_s)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told


def _past_ms(minutes: int) -> int:
    return int(time.time() * 1000) - 60_000 * minutes


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def measure(there: Rig, size: Size) -> dict[str, float]:
    """Run all; print the table as it grows."""
    prepare(there, size.wide)
    run, bare = wide(there, size)
    cpu_us = run.cpu_s / run.readings * 1e6
    _say("wide: readings stored", run.readings, "")
    _say("wide: durable, end to end", run.readings / run.seconds, "readings/s")
    _say("wide: the load was sending", run.load_s / run.seconds * 100, "% of the time")
    _say("wide: CPU of intake", cpu_us, "µs a reading")
    _say("wide: CPU of the bare loop", bare, "µs a reading")
    _say("peak memory of intake", run.peak_mb, "MB")
    few = thin(there, size)
    _say("thin: 10 readings a message", few.messages / few.seconds, "messages/s")
    _say("thin: CPU of intake", few.cpu_s / few.messages * 1e6, "µs a message")
    p50, p99, alerts = sensor_to_alert_ms(there, size.wide, size.alerts_s)
    _say("sensor to alert and ack, p50", p50, f"ms ({alerts} alerts)")
    _say("sensor to alert and ack, p99", p99, "ms")
    return {
        "wide_readings_per_s": round(run.readings / run.seconds),
        "wide_cpu_us_per_reading": round(cpu_us, 3),
        "ratio_to_bare_loop": round(bare / cpu_us, 3),
        "thin_messages_per_s": round(few.messages / few.seconds),
        "sensor_to_alert_p99_ms": round(p99, 1),
    }


def _say(what: str, figure: float, unit: str) -> None:
    print(f"{what:<36}{figure:>14,.2f} {unit}", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table, and with --json the figures on the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--quick", action="store_true", help="small: does it run at all")
    parser.add_argument("--broker", choices=("nats", "mosquitto"), default="nats")
    parser.add_argument("--mqtt", choices=("3.1.1", "5"), default="3.1.1", help="of intake")
    parser.add_argument("--overload", type=float, metavar="SECONDS", help="only this")
    asked = parser.parse_args(arguments)
    size = QUICK if asked.quick else FULL
    settings = SLOW if asked.overload else ""
    with (
        tempfile.TemporaryDirectory(prefix="intake-") as folder,
        rig(Path(folder), asked.broker, settings, asked.mqtt) as there,
    ):
        figures = overload(there, size, asked.overload) if asked.overload else measure(there, size)
    if asked.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
