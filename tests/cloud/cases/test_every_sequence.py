"""No sequence of events leaves the table, loses an alert, or opens two cases of one matter.

On SQLite and on PostgreSQL; by hypothesis one after another, and by 20 writers at once.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from cloud import alert_rows
from cloud.alerts import Alert
from cloud.cases import ledger, matters, sealing
from cloud.cases.rows import event_of
from cloud.cases.steps import Given, take
from cloud.cases.timers import tick
from cloud.core.case_steps import OPEN_STATES, STEPS, TRANSITIONS, State, Step
from cloud.core.gate import decide
from cloud.state import schema
from cloud.state.database import Database, retrying, sqlite_url
from cloud.state.migrate import migrate
from contract.errors import RejectedError
from tests.cloud.alert_kit import SERIES_A, SERIES_B, SERIES_GAS, T0_MS, began, ended, fill
from tests.cloud.cases.case_kit import (
    ANYBODY,
    CREW,
    DAY_MS,
    DESK,
    INSPECTOR,
    MANAGER,
    NOISE,
    POLICY,
    SHANGHAI,
    say,
)
from tests.postgres import Postgres, programs, running

WRITERS = 20
PEOPLE = (ANYBODY, CREW, DESK, INSPECTOR, MANAGER)
STEPS_OF_PEOPLE = [step for step in Step if STEPS[step].who and not STEPS[step].apart]
ASSETS = ("GR-1", "GR-2")
BEGINNINGS = (Step.OPEN, Step.REPORT)

Choose = Callable[[int], int]  # a number below another


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    with running(folder) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Database]]:
    """Make empty databases of the kind."""
    opened: list[Database] = []

    def make() -> Database:
        if request.param == "sqlite":
            url = sqlite_url(tmp_path / f"{len(opened)}.sqlite")
        else:
            server: Postgres = request.getfixturevalue("postgres")
            url = server.url()
        database = Database(url)
        opened.append(database)
        migrate(database)
        fill(database)
        return database

    yield make
    for each in opened:
        each.close()


class Town:
    """Alerts and people, who do things to cases at random."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.alerts: list[Alert] = []
        self.told: set[str] = set()  # the alerts that the ledger took
        for number, series in enumerate((SERIES_A, SERIES_B, SERIES_GAS)):
            for rule in ("loud", "very-loud"):
                self.alerts.append(say(database, began(number, series=series, rule=rule)))

    def act(self, choose: Choose, now_ms: int) -> None:
        """Do one thing; being refused is no failure."""
        actions = (self._arise, self._arise, self._step, self._step, self._step, self._other)
        try:
            retrying(actions[choose(len(actions))])(choose, now_ms)
        except RejectedError:
            return

    def _arise(self, choose: Choose, now_ms: int) -> None:
        alert = self.alerts[choose(len(self.alerts))]
        device = replace(NOISE, asset=ASSETS[choose(2)])
        decision = decide(alert.severity, alert.category, device, now_ms, POLICY)
        with self.database.write() as connection:
            ledger.open_or_attach(connection, alert, decision, now_ms, SHANGHAI)
        self.told.add(alert.id)

    def _step(self, choose: Choose, now_ms: int) -> None:
        with self.database.read() as connection:
            cases = ledger.list_cases(connection, states=(*OPEN_STATES, State.CLOSED)).cases
        if not cases:
            return
        case = cases[choose(len(cases))]
        # Mostly what is possible, else nobody would get far.
        likely = [step for step in STEPS_OF_PEOPLE if (case.state, step) in TRANSITIONS]
        steps = likely if likely and choose(5) else STEPS_OF_PEOPLE
        step, person = steps[choose(len(steps))], PEOPLE[choose(len(PEOPLE))]
        given = Given(note="x", until_ms=now_ms + 3 * DAY_MS)
        with self.database.write() as connection:
            take(connection, case.id, step, person, case.version, given, now_ms)

    def _other(self, choose: Choose, now_ms: int) -> None:
        what = choose(4)
        if what == 0:
            tick(self.database, now_ms)
        elif what == 1:
            self._merge(choose, now_ms)
        elif what == 2:
            self._split(choose, now_ms)
        else:
            with self.database.write() as connection:
                ledger.sensor_normal(connection, self.alerts[choose(6)].id, now_ms)

    def _merge(self, choose: Choose, now_ms: int) -> None:
        with self.database.read() as connection:
            cases = ledger.list_cases(connection).cases
        if len(cases) > 1:
            case, into = cases[choose(len(cases))], cases[choose(len(cases))]
            with self.database.write() as connection:
                matters.merge(connection, case.id, into.id, DESK, case.version, "", now_ms)

    def _split(self, choose: Choose, now_ms: int) -> None:
        with self.database.read() as connection:
            cases = ledger.list_cases(connection).cases
            if not cases:
                return
            found = ledger.get_case(connection, cases[choose(len(cases))].id)
        moved = [alert.id for alert in found.alerts[: 1 + choose(2)]]
        with self.database.write() as connection:
            version = found.case.version
            matters.split(
                connection, found.case.id, moved, "03-01", "", DESK, version, "", now_ms, SHANGHAI
            )

    def check(self) -> None:
        """Hold every case against the table, and every alert against the cases."""
        cases, events, attached = schema.cases, schema.case_events, schema.case_alerts
        with self.database.read() as connection:
            found = {row.id: row for row in connection.execute(sa.select(cases))}
            lines = connection.execute(sa.select(events).order_by(events.c.id)).all()
            evidence = set(connection.scalars(sa.select(attached.c.alert)))
        at: dict[str, State] = {}
        for line in lines:
            event = event_of(line)
            if line.case not in at:
                assert event.step in BEGINNINGS
            else:
                assert at[line.case] is event.from_state
                assert TRANSITIONS[event.from_state, event.step] is event.to_state
            at[line.case] = event.to_state
        assert {case: State(row.state) for case, row in found.items()} == at
        open_now = [row for row in found.values() if State(row.state) in OPEN_STATES]
        matters_open = Counter((row.asset, row.category) for row in open_now)
        assert not matters_open or max(matters_open.values()) == 1
        assert self.told <= evidence
        for row in found.values():
            assert (row.closed_ms is None) == (State(row.state) in OPEN_STATES)
            assert (row.deferred_ms is not None) == (State(row.state) is State.DEFERRED)
        with self.database.read() as connection:
            assert [sealing.verify(connection, case).broken for case in found] == [None] * len(
                found
            )


def test_every_sequence_stays_in_the_table(fresh: Callable[[], Database]) -> None:
    @settings(max_examples=3, deadline=None, phases=[Phase.generate], database=None)
    @given(st.data())
    def run(data: st.DataObject) -> None:
        town, now_ms = Town(fresh()), T0_MS + 60_000
        steps = data.draw(st.lists(st.integers(1, 30 * 3_600_000), min_size=30, max_size=50))
        for later_ms in steps:
            now_ms += later_ms
            town.act(lambda below: data.draw(st.integers(0, below - 1)), now_ms)
        town.check()

    run()


def test_twenty_writers_at_once_stay_in_the_table(fresh: Callable[[], Database]) -> None:
    town = Town(fresh())
    errors: list[BaseException] = []
    barrier = threading.Barrier(WRITERS)

    def write(number: int) -> None:
        chance = random.Random(number)
        barrier.wait()
        try:
            for turn in range(8):
                town.act(chance.randrange, T0_MS + 60_000 + turn * 7_200_000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=[n], name=f"writer-{n}") for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    town.check()


def test_the_trail_stays_on_both(fresh: Callable[[], Database]) -> None:
    town = Town(fresh())
    for _ in range(3):
        town.act(lambda below: 0, T0_MS + 60_000)
    for change in (sa.delete(schema.case_events), sa.update(schema.case_events).values(by="me")):
        with (
            pytest.raises(sa.exc.IntegrityError, match="never changed"),
            town.database.write() as connection,
        ):
            connection.execute(change)
    town.check()
    with town.database.read() as connection:
        assert alert_rows.load(connection, town.alerts[0].id).returned_ms is None
    say(town.database, ended(60))
