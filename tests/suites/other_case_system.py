"""What every OtherCaseSystem promises, against a real server that misbehaves.

Each step of a case is there exactly once and in order, whatever the other side does; nothing is
lost. Subclass the suite, and give it a bench.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol

import pytest

from cloud.cases import deliveries, ledger, links
from cloud.cases.courier import Courier
from cloud.cases.deliveries import State
from cloud.core.case_steps import Step
from cloud.core.gate import GatePolicy, decide
from cloud.core.model import Device, Role, Severity
from cloud.ports import OtherCaseSystem
from cloud.state.database import Database
from contract.clock import ManualClock
from tests.cloud.cases.told_cases import SHANGHAI, alert_of
from tests.suites.misbehaving import Fault, Server

DAY_MS = 86_400_000
QUIET = (Fault.REFUSES, Fault.IS_SILENT, Fault.IS_LATE)  # those that a test must help along
NOISY = [fault for fault in Fault if fault is not Fault.REFUSES]


class OtherSide(Protocol):
    """What the server serves."""

    refused: set[str]

    def has(self) -> list[tuple[str, str]]:
        """Return the steps it has, in order."""
        ...


@dataclass
class Bench:
    """A system under test, its other side, and our own cases. refuse: what `refused` is to hold."""

    database: Database
    clock: ManualClock
    server: Server
    side: OtherSide
    system: OtherCaseSystem
    refuse: str
    courier: Courier

    def open_case(self, number: int) -> str:
        """Open a case of its own."""
        alert = alert_of(self.database, number, self.clock.now_ms())
        device = Device(id=alert.device, kind="noise", asset=f"GR-{number}")
        with self.database.write() as connection:
            now_ms = self.clock.now_ms()
            decision = decide(Severity.MEDIUM, "05-08", device, now_ms, GatePolicy())
            return ledger.open_or_attach(connection, alert, decision, now_ms, SHANGHAI)

    def step(self, case: str, step: Step) -> None:
        """Take a step."""
        with self.database.write() as connection:
            seen = ledger.get_case(connection, case).case.version
            now_ms = self.clock.now_ms()
            ledger.step(connection, case, step, "ming", Role.ADMIN, seen, "done", now_ms)

    def waiting(self) -> int:
        with self.database.read() as connection:
            counts = deliveries.counts(connection)
        return sum(n for (_, state), n in counts.items() if state is State.WAITING)

    def until_told(self) -> None:
        """Let time pass until nothing waits."""
        self.until_told_but(0)

    def until_told_but(self, behind: int) -> None:
        """Let time pass until only so many wait, behind what was refused."""
        for _ in range(400):
            told = self.courier.work().told
            self.server.let_go()
            if not told and self.waiting() == behind:
                return
            self.clock.advance_ms(20_000)
        raise AssertionError(f"{self.waiting()} still wait")

    def in_order(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for case, step in self.side.has():
            found[case].append(step)
        return dict(found)


class OtherCaseSystemSuite:
    """Exactly once, in order, nothing lost."""

    def test_steps_are_told_once_and_in_order(self, bench: Bench) -> None:
        first, second = bench.open_case(1), bench.open_case(2)
        bench.step(first, Step.DISPATCH)
        bench.step(first, Step.HANDLE)
        bench.until_told()
        bench.until_told()
        assert bench.in_order() == {first: ["open", "dispatch", "handle"], second: ["open"]}

    @pytest.mark.parametrize("fault", NOISY, ids=lambda fault: fault.name.lower())
    def test_a_fault_of_the_first_call_loses_and_doubles_nothing(
        self, bench: Bench, fault: Fault
    ) -> None:
        case = bench.open_case(1)
        bench.step(case, Step.DISPATCH)
        bench.server.faults.append(fault)
        bench.until_told()
        assert bench.in_order() == {case: ["open", "dispatch"]}

    @pytest.mark.parametrize("fault", NOISY, ids=lambda fault: fault.name.lower())
    def test_nor_does_one_of_the_second(self, bench: Bench, fault: Fault) -> None:
        case = bench.open_case(1)
        bench.until_told()
        bench.step(case, Step.DISPATCH)
        bench.step(case, Step.HANDLE)
        bench.server.faults.append(fault)
        bench.until_told()
        assert bench.in_order() == {case: ["open", "dispatch", "handle"]}

    def test_faults_by_chance(self, bench: Bench) -> None:
        chance = random.Random(7)
        quick = [fault for fault in Fault if fault not in QUIET]
        cases = [bench.open_case(number) for number in (1, 2, 3)]
        for case in cases:
            bench.step(case, Step.DISPATCH)
            bench.step(case, Step.HANDLE)
        bench.server.faults.extend(chance.choice(quick) for _ in range(30))
        bench.until_told()
        assert bench.in_order() == {case: ["open", "dispatch", "handle"] for case in cases}

    def test_killed_between_call_and_mark(self, bench: Bench) -> None:
        case = bench.open_case(1)
        with bench.database.write() as connection:
            deliveries.feed(connection, "other", bench.clock.now_ms())
            found = deliveries.due(connection, "other", bench.clock.now_ms())
            assert found is not None
            claimed = deliveries.claim(connection, found, bench.clock.now_ms() + 120_000)
            assert claimed is not None
            assert deliveries.claim(connection, found, 0) is None  # nobody else has it
        with bench.database.write() as connection:
            link, _ = links.link_of(connection, "other", case, bench.clock.now_ms())
        bench.system.tell(claimed.message, link, again=False)
        assert bench.courier.work().told == 0
        bench.until_told()
        assert bench.in_order() == {case: ["open"]}

    def test_a_refusal_is_kept_and_holds_up_its_own_case_only(self, bench: Bench) -> None:
        bench.side.refused.add(bench.refuse)
        first = bench.open_case(1)
        bench.step(first, Step.DISPATCH)
        bench.until_told_but(1)
        (dead,) = self.dead(bench)
        assert (dead.case, dead.state) == (first, State.DEAD)
        assert "HTTP 4" in dead.error
        bench.side.refused.clear()
        second = bench.open_case(2)
        bench.until_told_but(1)
        assert bench.in_order() == {second: ["open"]}
        with bench.database.write() as connection:
            deliveries.retry(connection, dead.id, "li", bench.clock.now_ms())
        bench.until_told()
        assert bench.in_order() == {second: ["open"], first: ["open", "dispatch"]}

    def test_what_is_given_up_before_it_is_known_there_is_given_up_whole(
        self, bench: Bench
    ) -> None:
        bench.side.refused.add(bench.refuse)
        case = bench.open_case(1)
        bench.step(case, Step.DISPATCH)
        bench.until_told_but(1)
        (dead,) = self.dead(bench)
        with bench.database.write() as connection:
            given = deliveries.give_up(connection, dead.id, "li", "no such category", 5)
        assert len(given) == 2
        bench.side.refused.clear()
        bench.step(case, Step.HANDLE)
        bench.until_told()
        assert bench.in_order() == {}

    def test_down_for_a_day(self, bench: Bench) -> None:
        first = bench.open_case(1)
        bench.courier.work()
        bench.server.stop()
        bench.step(first, Step.DISPATCH)
        later = []
        for hour in range(24):
            if hour % 8 == 0:
                later.append(bench.open_case(10 + hour))
                bench.courier.work()
            bench.clock.advance_ms(DAY_MS // 24)
            bench.courier.work()
        bench.step(first, Step.HANDLE)
        bench.server.start()
        bench.until_told()
        told = bench.in_order()
        assert told.pop(first) == ["open", "dispatch", "handle"]
        assert told == {case: ["open"] for case in later}

    def test_restarted_in_between(self, bench: Bench) -> None:
        case = bench.open_case(1)
        bench.server.faults.append(Fault.CUTS)
        bench.courier.work()
        bench.server.stop()
        bench.courier.work()
        bench.server.start()
        bench.step(case, Step.DISPATCH)
        bench.until_told()
        assert bench.in_order() == {case: ["open", "dispatch"]}

    def dead(self, bench: Bench) -> list[deliveries.Delivery]:
        with bench.database.read() as connection:
            return [each for each in deliveries.unfinished(connection) if each.state is State.DEAD]
