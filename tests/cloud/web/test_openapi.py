"""The description of the API is complete: what it promises is there, and what is there is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest

DOCS = Path(__file__).parents[3] / "docs" / "api.md"
OPEN = ("login",)  # operations that take no session


@pytest.fixture
async def schema(stranger: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await stranger.get("/api/v1/openapi.json")).json()
    return found


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def nested(value: object) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nested(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nested(inner)


async def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    for part in nested(schema):
        target = part.get("$ref")
        if isinstance(target, str):
            found: Any = schema
            for step in target.removeprefix("#/").split("/"):
                found = found[step]


async def test_every_schema_is_one(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    for each in schema["components"]["schemas"].values():
        jsonschema_rs.meta.validate({**each, "components": schema["components"]})


async def test_every_operation_is_described(schema: dict[str, Any]) -> None:
    for method, path, operation in operations(schema):
        assert operation["description"], (method, path)
        assert operation["tags"], (method, path)
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (method, path, parameter["name"])


async def test_every_operation_tells_its_problems_and_how_to_sign_in(
    schema: dict[str, Any],
) -> None:
    for method, path, operation in operations(schema):
        assert {"401", "422", "503"} <= set(operation["responses"]), (method, path)
        for status, answer in operation["responses"].items():
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (path, status)
        if operation["operationId"] not in OPEN:
            names = {name for each in operation["security"] for name in each}
            assert names == {"session", "token"}, (method, path)


async def test_operations_have_names_of_their_own(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(schema)]
    assert len(names) == len(set(names))


async def test_every_operation_is_documented(schema: dict[str, Any]) -> None:
    text = DOCS.read_text(encoding="utf-8")
    for method, path, _ in operations(schema):
        assert f"`{method.upper()} {path}`" in text, (method, path)


async def test_times_are_named_and_formatted_as_such(schema: dict[str, Any]) -> None:
    schemas = schema["components"]["schemas"]
    assert schemas["LatestValue"]["properties"]["observed_at"]["format"] == "date-time"
    assert schemas["CaseEvent"]["properties"]["at"]["format"] == "date-time"
    names = {name for each in schemas.values() for name in each.get("properties", {})}
    assert {name for name in names if name.endswith("_ms")} == {"at_ms"}  # of the long lists
    assert not {name for name in names if name.endswith("at_at")}


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/api/v1/docs", "/api/v1/redoc"])
async def test_pages_that_fetch_scripts_from_the_internet_are_not_served(
    op: httpx.AsyncClient, path: str
) -> None:
    assert (await op.get(path)).status_code in (303, 404)


async def test_answers_fit_their_schemas(schema: dict[str, Any], op: httpx.AsyncClient) -> None:
    """What is really answered is what was promised, member by member."""
    addresses = {
        "/devices": "/devices",
        "/devices/{device}": "/devices/noise-01",
        "/devices/{device}/latest": "/devices/noise-01/latest",
        "/devices/{device}/series": "/devices/noise-01/series?measurement=noise_laeq&step_s=60",
        "/devices/{device}/statistics": "/devices/dust-01/statistics?measurement=pm10",
        "/alerts": "/alerts",
        "/cases": "/cases",
        "/gateways": "/gateways",
        "/gateways/{gateway}": "/gateways/demo-cabinet",
        "/quarantine": "/quarantine",
        "/me": "/me",
    }
    alert = (await op.get("/api/v1/alerts")).json()["items"][0]["id"]
    case = (await op.get("/api/v1/cases")).json()["items"][0]["id"]
    addresses |= {"/alerts/{alert}": f"/alerts/{alert}", "/cases/{case}": f"/cases/{case}"}
    for path, address in addresses.items():
        promised = schema["paths"][path]["get"]["responses"]["200"]["content"]
        validator = jsonschema_rs.Draft202012Validator(
            {**promised["application/json"]["schema"], "components": schema["components"]}
        )
        answer = (await op.get(f"/api/v1{address}")).json()
        assert [str(error) for error in validator.iter_errors(answer)] == [], path
