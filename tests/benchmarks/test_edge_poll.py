"""The benchmark runs, small, and counts rightly; what it measures is for a quiet machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient

from benchmarks import edge_poll
from benchmarks.edge_poll import Lengths, Rate, deliver, main, poll
from benchmarks.edge_street import Street, devices, write_config
from edge.config import load

SHORT = Lengths(warm_s=0.1, bare_s=0.1, busy_s=0.5, calm_s=1.0)
KEYS = [
    "requests_per_s",
    "ratio_to_bare_client",
    "wide_values_per_s",
    "wide_cpu_percent",
    "wide_rss_mb",
    "small_cpu_percent",
    "overload_delivered_ratio",
    "drain_times_real_time",
    "live_lag_s_while_draining",
]


async def test_the_devices_answer_and_count() -> None:
    with devices() as having:
        client = AsyncModbusTcpClient("127.0.0.1", port=having.port)
        await client.connect()
        for unit in (7, 7, 9):
            answer = await client.read_holding_registers(0, count=100, device_id=unit)
            assert len(answer.registers) == 100
            assert all(300 <= word < 900 for word in answer.registers)
        client.close()
        assert having.answered() == {7: 2, 9: 1}


def test_what_is_polled_is_on_disk() -> None:
    street = Street(connections=2, devices=2, registers=3, period_s=0.02)
    with devices() as having:
        rate = poll(street, having, SHORT)
    assert rate.per_s > 0
    assert rate.kept > 0.9
    assert 0 < rate.least <= 1 <= rate.most


def test_what_is_delivered_is_counted() -> None:
    street = Street(connections=2, devices=2, registers=10, period_s=0.1)
    with devices() as having:
        rate = asyncio.run(deliver(street, having, SHORT))
    assert rate.per_s > 0
    assert rate.rss_mb > 10


@pytest.mark.parametrize(
    "street", [edge_poll.FAST, edge_poll.WIDE, edge_poll.SMALL, edge_poll.FLOODED]
)
def test_the_configurations_are_good(tmp_path: Path, street: Street) -> None:
    config = load(write_config(tmp_path, street, 502, 1883))
    assert len(config.devices) == street.connections * street.devices


def test_the_last_line_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = Rate(per_s=100.0, cpu_percent=1.0)

    async def measured(*_: object) -> Rate:
        return rate

    monkeypatch.setattr(edge_poll, "bare", measured)
    monkeypatch.setattr(edge_poll, "deliver", measured)
    monkeypatch.setattr(edge_poll, "poll", lambda *_: rate)
    monkeypatch.setattr(edge_poll, "drain", lambda **_: (None, None))
    words: Sequence[str] = ("--json", "--quick")
    main(words)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(figures) == KEYS
    assert figures["ratio_to_bare_client"] == 1
