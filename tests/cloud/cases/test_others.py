"""The threads that serve other systems, as the cloud runs them; and what they are not told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from cloud import app as build
from cloud.cases import ledger, others, service_requests
from cloud.cases.courier import Courier
from cloud.cases.formulas import load_versions
from cloud.cases.steps import Given, take
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311
from cloud.cases.systems.open311 import Server as Address
from cloud.config import load
from cloud.core.case_roles import Actor, CaseRole
from cloud.core.case_steps import Step
from cloud.core.open311 import SERVICES, Wanted
from cloud.state import schema
from cloud.state.database import Database
from contract.clock import ManualClock, SystemClock
from tests.cloud.cases.told_cases import SHANGHAI, open_case
from tests.suites.misbehaving import Server
from tests.suites.other_sides import City, Sink

CONFIG = """
data: d
broker: {host: h}
case_systems:
  grid: {kind: webhook, url: URL/hook, secret_file: secret}
  province: {kind: exchange, mapping: province.yaml, folder: out, every_h: 0.00001}
"""
SECRET = "a secret of thirty-two characters"


def until(fulfilled: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + 30
    while not fulfilled():
        assert time.monotonic() < ends_s
        time.sleep(0.02)


@pytest.fixture
def sink() -> Iterator[tuple[Sink, Server]]:
    side = Sink(SECRET)
    server = Server(side)
    yield side, server
    server.stop()


def test_each_is_served_by_a_thread_of_its_own(
    tmp_path: Path, sink: tuple[Sink, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "EVERY_S", 0.05)
    side, server = sink
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "province.yaml").write_text("format: csv\ncases: {fields: [{to: A, from: id}]}\n")
    (tmp_path / "out").mkdir()
    path = tmp_path / "cloud.yaml"
    path.write_text(CONFIG.replace("URL", server.url))
    config, clock, stop = load(path), SystemClock(), threading.Event()
    database = build.initialise(config)
    tasks = others.tasks(config.case_systems, database, clock, SHANGHAI, load_versions(), stop)
    assert list(tasks) == ["cases-grid", "cases-province"]
    threads = [threading.Thread(target=task, name=name) for name, task in tasks.items()]
    try:
        for thread in threads:
            thread.start()
        until(lambda: _is_known(database, "grid") and _is_known(database, "province"))
        case = open_case(database, 1, clock.now_ms())
        until(lambda: side.has() == [(case, "open")])
        until(lambda: any((tmp_path / "out").glob("province-cases-*.csv")))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        database.close()


def _is_known(database: Database, system: str) -> bool:
    table = schema.case_systems
    with database.read() as connection:
        return connection.scalar(sa.select(table.c.name).where(table.c.name == system)) is not None


def test_a_report_is_filed_elsewhere_once_it_is_accepted_and_never_if_it_is_refused(
    database: Database,
) -> None:
    clock = ManualClock(1_790_042_400_000)
    city = City(clock)
    server = Server(city)
    address = Address(url=f"{server.url}/v2", api_key="k", services={"*": "x"}, updates=True)
    courier = Courier("other", Open311(address, Caller(5.0), clock), database, clock, lambda: 0.5)
    courier.work()
    desk = Actor(name="desk", roles=frozenset(CaseRole))
    wanted = Wanted(
        service=SERVICES["05-08"],
        description="loud",
        latitude=34.7,
        longitude=113.6,
        address="",
        address_id="",
        reference="",
        asset="",
        attributes={},
        fields={},
    )

    def report() -> str:
        with database.write() as connection:
            return service_requests.file(connection, wanted, "app", clock.now_ms(), SHANGHAI)

    def decide(case: str, step: Step) -> None:
        with database.write() as connection:
            seen = ledger.get_case(connection, case).case.version
            take(connection, case, step, desk, seen, Given(note="looked at"), clock.now_ms())

    try:
        accepted, refused = report(), report()
        courier.work()
        assert city.has() == []
        decide(accepted, Step.ACCEPT)
        decide(refused, Step.REFUSE)
        decide(accepted, Step.DISPATCH)
        courier.work()
        assert city.has() == [(accepted, "open"), (accepted, "dispatch")]
    finally:
        server.stop()
