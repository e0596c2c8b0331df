from __future__ import annotations

import httpx
import numpy as np
import pytest

from cloud.web.services import Services
from contract.clock import ManualClock, iso_utc
from contract.quality import Quality
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import DEVICES, City


async def test_devices_come_with_place_gateway_and_newest_values(guest: httpx.AsyncClient) -> None:
    answer = await guest.get("/api/v1/devices")
    found = answer.json()
    assert [device["id"] for device in found["items"]] == sorted(d.birth.id for d in DEVICES)
    assert found["next"] is None
    device = found["items"][4]
    assert device["id"] == "manhole-01"
    assert device["name"] == "文化路雨水井盖"
    assert device["place"]["address"] == "文化路 120 号旁"
    assert device["gateway_online"] is True
    assert [value["measurement"] for value in device["latest"]] == ["tilt", "cover_open", "battery"]
    assert device["latest"][0]["unit"] == "deg"
    assert device["latest"][0]["observed_at"].endswith("Z")
    assert device["latest"][0]["stale"] is False


async def test_lists_come_in_pages(guest: httpx.AsyncClient) -> None:
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(4):
        answer = await guest.get("/api/v1/devices", params={"limit": 3, "cursor": cursor})
        page = answer.json()
        seen += [device["id"] for device in page["items"]]
        cursor = page["next"]
    assert cursor is None
    assert seen == sorted(d.birth.id for d in DEVICES)


async def test_filters(guest: httpx.AsyncClient) -> None:
    gas = (await guest.get("/api/v1/devices", params={"kind": "gas"})).json()
    assert [device["id"] for device in gas["items"]] == ["gas-01", "gas-02"]
    other = (await guest.get("/api/v1/devices", params={"gateway": "elsewhere"})).json()
    assert other["items"] == []
    assert (await guest.get("/api/v1/devices", params={"kind": "trees"})).status_code == 422


async def test_a_value_becomes_stale_and_says_so(
    guest: httpx.AsyncClient, clock: ManualClock
) -> None:
    clock.advance_ms(60_000)
    latest = (await guest.get("/api/v1/devices/noise-01/latest")).json()
    assert [value["stale"] for value in latest] == [True, True, True]


async def test_quality_travels_with_the_value(
    guest: httpx.AsyncClient, city: City, clock: ManualClock
) -> None:
    fault = Reading("gas-01", "gas_pressure", NOW_MS, None, Quality.FAULT | Quality.CLOCK_UNSURE)
    city.write([fault], NOW_MS)
    latest = (await guest.get("/api/v1/devices/gas-01/latest")).json()
    assert (latest[0]["value"], latest[0]["quality"]) == (None, "Du")


async def test_what_is_not_there_is_named(guest: httpx.AsyncClient) -> None:
    answer = await guest.get("/api/v1/devices/noise-99")
    assert answer.status_code == 404
    assert answer.json()["detail"] == "there is no device 'noise-99'"
    answer = await guest.get("/api/v1/devices/gas-01/series", params={"measurement": "tsp"})
    assert answer.status_code == 404
    assert answer.json()["detail"].endswith("it has: gas_pressure, gas_temperature")


async def test_series_raw_and_stepped_by_the_quantitys_own_average(
    guest: httpx.AsyncClient, services: Services, city: City
) -> None:
    at_ms = NOW_MS + 60_000
    levels = (50.0, 70.0, 55.0)
    city.write(
        [Reading("noise-01", "noise_laeq", at_ms + i * 100, v) for i, v in enumerate(levels)],
        at_ms,
    )
    window = {"from": iso_utc(at_ms), "to": iso_utc(at_ms + 1_000), "measurement": "noise_laeq"}
    raw = (await guest.get("/api/v1/devices/noise-01/series", params=window)).json()
    assert raw["at_ms"] == [at_ms, at_ms + 100, at_ms + 200]
    assert raw["value"] == list(levels)
    assert raw["quality"] == ["", "", ""]
    assert (raw["unit"], raw["averaging"], raw["step_s"]) == ("dB(A)", "energy", None)
    answer = await guest.get("/api/v1/devices/noise-01/series", params={**window, "step_s": "1"})
    stepped = answer.json()
    by_energy = 10 * np.log10(np.mean(10 ** (np.array(levels) / 10)))
    assert stepped["at_ms"] == [at_ms]
    assert stepped["value"] == pytest.approx([by_energy])
    assert (stepped["minimum"], stepped["maximum"], stepped["readings"]) == ([50.0], [70.0], [3])


async def test_the_last_hour_is_the_default(guest: httpx.AsyncClient) -> None:
    answer = await guest.get("/api/v1/devices/dust-01/series?measurement=pm10")
    at_ms = answer.json()["at_ms"]
    assert min(at_ms) >= NOW_MS - 3_600_000
    assert max(at_ms) <= NOW_MS


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({"from": "2026-09-21T10:00:00Z", "to": "2026-09-21T10:00:00Z"}, 400, "must lie before"),
        ({"from": "2026-01-01T00:00:00Z"}, 400, "more than 7 days"),
        ({"from": "2026-01-01T00:00:00Z", "step_s": "1"}, 400, "more than 20000 points"),
        ({"step_s": "0"}, 422, "greater than 0"),
        ({"from": "2026-09-21T10:00:00"}, 422, "timezone"),
        ({"from": "yesterday"}, 422, "datetime"),
    ],
)
async def test_ranges_that_cannot_be_answered(
    guest: httpx.AsyncClient, params: dict[str, str], status: int, words: str
) -> None:
    answer = await guest.get(
        "/api/v1/devices/dust-01/series", params={"measurement": "pm10", **params}
    )
    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_which_rules_apply_to_a_device(guest: httpx.AsyncClient, services: Services) -> None:
    found = (await guest.get("/api/v1/devices/noise-01/rules")).json()
    assert {each["rule"] for each in found} <= set(services.rules.by_id)
    standings = {each["standing"] for each in found}
    assert "applies" in standings
    for each in found:
        assert bool(each["key"]) == (each["standing"] in ("not_selected", "other_measurement"))
    assert (await guest.get("/api/v1/devices/nobody/rules")).status_code == 404
