"""The server as a process of its own: ports, signals, and who is still connected."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cloud.web.server import listen
from contract.errors import ConfigError
from tests.cloud.web.seed import PASSWORD

ROOT = Path(__file__).parents[3]


@contextmanager
def city_process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Serve the made-up city in a process; yield it and its address."""
    command = [sys.executable, "-W", "error", "-m", "tests.cloud.web.served", str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready, "it did not start"
            yield process, process.stdout.readline().strip()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=10)


def test_a_port_in_use_is_said_with_its_address() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}: the port is in use; set another"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "port", "words"),
    [
        ("192.0.2.1", 0, "this machine has no such address"),
        ("no such host", 0, "cannot listen on no such host:0"),
        ("127.0.0.1", 70_000, "cannot listen on 127.0.0.1:70000"),
    ],
)
def test_addresses_that_cannot_be(host: str, port: int, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        listen(host, port)


def test_a_port_is_free_again_at_once() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            first.accept()[0].close()
    listen("127.0.0.1", port).close()


@pytest.mark.e2e
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_whoever_is_connected(tmp_path: Path, number: signal.Signals) -> None:
    with city_process(tmp_path) as (process, address), httpx.Client(base_url=address) as client:
        who = {"name": "op", "password": PASSWORD, "as": "token"}
        token = client.post("/api/v1/login", json=who).json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        with client.stream("GET", "/api/v1/stream", headers=headers) as stream:
            lines = stream.iter_lines()
            assert next(lines) == ": hello"
            began = time.monotonic()
            process.send_signal(number)
            assert process.wait(timeout=10) == 0
            assert time.monotonic() - began < 3
            list(lines)  # the stream has ended as streams end, without an error
