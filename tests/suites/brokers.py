"""Real MQTT brokers for tests, on free ports of loopback: Debian's mosquitto, and nats-server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    """Return a port of loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A broker that can be killed and started again on the same port, with what it persisted."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"{self._command[0]} does not listen on {self.port}")

    def kill(self) -> None:
        """kill -9."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def mosquitto(folder: Path, port: int) -> list[str]:
    """Write mosquitto's configuration; return its command."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    assert program, "mosquitto is missing; run: apt-get install mosquitto"
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {folder}/\nautosave_interval 1\nuser root\n"
        "max_queued_messages 0\n"  # else what waits beyond 1,000 is dropped
    )
    return [program, "-c", str(config)]


def nats(folder: Path, port: int) -> list[str]:
    """Write nats-server's configuration; return its command."""
    config = folder / "nats.conf"
    config.write_text(
        f'server_name: test\nlisten: "127.0.0.1:{free_port()}"\n'
        f'jetstream: {{store_dir: "{folder}/js"}}\n'
        f'mqtt: {{listen: "127.0.0.1:{port}", ack_wait: "2s"}}\n'
    )
    return [str(Path(sys.executable).parent / "nats-server"), "-c", str(config)]


BROKERS: dict[str, Callable[[Path, int], list[str]]] = {"mosquitto": mosquitto, "nats": nats}


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Broker]:
    """Run a broker of this kind for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    broker = Broker(BROKERS[kind](folder, port), port)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()
