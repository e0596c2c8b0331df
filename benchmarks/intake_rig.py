"""What benchmarks.intake measures: a real broker and a real intake process, in a folder."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from cloud.state import schema
from cloud.state.database import Database, sqlite_url
from tests.suites.brokers import running

ROOT = Path(__file__).parents[1]
RULES = """\
preset: bench
version: 1
title: {zh: 基准, en: Benchmark}
about: Three rules on every series; the load keeps within them, but for the readings told to.
defaults:
  kind: noise
  measurement: noise_la
  unit: dB(A)
  category: ""
  deadband: 1
  on_delay_s: 0
  off_delay_s: 0
  severity: high
  source: the benchmark
  timing_source: the benchmark
  timing_mark: judgement
  mark: judgement
  effective: 2000-01-01
rules:
  - {id: bench.loud, title: {zh: 高, en: loud}, direction: above, limit: 130}
  - {id: bench.louder, title: {zh: 很高, en: louder}, direction: above, limit: 150}
  - {id: bench.silent, title: {zh: 低, en: silent}, direction: below, limit: 1}
"""
CLOUD = """\
data: data
broker: {{host: 127.0.0.1, port: {port}, tls: false, version: "{version}"}}
intake: {{{intake}}}
seal: {{every_s: 86400, readings: 1000000000}}
rules: {{files: [bench.yaml]}}
"""


@dataclass(slots=True)
class Rig:
    """A broker's port, an intake process, and its database."""

    folder: Path
    port: int
    database: Database
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> None:
        """Start intake."""
        log = (self.folder / "intake.log").open("ab")
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gridwarden",
                "cloud",
                "intake",
                str(self.folder / "cloud.yaml"),
            ],
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        log.close()

    def stop(self) -> int:
        """Tell intake to stop; return its exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def release(self, slow: str) -> None:
        """Start it again without the settings that it began with."""
        config = self.folder / "cloud.yaml"
        config.write_text(config.read_text().replace(slow, ""))
        self.start()

    def cpu_s(self) -> float:
        """Return the CPU time that intake has used, all threads."""
        # The process's own clock (Linux): in nanoseconds, where /proc/PID/stat counts in ticks.
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def peak_mb(self) -> float:
        """Return the most memory that intake has held."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmHWM")

    def counted(self, name: str) -> int:
        table = schema.counters
        with self.database.read() as connection:
            return connection.scalar(sa.select(table.c.value).where(table.c.name == name)) or 0

    def devices(self) -> int:
        with self.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.devices)) or 0

    def wait_stored(self, readings: int, within_s: float = 600) -> float:
        """Wait until so many readings are durable; return when they were, on the monotonic clock.

        Raises: AssertionError if they are not in time, or more are than were sent.
        """
        deadline = time.monotonic() + within_s
        while (stored := self.counted("readings_stored")) < readings:
            if time.monotonic() > deadline or self.process.poll() is not None:
                log = (self.folder / "intake.log").read_text()[-2000:]
                raise AssertionError(f"{stored} of {readings} readings are stored; intake: {log}")
            time.sleep(0.02)
        if stored > readings:
            raise AssertionError(f"{stored} readings are stored, but {readings} were sent")
        return time.monotonic()


@contextmanager
def rig(folder: Path, broker: str, intake: str = "", version: str = "3.1.1") -> Iterator[Rig]:
    """Run a broker and an intake with these settings, with nothing stored yet."""
    with running(broker, folder / "broker") as started:
        (folder / "bench.yaml").write_text(RULES, encoding="utf-8")
        (folder / "cloud.yaml").write_text(
            CLOUD.format(port=started.port, intake=intake, version=version)
        )
        command = [sys.executable, "-m", "gridwarden", "cloud", "init", str(folder / "cloud.yaml")]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        database = Database(sqlite_url(folder / "data" / "state.sqlite"))
        built = Rig(folder, started.port, database)
        built.start()
        try:
            yield built
        finally:
            built.process.kill()
            built.process.wait()
            database.close()
