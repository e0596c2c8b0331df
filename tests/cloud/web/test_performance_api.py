from __future__ import annotations

import httpx
import pytest
import sqlalchemy as sa

from cloud.durations import milliseconds
from cloud.performance import performance
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.console.performance_page import flood_key, part_of
from cloud.web.services import Services
from contract.errors import ConfigError
from tests.cloud.web.conftest import NOW_MS


async def test_the_figures_of_the_made_up_city(guest: httpx.AsyncClient) -> None:
    found = (await guest.get("/api/v1/alerts/performance")).json()
    alerts = (await guest.get("/api/v1/alerts?limit=500")).json()["items"]
    assert found["times"] >= len(alerts) > 0
    assert [figure["key"] for figure in found["figures"]][:3] == ["rate", "busy", "flood"]
    told = {alert for one in found["top"] for alert in one["alerts"]}
    assert told <= {alert["id"] for alert in alerts}
    assert sum(one["times"] for one in found["top"]) <= found["times"]
    assert sum(found["by_operator"].values()) == found["times"]


async def test_every_figure_flood_and_offender_opens_its_alerts(
    services: Services, database: Database
) -> None:
    with database.read() as connection:
        measured = performance(connection, NOW_MS - 30 * 86_400_000, NOW_MS)
        known = set(connection.scalars(sa.select(schema.alerts.c.id)))
    for figure in measured.figures:
        assert set(part_of(measured, figure.name.lower())) <= known
    assert set(part_of(measured, "rate")) == set(part_of(measured, "operator."))
    for key in ("top_ten", "chattering"):
        for number, one in enumerate({"top_ten": measured.top}.get(key, measured.chattering)):
            assert part_of(measured, f"{key}.{number}") == one.alerts
    for flood in measured.floods:
        assert part_of(measured, f"flood.{flood_key(flood)}") == flood.alerts
    for wrong in ("", "x", "flood.1.", "top_ten.99", "top_ten.-1", "rate.1", "operator.nobody"):
        assert part_of(measured, wrong) == ()


async def test_a_period_that_cannot_be_is_refused(guest: httpx.AsyncClient) -> None:
    address = "/api/v1/alerts/performance"
    asked = {"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}
    refused = await guest.get(address, params=asked)
    assert refused.status_code == 400
    assert "end after it begins" in refused.json()["detail"]
    none = await guest.get(address, params={"operators": 0})
    assert (none.status_code, "1 to 1000" in none.text) == (400, True)


@pytest.mark.parametrize(
    ("text", "ms"), [("30d", 2_592_000_000), ("12h", 43_200_000), ("90m", 5_400_000), ("1s", 1_000)]
)
def test_lengths_of_time(text: str, ms: int) -> None:
    assert milliseconds("--since", text) == ms


@pytest.mark.parametrize("text", ["", "30", "0d", "-1d", "1w", "1.5h", "1d "])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--since: .* write e\.g\. 30d"):
        milliseconds("--since", text)
