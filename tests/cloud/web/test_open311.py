"""Our Open311 server, read by a client of others and filed into by our own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from xml.etree import ElementTree as ET

import httpx
import pytest
import sqlalchemy as sa
from anyio.to_thread import run_sync
from fastapi import FastAPI
from georeport import GeoReport

from cloud.cases import deliveries, ledger, rows, service_requests
from cloud.cases.courier import Courier
from cloud.cases.settings import Open311Service
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311, Server
from cloud.core import open311_text
from cloud.core.case_steps import Label, State, Step
from cloud.core.grid import parse_grid
from cloud.core.open311 import SERVICES
from cloud.core.open311_text import Value
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.app import create_app
from cloud.web.services import Services
from contract.clock import ManualClock
from tests.cloud.core.test_grid import feature, grid, square
from tests.cloud.web.conftest import NOW_MS, asgi, served

GOOD = {"service_code": "05-08", "lat": "34.7466", "long": "113.6253", "description": "夜里太吵"}
V2 = "/open311/v2"


@pytest.fixture
def key(database: Database) -> str:
    with database.write() as connection:
        return service_requests.add_key(connection, "app", "test", NOW_MS)


@pytest.fixture
def open_app(services: Services) -> FastAPI:
    settings = Open311Service(enabled=True, contact="12319", jurisdiction="zz.example")
    return create_app(replace(services, open311=settings), console=False)


@pytest.fixture
async def client(open_app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with asgi(open_app) as opened:
        yield opened


async def file(client: httpx.AsyncClient, key: str, **change: str) -> httpx.Response:
    return await client.post(f"{V2}/requests.json", data={**GOOD, "api_key": key, **change})


def errors(answer: httpx.Response) -> list[tuple[int, str]]:
    found = [(each["code"], each["description"]) for each in answer.json()]
    assert found[0][0] == answer.status_code
    return found


def case_of(database: Database, number: str) -> ledger.CaseDetail:
    with database.read() as connection:
        return ledger.get_case(connection, number)


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_a_client_of_others_reads_it(open_app: FastAPI, key: str, form: str) -> None:
    """PyPI's georeport."""
    async with served(open_app) as url, httpx.AsyncClient(base_url=url) as client:
        number = (await file(client, key)).json()[0]["service_request_id"]
        geo = GeoReport(f"{url}{V2}", jurisdiction="zz.example", output_format=form)
        services = await run_sync(geo.get_service_list)
        assert {each["service_code"] for each in services} == set(SERVICES)
        definition = await run_sync(geo.get_service_definition, "C01-02")
        attributes = definition["attributes"]
        if form == "xml":
            attributes = attributes["attribute"]
        assert [each["code"] for each in attributes] == [
            "case_id",
            "asset",
            "keyword",
            "area",
            "pollution_source",
            "condition",
        ]
        found = await run_sync(geo.get_service_requests)
        assert len(found) == 7
        one = await run_sync(geo.get_service_request, number)
        assert one["service_request_id"] == number
        assert one["description"] == "夜里太吵"
        assert one["status"] == "open"
        assert float(one["lat"]) == 34.7466


async def test_discovery_names_its_own_address(client: httpx.AsyncClient) -> None:
    found = (await client.get(f"{V2}/discovery.json")).json()
    assert found["contact"] == "12319"
    (endpoint,) = found["endpoints"]
    assert endpoint["url"] == "http://city.example/open311/v2"
    assert endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2"
    xml = await client.get(f"{V2}/discovery.xml")
    assert xml.headers["content-type"] == "text/xml; charset=utf-8"
    assert xml.text.startswith('<?xml version="1.0" encoding="utf-8"?>')
    assert ET.fromstring(xml.content).findtext("endpoints/endpoint/formats/format") == "text/xml"


async def test_the_ledger_as_requests(client: httpx.AsyncClient) -> None:
    async def numbers(**params: str) -> list[str]:
        answer = await client.get(f"{V2}/requests.json", params=params)
        return [each["service_code"] for each in answer.json()]

    everything = await numbers()
    assert len(everything) == 6
    assert len(await numbers(status="open")) == 5
    assert len(await numbers(status="closed")) == 1
    assert await numbers(status="open,closed") == everything
    some = everything[0]
    assert set(await numbers(service_code=some)) == {some}
    assert await numbers(start_date="2026-01-01T00:00:00Z", end_date="2026-02-01T00:00:00Z") == []
    assert await numbers(service_request_id="none,nothing") == []


async def test_what_a_request_looks_like(client: httpx.AsyncClient) -> None:
    one = (await client.get(f"{V2}/requests.json")).json()[0]
    assert isinstance(one["service_request_id"], str)
    for name in ("requested_datetime", "updated_datetime", "expected_datetime"):
        assert datetime.fromisoformat(one[name]).utcoffset() is not None
    again = (await client.get(f"{V2}/requests/{one['service_request_id']}.json")).json()
    assert again == [one]
    listed = await client.get(
        f"{V2}/requests.json", params={"service_request_id": one["service_request_id"]}
    )
    assert listed.json() == [one]


async def test_a_long_list_is_put_together_off_the_event_loop(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand requests take a while: nobody else waits for them."""
    threads: list[threading.Thread] = []
    shape = rows.case_of

    def note(row: sa.Row[tuple[object, ...]]) -> ledger.Case:
        threads.append(threading.current_thread())
        return shape(row)

    def write(root: str, value: Value, form: str) -> bytes:
        threads.append(threading.current_thread())
        return open311_text.write(root, value, form)

    monkeypatch.setattr(service_requests, "case_of", note)
    monkeypatch.setattr("cloud.web.open311.write", write)
    for form in ("json", "xml"):
        assert (await client.get(f"{V2}/requests.{form}")).status_code == 200
    assert len(threads) == 14
    assert threading.main_thread() not in threads


# --- filing ------------------------------------------------------------------------------------


async def test_a_request_waits_to_be_accepted(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    answer = await file(client, key, phone="13800000000", account_id="u7")
    assert answer.status_code == 200
    (filed,) = answer.json()
    assert filed["account_id"] == "u7"
    found = case_of(database, filed["service_request_id"])
    assert (found.case.state, found.case.source) == (State.REPORTED, "open311")
    assert (found.case.latitude, found.case.longitude) == (34.7466, 113.6253)
    assert [(event.step, event.note) for event in found.trail] == [(Step.REPORT, "app: 夜里太吵")]
    shown = await client.get(f"{V2}/requests/{found.case.id}.json")
    assert "13800000000" not in shown.text
    token = await client.get(f"{V2}/tokens/{found.case.id}.json")
    assert token.json()[0]["service_request_id"] == found.case.id


async def test_what_was_told_by_telephone_is_not_for_everybody(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    answer = await file(client, key, description="王女士，13800000000")
    number = answer.json()[0]["service_request_id"]
    (told,) = (await client.get(f"{V2}/requests/{number}.json")).json()
    assert told["description"] == "王女士，13800000000"
    with database.write() as connection:
        cases = schema.cases
        connection.execute(sa.update(cases).where(cases.c.id == number).values(source="phone"))
    (hidden,) = (await client.get(f"{V2}/requests/{number}.json")).json()
    assert "13800000000" not in hidden["description"]
    assert hidden["description"]
    assert hidden["address"] is None


async def test_the_same_reference_is_the_same_request(client: httpx.AsyncClient, key: str) -> None:
    told = {"attribute[case_id]": "A-7"}
    first = (await file(client, key, **told)).json()[0]["service_request_id"]
    assert (await file(client, key, **told)).json()[0]["service_request_id"] == first
    other = {"attribute[case_id]": "A-8"}
    assert (await file(client, key, **other)).json()[0]["service_request_id"] != first


async def test_an_asset_with_an_open_case_has_one(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    told = {"attribute[asset]": "MH-9"}
    first = (await file(client, key, **told)).json()[0]["service_request_id"]
    assert (await file(client, key, **told)).json()[0]["service_request_id"] == first
    trail = case_of(database, first).trail
    assert [event.step for event in trail] == [Step.REPORT, Step.ATTACH]


async def test_a_request_in_xml(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.post(f"{V2}/requests.xml", data={**GOOD, "api_key": key})
    root = ET.fromstring(answer.content)
    assert root.tag == "service_requests"
    assert root.findtext("request/service_request_id")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"api_key": ""}, [(403, "api_key was not provided")]),
        ({"api_key": "guess"}, [(403, "api_key is not one of ours")]),
        ({"jurisdiction_id": "elsewhere"}, [(404, "jurisdiction_id 'elsewhere' was not found")]),
        ({"service_code": ""}, [(400, "service_code was not provided")]),
        ({"service_code": "99"}, [(404, "service_code '99' was not found")]),
        ({"lat": ""}, [(400, "lat is missing")]),
        ({"description": " "}, [(400, "description was not provided")]),
        (
            {"attribute[area]": "x" * 201},
            [(400, "tags: allowed are keyword, area, pollution_source, of 200 characters")],
        ),
    ],
)
async def test_a_request_with_something_missing_is_refused_by_the_rule(
    client: httpx.AsyncClient,
    key: str,
    database: Database,
    change: dict[str, str],
    told: list[tuple[int, str]],
) -> None:
    assert errors(await file(client, key, **change)) == told
    with database.read() as connection:
        count = sa.select(sa.func.count()).select_from(schema.cases)
        assert connection.scalar(count) == 6


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/requests/none.json", 404),
        ("GET", "/services/none.json", 404),
        ("GET", "/tokens/none.json", 404),
        ("GET", "/requests.yaml", 404),
        ("GET", "/requests", 404),
        ("GET", "/nothing.json", 404),
        ("GET", "/requests.json?status=done", 400),
        ("GET", "/requests.json?start_date=yesterday", 400),
        ("GET", "/services.json?jurisdiction_id=elsewhere", 404),
        ("DELETE", "/requests.json", 400),
        ("POST", "/requests.json", 400),
        ("POST", "/servicerequestupdates.json", 400),
    ],
)
async def test_every_refusal_is_an_array(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, f"{V2}{path}")
    assert answer.status_code == status
    if path.partition("?")[0].endswith(".json"):
        assert errors(answer)
    else:
        root = ET.fromstring(answer.content)
        assert (root.tag, root.findtext("error/code")) == ("errors", str(status))


async def test_a_body_that_is_too_large_or_has_no_length(client: httpx.AsyncClient) -> None:
    answer = await client.post(f"{V2}/requests.json", content=b"x" * (1 << 21))
    assert errors(answer)[0][0] == 400


async def test_it_is_closed_unless_it_is_opened(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get(f"{V2}/services.json")
    assert answer.status_code == 404


def in_cells(services: Services, **policy: object) -> FastAPI:
    cells = parse_grid(grid(feature("A", square(113, 34), unit="金水")))
    settings = Open311Service(enabled=True)
    within = replace(services.policy, cells=cells, **policy)  # type: ignore[arg-type]
    return create_app(replace(services, open311=settings, policy=within), console=False)


async def test_a_request_keeps_the_rules_of_the_city(
    services: Services, key: str, database: Database
) -> None:
    """Cells, units and tags, as for a report that the city itself took down."""
    async with asgi(in_cells(services, outside_refused=True)) as client:
        refused = await file(client, key, lat="1.0")
        assert errors(refused) == [(400, "the place is outside every cell of the area grid")]
        told = {"attribute[keyword]": "噪声", "attribute[pollution_source]": "KTV"}
        (filed,) = (await file(client, key, **told)).json()
    case = case_of(database, filed["service_request_id"]).case
    assert (case.cell, case.unit) == ("A", "金水")
    assert case.tags == {"keyword": "噪声", "pollution_source": "KTV"}


async def test_the_services_are_the_categories_of_the_city(services: Services, key: str) -> None:
    ours = {"05-08": SERVICES["05-08"].label, "99-01": Label(zh="其他", en="other")}
    async with asgi(in_cells(services, categories=ours)) as client:
        listed = (await client.get(f"{V2}/services.json")).json()
        assert [each["service_code"] for each in listed] == ["05-08", "99-01"]
        assert (await file(client, key, service_code="99-01")).status_code == 200
        other = await file(client, key, service_code="01-05")
        assert errors(other) == [(404, "service_code '01-05' was not found")]


async def test_a_cover_is_described_by_its_condition(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    told = {"service_code": "C01-02", "description": "", "attribute[condition]": "missing"}
    (filed,) = (await file(client, key, **told)).json()
    assert case_of(database, filed["service_request_id"]).case.description == "缺失 missing"


async def test_too_many_posts_wait_by_key_and_by_address(
    services: Services, key: str, clock: ManualClock
) -> None:
    settings = Open311Service(enabled=True, posts_per_minute=2)
    app = create_app(replace(services, open311=settings), console=False)
    async with asgi(app) as client:
        for _ in range(2):
            assert (await file(client, key)).status_code == 200
        stopped = await file(client, key)
        assert errors(stopped) == [(429, "api_key has posted too often; try again in 60 s")]
        assert stopped.headers["retry-after"] == "60"
        for _ in range(7):
            assert (await file(client, "guess")).status_code == 403
        assert errors(await file(client, "guess"))[0][1].startswith("this address has posted")
        assert (await client.get(f"{V2}/requests.json")).status_code == 200
        clock.advance_ms(60_000)
        assert (await file(client, key)).status_code == 200


# --- updates -----------------------------------------------------------------------------------


async def test_updates_go_both_ways(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    number = (await file(client, key)).json()[0]["service_request_id"]
    said = {
        "api_key": key,
        "service_request_id": number,
        "update_id": "u1",
        "status": "CLOSED",
        "description": "quiet again",
    }
    first = await client.post(f"{V2}/servicerequestupdates.json", data=said)
    again = await client.post(f"{V2}/servicerequestupdates.json", data=said)
    assert first.json() == again.json()
    trail = case_of(database, number).trail
    assert [event.note for event in trail[1:]] == ["app: closed: quiet again"]
    listed = (await client.get(f"{V2}/servicerequestupdates.json")).json()
    assert {each["status"] for each in listed} == {"OPEN", "CLOSED"}
    not_theirs = await client.get(f"{V2}/requests.json")
    other = next(
        each["service_request_id"]
        for each in not_theirs.json()
        if each["service_request_id"] != number
    )
    refused = await client.post(
        f"{V2}/servicerequestupdates.json", data={**said, "service_request_id": other}
    )
    assert errors(refused)[0][0] == 404


# --- our own client files into it --------------------------------------------------------------


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_our_own_client_files_into_it(
    open_app: FastAPI, key: str, database: Database, services: Services, form: str
) -> None:
    """One city's ledger tells another city's: the six cases that it has."""
    clock = ManualClock(NOW_MS)
    async with served(open_app) as url:
        address = Server(
            url=f"{url}{V2}",
            api_key=key,
            jurisdiction="zz.example",
            form=form,
            services={"*": "05-08"},
            updates=True,
        )
        system = Open311(address, Caller(10.0), clock)
        with database.write() as connection:
            connection.execute(sa.insert(schema.case_systems).values(name="peer", event=0))
        courier = Courier("peer", system, database, clock, lambda: 0.5)
        with database.write() as connection:  # what arrives is not told again: it is one ledger
            deliveries.feed(connection, "peer", NOW_MS)
            connection.execute(
                sa.update(schema.case_systems)
                .where(schema.case_systems.c.name == "peer")
                .values(event=10**9)
            )
        done = await run_sync(courier.work)
        assert (done.dead, done.failed) == (0, 0)
        assert done.told >= 6
        listed = await run_sync(system.listing, NOW_MS - 86_400_000, NOW_MS + 1_000)
    theirs = [each for each in listed or () if each.case]
    assert len(theirs) == len({each.case for each in theirs})
    with database.read() as connection:
        told = schema.case_deliveries
        assert not connection.scalar(
            sa.select(sa.func.count()).select_from(told).where(told.c.state != "done")
        )


# --- keys --------------------------------------------------------------------------------------


async def test_a_key_that_is_removed_files_nothing(
    client: httpx.AsyncClient, key: str, database: Database
) -> None:
    with database.write() as connection:
        assert service_requests.keys(connection) == ["app"]
        service_requests.remove_key(connection, "app", "test", NOW_MS)
    assert errors(await file(client, key))[0][0] == 403
    with database.write() as connection:
        with pytest.raises(NotFoundError):
            service_requests.remove_key(connection, "app", "test", NOW_MS)
        with pytest.raises(InvalidError, match="key name 'App!'"):
            service_requests.add_key(connection, "App!", "test", NOW_MS)
        service_requests.add_key(connection, "app", "test", NOW_MS)
        with pytest.raises(ConflictError):
            service_requests.add_key(connection, "app", "test", NOW_MS)
