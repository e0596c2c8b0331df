from __future__ import annotations

import httpx
import pytest

from cloud.durations import milliseconds
from contract.errors import ConfigError


async def test_the_figures_of_the_made_up_city(guest: httpx.AsyncClient) -> None:
    found = (await guest.get("/api/v1/alerts/performance")).json()
    alerts = (await guest.get("/api/v1/alerts?limit=500")).json()["items"]
    assert found["times"] >= len(alerts) > 0
    assert [figure["key"] for figure in found["figures"]][:3] == ["rate", "busy", "flood"]
    told = {alert for one in found["top"] for alert in one["alerts"]}
    assert told <= {alert["id"] for alert in alerts}
    assert sum(one["times"] for one in found["top"]) <= found["times"]
    assert sum(found["by_operator"].values()) == found["times"]


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
