"""What a stranger files must not get in the way of what a sensor found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.cases import matters, service_requests
from cloud.cases.ledger import Case
from cloud.core.case_steps import State, Step
from cloud.core.model import Severity
from cloud.core.open311 import SERVICES, RefusedError, Said, Search, Wanted
from cloud.errors import ConflictError, ForbiddenError, NotFoundError
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.alert_kit import fill
from tests.cloud.cases.case_kit import (
    ANYBODY,
    CREW,
    DESK,
    NOW_MS,
    SHANGHAI,
    arise,
    calm,
    do,
    look,
)

WANTED = Wanted(
    service=SERVICES["05-08"],
    description="夜里很吵",
    latitude=None,
    longitude=None,
    address="文化路 1 号",
    address_id="",
    reference="",
    asset="GR-1",
    attributes={},
    fields={},
)
LATER_MS = NOW_MS + 1_000


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def file(database: Database, wanted: Wanted = WANTED, key: str = "app") -> str:
    with database.write() as connection:
        return service_requests.file(connection, wanted, key, NOW_MS, SHANGHAI)


def case(database: Database, number: str) -> Case:
    return look(database, number).case


def test_a_request_does_not_capture_the_alert_of_a_sensor(filled: Database) -> None:
    reported = file(filled)
    opened = arise(filled, 0)
    assert opened != reported
    assert (case(filled, opened).state, case(filled, opened).source) == (State.OPENED, "alert")
    assert [event.note for event in look(filled, opened).trail][1:] == [f"report: {reported}"]
    do(filled, reported, Step.REFUSE)
    assert case(filled, opened).state is State.OPENED


def test_a_request_changes_nothing_of_a_sensors_case(filled: Database) -> None:
    opened = arise(filled, 0)
    before = look(filled, opened)
    assert file(filled, replace(WANTED, address_id="A-1")) == opened
    after = look(filled, opened)
    assert after.case == before.case
    assert [event.note for event in after.trail[len(before.trail) :]] == ["app: 夜里很吵"]
    with filled.read() as connection:
        (listed,) = service_requests.search(connection, Search(ids=(opened,)))
    assert listed.address_id == ""


def test_accepted_it_stands_for_its_asset_unless_there_is_a_case(filled: Database) -> None:
    reported = file(filled)
    assert do(filled, reported, Step.ACCEPT).asset == "GR-1"
    assert arise(filled, 0) == reported


def test_it_is_not_accepted_beside_a_sensors_case(filled: Database) -> None:
    reported = file(filled)
    opened = arise(filled, 0)
    with pytest.raises(ConflictError, match=f"case {opened} of GR-1 and 05-08 is open: merge"):
        do(filled, reported, Step.ACCEPT)
    assert case(filled, reported).state is State.REPORTED


def merge(database: Database, number: str, into: str) -> Case:
    version = case(database, number).version
    with database.write() as connection:
        return matters.merge(connection, number, into, DESK, version, "", LATER_MS)


def test_merged_into_a_sensors_case_it_raises_nothing(filled: Database) -> None:
    reported, opened = file(filled), arise(filled, 0)
    calm(filled, 60)
    with filled.write() as connection:
        cases = schema.cases
        low = {"severity": Severity.LOW.value}
        connection.execute(cases.update().where(cases.c.id == opened).values(**low))
    before = case(filled, opened)
    after = merge(filled, reported, opened)
    assert (after.severity, after.dues) == (Severity.LOW, before.dues)
    assert after.sensor_normal_ms is not None


def test_a_sensors_case_is_not_merged_into_what_may_be_refused(filled: Database) -> None:
    reported, opened = file(filled), arise(filled, 0)
    with pytest.raises(ConflictError, match="accept it first"):
        merge(filled, opened, reported)


def test_merging_takes_the_role_in_both_cases(filled: Database) -> None:
    first, second = file(filled), file(filled, replace(WANTED, asset="GR-2"))
    with (
        filled.write() as connection,
        pytest.raises(ForbiddenError, match="acceptor or dispatcher"),
    ):
        matters.merge(connection, first, second, CREW, 1, "", LATER_MS)
    assert merge(filled, first, second).id == second


def say(database: Database, number: str, key: str) -> int:
    said = Said(case=number, update="u1", status="OPEN", description="x")
    with database.write() as connection:
        return service_requests.say(connection, said, key, LATER_MS)


def test_who_may_say_something_of_a_case(filled: Database) -> None:
    """Whose request became the case; not whose request was only added to it."""
    opened = arise(filled, 0)
    file(filled)
    with pytest.raises(RefusedError, match="was there before your request"):
        say(filled, opened, "app")
    theirs = file(filled, replace(WANTED, asset="GR-2"), "first")
    assert file(filled, replace(WANTED, asset="GR-2"), "second") == theirs
    assert say(filled, theirs, "first") > 0
    with pytest.raises(RefusedError):
        say(filled, theirs, "second")
    with pytest.raises(NotFoundError):
        say(filled, theirs, "third")


def test_the_same_reference_is_the_same_request(filled: Database) -> None:
    wanted = replace(WANTED, reference="A-7", asset="")
    assert file(filled, wanted) == file(filled, wanted)
    assert file(filled, wanted, "other") != file(filled, wanted)
    assert do(filled, file(filled, wanted), Step.ACCEPT, ANYBODY).state is State.OPENED
