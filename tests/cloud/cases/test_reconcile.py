from __future__ import annotations

from collections.abc import Iterator

import pytest

from cloud.cases import deliveries, ledger
from cloud.cases.courier import Courier
from cloud.cases.reconcile import Kind, Reconciled, reconcile
from cloud.cases.systems.http import Caller
from cloud.cases.systems.open311 import Open311
from cloud.cases.systems.open311 import Server as Address
from cloud.core.case_steps import Step
from cloud.state.database import Database
from contract.clock import ManualClock
from tests.suites.misbehaving import Fault, Server
from tests.suites.other_case_system import Bench
from tests.suites.other_sides import City

T0_MS = 1_790_042_400_000


@pytest.fixture
def city() -> City:
    return City(ManualClock(T0_MS))


@pytest.fixture
def bench(database: Database, city: City) -> Iterator[Bench]:
    clock = ManualClock(T0_MS)
    city.clock = clock
    server = Server(city)
    address = Address(url=f"{server.url}/v2", api_key="k", services={"*": "other"}, settle_s=5.0)
    system = Open311(address, Caller(1.0), clock)
    courier = Courier("other", system, database, clock, lambda: 0.5, poll_ms=300_000)
    yield Bench(database, clock, server, city, system, "other", courier)
    server.stop()


def compare(bench: Bench, *, repair: bool = False) -> list[tuple[Kind, str, bool]]:
    found: Reconciled = reconcile(
        bench.database, "other", bench.system, T0_MS, bench.clock.now_ms(), repair=repair
    )
    assert found.asked
    return [(each.kind, each.case, bool(each.repaired)) for each in found.differences]


def notes(bench: Bench, case: str) -> list[str]:
    with bench.database.read() as connection:
        trail = ledger.get_case(connection, case).trail
    return [event.note for event in trail if event.step is Step.ELSEWHERE]


def test_what_was_open_before_is_told_when_repaired(bench: Bench) -> None:
    before = bench.open_case(1)
    bench.courier.work()  # the first round: told from here on
    after = bench.open_case(2)
    bench.until_told()
    assert compare(bench) == [(Kind.UNTOLD, before, False)]
    assert compare(bench, repair=True) == [(Kind.UNTOLD, before, True)]
    assert compare(bench) == []  # it waits
    bench.until_told()
    assert bench.in_order() == {after: ["open"], before: ["open"]}
    assert compare(bench) == []


def test_what_is_lost_there_is_told_again(bench: Bench, city: City) -> None:
    bench.courier.work()
    case = bench.open_case(1)
    bench.until_told()
    city.requests.clear()
    assert compare(bench, repair=True) == [(Kind.LOST, case, True)]
    bench.until_told()
    assert bench.in_order() == {case: ["open"]}
    assert compare(bench) == []


def test_what_is_there_twice_is_told_to_people(bench: Bench, city: City) -> None:
    bench.courier.work()
    case = bench.open_case(1)
    bench.until_told()
    city.requests.append({**city.requests[0], "service_request_id": "9000"})
    assert compare(bench, repair=True) == [(Kind.DOUBLED, case, False)]


def test_what_is_closed_on_one_side(bench: Bench, city: City) -> None:
    bench.courier.work()
    first, second = bench.open_case(1), bench.open_case(2)
    for step in (Step.DISPATCH, Step.HANDLE, Step.VERIFY, Step.CLOSE):
        bench.step(second, step)
    bench.until_told()
    city.requests[0]["status"] = "closed"
    found = [(Kind.CLOSED_THERE, first, True), (Kind.OPEN_THERE, second, False)]
    assert compare(bench, repair=True) == found
    assert notes(bench, first) == ["other: closed"]


def test_status_comes_back_by_polling_once(bench: Bench, city: City) -> None:
    bench.courier.work()
    case = bench.open_case(1)
    bench.until_told()
    bench.courier.poll()
    city.requests[0] |= {"status": "closed", "status_notes": "Fixed.\n"}
    assert bench.courier.poll() == 0  # not yet time
    bench.clock.advance_ms(300_000)
    bench.server.faults.append(Fault.DROPS)
    assert bench.courier.poll() == 0
    bench.clock.advance_ms(300_000)
    assert bench.courier.poll() == 1
    bench.clock.advance_ms(300_000)
    assert bench.courier.poll() == 0
    assert notes(bench, case) == ["other: closed: Fixed."]
    bench.until_told()  # and it is no echo
    assert bench.in_order() == {case: ["open"]}


def test_a_listing_that_is_cut_off_is_asked_for_in_parts(
    bench: Bench, city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.cases.systems.open311.MOST_LISTED", 3)
    city.most = 3
    bench.courier.work()
    for number in range(8):
        bench.open_case(number)
        bench.until_told()
        bench.clock.advance_ms(600_000)
    assert compare(bench) == []


def test_what_we_do_not_know_the_number_of_is_linked(bench: Bench, city: City) -> None:
    bench.courier.work()
    case = bench.open_case(1)
    bench.server.faults.append(Fault.CUTS)
    bench.courier.work()
    with bench.database.write() as connection:
        (stuck,) = deliveries.unfinished(connection)
        found = deliveries.claim(connection, stuck, 0)
        assert found is not None
        deliveries.finish(connection, found, deliveries.State.DONE, T0_MS)
    assert compare(bench, repair=True) == [(Kind.UNLINKED, case, True)]
    assert compare(bench) == []
