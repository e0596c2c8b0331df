"""The suite of other case systems, run on every one that is told steps."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.cases.courier import Courier
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311
from cloud.cases.systems.open311 import Server as Address
from cloud.cases.systems.webhook import Webhook
from cloud.ports import OtherCaseSystem
from cloud.state.database import Database
from contract.clock import ManualClock
from tests.suites.misbehaving import Server
from tests.suites.other_case_system import Bench, OtherCaseSystemSuite
from tests.suites.other_sides import City, Sink

SECRET = "a secret of thirty-two characters"
T0_MS = 1_790_042_400_000
TIMEOUT_S = 0.25


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(T0_MS)


def bench_of(
    database: Database,
    clock: ManualClock,
    server: Server,
    side: City | Sink,
    system: OtherCaseSystem,
    refuse: str,
) -> Bench:
    courier = Courier("other", system, database, clock, lambda: 0.5)
    bench = Bench(database, clock, server, side, system, refuse, courier)
    bench.courier.work()  # from here on it is told
    return bench


@pytest.fixture
def webhook(database: Database, clock: ManualClock) -> Iterator[Bench]:
    sink = Sink(SECRET)
    server = Server(sink)
    system = Webhook(f"{server.url}/hook", SECRET, "urn:test", Caller(TIMEOUT_S), clock)
    yield bench_of(database, clock, server, sink, system, "05-08")
    server.stop()


def open311_bench(database: Database, clock: ManualClock, city: City) -> Iterator[Bench]:
    server = Server(city)
    address = Address(
        url=f"{server.url}/v2",
        api_key="k",
        services={"05-08": "noise", "*": "other"},
        updates=True,
        settle_s=30.0,
        form=city.form,
    )
    system = Open311(address, Caller(TIMEOUT_S), clock)
    yield bench_of(database, clock, server, city, system, "noise")
    server.stop()


class TestWebhook(OtherCaseSystemSuite):
    @pytest.fixture
    def bench(self, webhook: Bench) -> Bench:
        return webhook


class TestOpen311InJson(OtherCaseSystemSuite):
    @pytest.fixture
    def bench(self, database: Database, clock: ManualClock) -> Iterator[Bench]:
        yield from open311_bench(database, clock, City(clock))


class TestOpen311InXmlWithTokens(OtherCaseSystemSuite):
    @pytest.fixture
    def bench(self, database: Database, clock: ManualClock) -> Iterator[Bench]:
        city = City(clock, form="xml", echoes=True, tokens=2)
        yield from open311_bench(database, clock, city)
