"""The whole line, as separate processes over real sockets: from a register to a case."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import httpx
import pytest

from contract.quantities import Kind
from tests.e2e.processes import Demo, demo, gridwarden, is_free, last_json, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

KINDS = [kind.value for kind in Kind]


def test_a_minute_of_the_demo_loses_nothing_and_ends_in_cases(tmp_path: Path) -> None:
    with demo(tmp_path / "data", "--for", "60", "--json") as running:
        out, err = running.process.communicate(timeout=200)
        assert running.process.returncode == 0, f"{err}\n{out}"
        figures = last_json(out)
        assert figures["published"] > 1000
        assert figures["stored"] == figures["published"]
        assert figures["duplicates"] == 0
        assert all(figures["alerts"][kind] > 0 for kind in KINDS)
        assert all(figures["cases"][kind] > 0 for kind in KINDS)
        assert figures["sensor_to_alert_ms"]["p50"] <= figures["sensor_to_alert_ms"]["p99"]
        assert running.left_behind() == {}
    data = tmp_path / "data"
    proof = gridwarden(
        "prove", data / "served.jsonl", "--cloud", data / "cloud.yaml", "--json", timeout=120
    )
    found = last_json(proof.stdout)
    assert proof.returncode == 0, f"{proof.stderr}\n{found}"
    assert found["stored"] > 1000
    assert found["before"] + found["stored"] + found["silent"] == found["served"]


def test_until_ctrl_c_it_serves_the_console_and_then_leaves_nothing(tmp_path: Path) -> None:
    with demo(tmp_path / "data", "--lang", "en") as running:
        address, password = login(running)
        with httpx.Client(base_url=address, timeout=20) as client:
            assert client.get("/readyz").status_code == 200
            answer = client.post(
                "/api/v1/login",
                json={"name": "admin", "password": password},
                headers={"Origin": address},
            )
            assert answer.status_code == 200, answer.text
            devices = wait_for(
                lambda: (
                    d if len(d := client.get("/api/v1/devices").json()["items"]) == 10 else None
                ),
                "ten devices",
            )
            assert {device["kind"] for device in devices} == set(KINDS)
        running.process.send_signal(signal.SIGINT)
        running.process.communicate(timeout=15)
        assert running.process.returncode == 0
        assert running.left_behind() == {}
        assert is_free(int(address.rsplit(":", 1)[1]))


def test_killed_itself_it_leaves_nothing_running(tmp_path: Path) -> None:
    with demo(tmp_path / "data", "--lang", "en") as running:
        login(running)
        running.process.kill()
        running.process.wait()
        wait_for(lambda: not running.left_behind(), "the demo's children to end")


def test_two_demos_on_one_folder_are_refused(tmp_path: Path) -> None:
    with demo(tmp_path / "data", "--lang", "en") as running:
        login(running)
        second = gridwarden("demo", "--data", tmp_path / "data", "--for", "1", "--json")
        assert second.returncode == 2
        assert str(tmp_path / "data") in second.stderr
        assert "Traceback" not in second.stderr
        assert running.process.poll() is None


def login(running: Demo) -> tuple[str, str]:
    """Read the address and the password that the demo prints."""
    assert running.process.stdout
    address = password = None
    for line in running.process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:\d+", line):
            address = found.group()
        if found := re.search(r"admin\s+(?:/\s+|password:?\s+)?(\S{8,})", line):
            password = found.group(1)
        if address and password:
            return address, password
    raise AssertionError(
        f"no address and login; {running.process.stderr and running.process.stderr.read()}"
    )
