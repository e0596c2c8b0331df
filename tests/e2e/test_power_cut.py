"""A cabinet loses its mains and then its battery: a real agent, a real broker, a real intake."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cloud import alerts
from cloud import app as build
from cloud.alerts import Alert
from cloud.config import load
from cloud.core.model import Severity
from tests.edge.agent import agent
from tests.edge.kit import eventually, mosquitto

pytestmark = pytest.mark.e2e

CLOUD = """
data: cloud
broker: {{host: 127.0.0.1, port: {port}, tls: false}}
alerts: {{gateway_battery_s: 0, gateway_offline_s: 0.5}}
"""
EDGE = """
gateway: cabinet-1
broker: {{host: 127.0.0.1, port: {port}, tls: false}}
supply: {{file: mains, every_s: 0.05}}
"""


async def test_the_alert_of_a_silent_gateway_says_power(tmp_path: Path) -> None:
    async with mosquitto(tmp_path) as broker:
        (tmp_path / "cloud.yaml").write_text(CLOUD.format(port=broker.port))
        (tmp_path / "edge.yaml").write_text(EDGE.format(port=broker.port))
        mains = tmp_path / "mains"
        mains.write_text("1\n")
        database = build.initialise(load(tmp_path / "cloud.yaml"))

        def listed() -> list[Alert]:
            with database.read() as connection:
                return alerts.list_alerts(connection).alerts

        intake = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gridwarden", "cloud", "intake", tmp_path / "cloud.yaml")
        )
        try:
            async with agent(tmp_path / "edge.yaml") as running:
                await eventually(lambda: running.said("connected to"))
                (tmp_path / "new").write_text("0\n")
                (tmp_path / "new").replace(mains)
                await eventually(lambda: bool(listed()))
                assert [(a.rule, a.severity) for a in listed()] == [
                    ("gateway.power", Severity.MEDIUM)
                ]
                running.kill()
                await eventually(lambda: listed()[0].severity is Severity.HIGH)
                assert [a.rule for a in listed()] == ["gateway.power"]
        finally:
            intake.terminate()
            await intake.wait()
            database.close()
