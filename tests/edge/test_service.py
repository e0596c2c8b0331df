"""The agent as a service: a real process, a real notify socket, its metrics and its log file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.edge.test_metrics import free_port

UNIT = Path(__file__).parents[2] / "deploy" / "gridwarden-edge.service"


@pytest.mark.e2e
def test_tells_systemd_prometheus_and_its_log(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "edge.yaml"
    config.write_text(
        "gateway: cabinet-12\n"
        f"broker: {{host: 127.0.0.1, port: {free_port()}, tls: false}}\n"
        f"metrics: {{port: {port}}}\n"
        "log: {file: agent.log}\n"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        agent = subprocess.Popen(
            [sys.executable, "-m", "gridwarden", "edge", "run", str(config)],
            env={
                **os.environ,
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "WATCHDOG_USEC": "300000",
            },
        )
        try:
            told = [manager.recv(200) for _ in range(4)]
            assert b"READY=1\nSTATUS=0 devices" in told
            assert told.count(b"WATCHDOG=1") == 3
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                assert b"gridwarden_edge_buffer_batches 0.0" in answer.read()
            agent.send_signal(signal.SIGTERM)
            while manager.recv(200) != b"STOPPING=1":
                pass
            assert agent.wait(timeout=30) == 0
        finally:
            agent.kill()
            agent.wait()
    assert "running with 0 devices" in (tmp_path / "agent.log").read_text()


def test_the_unit_file_says_what_the_agent_does() -> None:
    unit = ConfigParser(strict=True, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(UNIT)
    service = unit["Service"]
    assert service["Type"] == "notify"
    assert float(service["WatchdogSec"]) >= 60  # a disk may hang for so long, and come back
    assert service["ExecStart"].split()[1:3] == ["edge", "run"]
    assert service["RestartPreventExitStatus"] == "2"  # the exit code of a wrong configuration
    assert float(service["TimeoutStopSec"]) > 5
