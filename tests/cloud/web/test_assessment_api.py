from __future__ import annotations

import httpx


async def test_the_figures_of_the_made_up_city_and_their_cases(guest: httpx.AsyncClient) -> None:
    address = "/api/v1/cases/assessment"
    cases = (await guest.get("/api/v1/cases?limit=500")).json()["items"]
    asked = {"from": "2020-02-01T00:00:00Z", "to": "2020-03-01T00:00:00Z"}
    assert (await guest.get(address, params=asked)).json()["total"]["figures"][0]["value"] == 0
    name = cases[0]["opened_at"][:7]
    found = (await guest.get(address, params={"month": name, "by": "category"})).json()
    opened = found["total"]["figures"][0]
    assert (opened["key"], opened["title"]) == ("opened", "立案数")
    assert 0 < opened["value"] <= len(cases)
    assert sum(group["figures"][0]["value"] for group in found["groups"]) == opened["value"]
    group = found["groups"][0]
    named = {"month": name, "by": "category", "figure": "opened", "key": group["key"]}
    told = (await guest.get(f"{address}/cases", params=named)).json()
    assert len(told["numerator"]) == group["figures"][0]["value"]
    assert set(told["numerator"]) <= {case["id"] for case in cases}


async def test_what_cannot_be_assessed_is_refused(guest: httpx.AsyncClient) -> None:
    address = "/api/v1/cases/assessment"
    refused = await guest.get(address, params={"month": "October"})
    assert (refused.status_code, "write it as 2026-10" in refused.text) == (400, True)
    none = await guest.get(f"{address}/cases", params={"figure": "good"})
    assert (none.status_code, "handled_in_time" in none.text) == (404, True)
    assert (await guest.get(address, params={"by": "moon"})).status_code == 422
