"""Real time-series servers for tests, on free ports of loopback: from Debian's packages."""

from __future__ import annotations

import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.suites.brokers import free_port


class TimeSeriesServer:
    """A server that can be killed and started again on the same port, with what it persisted."""

    def __init__(self, command: list[str], port: int, health: str) -> None:
        self.port = port
        self._command = command
        self._health = health
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and wait until it answers."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(self.url + self._health, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"{self._command[0]} does not answer on {self.port}")

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def influxdb(folder: Path) -> TimeSeriesServer:
    """Debian's InfluxDB 1.6.7: /write and InfluxQL."""
    program = shutil.which("influxd")
    assert program, "influxd is missing; run: apt-get install influxdb"
    port, other = free_port(), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{other}"\n'
        f'[meta]\n  dir = "{folder}/meta"\n'
        f'[data]\n  dir = "{folder}/data"\n  wal-dir = "{folder}/wal"\n'
        f'[http]\n  bind-address = "127.0.0.1:{port}"\n  log-enabled = false\n'
    )
    return TimeSeriesServer([program, "-config", str(config)], port, "/ping")


def victoria_metrics(folder: Path) -> TimeSeriesServer:
    """Debian's VictoriaMetrics 1.79: takes influxdb-client's writes under /influx."""
    program = shutil.which("victoria-metrics")
    assert program, "victoria-metrics is missing; run: apt-get install victoria-metrics"
    port = free_port()
    command = [
        program,
        f"-storageDataPath={folder}/vm",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-search.latencyOffset=0s",
    ]
    return TimeSeriesServer(command, port, "/health")
