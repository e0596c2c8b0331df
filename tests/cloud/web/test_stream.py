"""The stream over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI

from cloud.state.database import Database
from cloud.web import accounts
from cloud.web.services import Services
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS, served, token_of
from tests.cloud.web.seed import City


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream, as a browser reads it."""

    id: str
    event: str
    data: object


@pytest.fixture
async def address(app: FastAPI) -> AsyncIterator[str]:
    async with served(app) as address, asyncio.timeout(30):
        yield address


@asynccontextmanager
async def following(
    address: str, token: str, last_event_id: str = ""
) -> AsyncIterator[AsyncIterator[Event | str]]:
    """Follow a stream: events, and comments as text."""
    headers = {"Authorization": f"Bearer {token}"}
    if last_event_id:
        headers["Last-Event-ID"] = last_event_id
    async with (
        httpx.AsyncClient(base_url=address, timeout=10) as client,
        client.stream("GET", "/api/v1/stream", headers=headers) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer.aiter_lines())


async def events(lines: AsyncIterator[str]) -> AsyncIterator[Event | str]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line.startswith(":"):
            yield line[1:].strip()
        elif line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


async def next_event(stream: AsyncIterator[Event | str]) -> Event:
    async for each in stream:
        if isinstance(each, Event):
            return each
    raise AssertionError("the stream ended")


async def test_new_values_and_alerts_are_told(address: str, services: Services, city: City) -> None:
    async with following(address, token_of(services, "guest")) as stream:
        assert await anext(stream) == "hello"
        city.write([Reading("noise-01", "noise_la", NOW_MS + 1_000, 61.0)], NOW_MS)
        values = await next_event(stream)
        assert values.event == "values"
        city.alert("gas.high", "gas-02", NOW_MS, 3.4)
        assert {(await next_event(stream)).event for _ in range(2)} == {"alert", "case"}


async def test_there_is_a_sign_of_life(address: str, services: Services) -> None:
    async with following(address, token_of(services, "guest")) as stream:
        assert [await anext(stream), await anext(stream)] == ["hello", "still here"]


async def test_after_a_break_one_goes_on_where_one_was(
    address: str, services: Services, city: City
) -> None:
    token = token_of(services, "guest")
    async with following(address, token) as stream:
        await anext(stream)
        city.write([Reading("noise-01", "noise_la", NOW_MS + 1_000, 61.0)], NOW_MS)
        first = await next_event(stream)
        city.write([Reading("noise-01", "noise_la", NOW_MS + 2_000, 62.0)], NOW_MS)
        second = await next_event(stream)
    async with following(address, token, first.id) as stream:
        await anext(stream)
        assert await next_event(stream) == second


async def test_what_another_process_told_cannot_be_gone_on_from(
    address: str, services: Services
) -> None:
    async with following(address, token_of(services, "guest"), "cafe0001.17") as stream:
        await anext(stream)
        assert (await next_event(stream)).event == "reset"


async def test_the_end_of_the_session_is_the_end_of_the_stream(
    address: str, services: Services, database: Database
) -> None:
    token = token_of(services, "guest")
    async with following(address, token) as stream:
        await anext(stream)
        with database.write() as connection:
            accounts.end_session(connection, token)
        async for each in stream:
            assert each == "still here"


async def test_streams_are_bounded(address: str, services: Services) -> None:
    token = token_of(services, "guest")
    async with following(address, token) as first, following(address, token) as second:
        await anext(first)
        await anext(second)
        async with httpx.AsyncClient(base_url=address) as client:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await client.get("/api/v1/stream", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:gridwarden:problem:too-many-streams"


async def test_a_stream_takes_a_session(address: str) -> None:
    async with httpx.AsyncClient(base_url=address) as client:
        assert (await client.get("/api/v1/stream")).status_code == 401
