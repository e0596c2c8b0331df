from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.cases import matters
from cloud.core.case_steps import State, Step
from cloud.errors import ConflictError, InvalidError
from cloud.state.database import Database
from tests.cloud.alert_kit import SERIES_B, SERIES_GAS, T0_MS, began, fill
from tests.cloud.cases.case_kit import (
    DAY_MS,
    DESK,
    NOISE,
    NOW_MS,
    POLICY,
    SHANGHAI,
    arise,
    calm,
    close,
    do,
    look,
    open_case,
    say,
    trail,
)

DAY_S = 86_400


@pytest.fixture
def filled(database: Database) -> Database:
    fill(database)
    return database


def test_what_was_closed_lately_is_reopened(filled: Database) -> None:
    case = arise(filled, 0)
    calm(filled, 60)
    close(filled, case)
    assert arise(filled, 6 * DAY_S) == case
    found = look(filled, case)
    assert (found.case.state, found.case.closed_ms) == (State.OPENED, None)
    assert found.case.sensor_normal_ms is None
    assert found.trail[-1].step is Step.REOPEN
    assert (found.case.due_ms or 0) == T0_MS + 6 * DAY_MS + 20_000 + DAY_MS


def test_what_was_closed_long_ago_is_another_case(filled: Database) -> None:
    case = arise(filled, 0)
    calm(filled, 60)
    close(filled, case)
    assert arise(filled, 8 * DAY_S) != case


def test_the_third_time_in_a_month_is_singled_out(filled: Database) -> None:
    case = arise(filled, 0)
    calm(filled, 60)
    arise(filled, 120)  # beyond again: the second time
    assert look(filled, case).case.occurrences == 2
    assert look(filled, case).case.singled_ms is None
    calm(filled, 180)
    close(filled, case)
    arise(filled, 3_600)  # reopened: the third
    found = look(filled, case).case
    assert (found.occurrences, found.singled_ms) == (3, T0_MS + 3_620_000)
    assert trail(filled, case)[-1] == "singled out"


def test_three_times_in_a_year_are_not(filled: Database) -> None:
    for month in range(3):
        case = arise(filled, month * 31 * DAY_S)
        calm(filled, month * 31 * DAY_S + 60)
        close(filled, case, T0_MS + month * 31 * DAY_MS + 120_000)
    assert look(filled, case).case.singled_ms is None


def merge(database: Database, case: str, into: str) -> None:
    with database.write() as connection:
        version = look(database, case).case.version
        matters.merge(connection, case, into, DESK, version, "the same crane", NOW_MS)


def two_cases(database: Database) -> tuple[str, str]:
    first = arise(database, 0)
    other = open_case(
        database, say(database, began(1, series=SERIES_B)), device=replace(NOISE, asset="GR-2")
    )
    return first, other


def test_two_cases_become_one(filled: Database) -> None:
    into, case = two_cases(filled)
    merge(filled, case, into)
    ended, kept = look(filled, case), look(filled, into)
    assert (ended.case.state, ended.case.merged_into) == (State.MERGED, into)
    assert len(kept.alerts) == 2
    assert (ended.trail[-1].step, kept.trail[-1].step) == (Step.MERGE, Step.ABSORB)
    with pytest.raises(ConflictError, match="it is final"):
        merge(filled, case, into)


def test_what_is_not_merged(filled: Database) -> None:
    into, case = two_cases(filled)
    with pytest.raises(InvalidError, match="into itself"):
        merge(filled, case, case)
    close(filled, into)
    with pytest.raises(ConflictError, match="'absorb' is not possible"):
        merge(filled, case, into)
    assert look(filled, case).case.state is State.OPENED


def split(database: Database, case: str, moved: list[str], category: str, asset: str = "") -> str:
    version = look(database, case).case.version
    with database.write() as connection:
        return matters.split(
            connection, case, moved, category, asset, DESK, version, "", NOW_MS, SHANGHAI
        ).id


def test_one_case_becomes_two(filled: Database) -> None:
    case = arise(filled, 0)
    more = say(filled, began(1, series=SERIES_B))
    open_case(filled, more)
    new = split(filled, case, [more.id], "03-01")
    found = look(filled, new)
    assert (found.case.category, found.case.asset, found.case.state) == (
        "03-01",
        "GR-1",
        State.OPENED,
    )
    assert [alert.id for alert in found.alerts] == [more.id]
    assert [len(look(filled, case).alerts), trail(filled, case)[-1]] == [1, "split"]


def test_what_is_not_split(filled: Database) -> None:
    case = arise(filled, 0)
    more = say(filled, began(1, series=SERIES_B))
    open_case(filled, more)
    first = look(filled, case).alerts[0].id
    with pytest.raises(InvalidError, match="another category, or another asset"):
        split(filled, case, [more.id], "")
    with pytest.raises(InvalidError, match="leave it at least one"):
        split(filled, case, [first, more.id], "03-01")
    with pytest.raises(InvalidError, match="'x' is no evidence"):
        split(filled, case, ["x"], "03-01")
    gas = say(filled, began(2, series=SERIES_GAS))
    open_case(filled, gas, device=replace(NOISE, asset="GR-9"))
    with pytest.raises(ConflictError, match="is open: merge"):
        split(filled, case, [more.id], "", "GR-9")
    assert POLICY.repeats == 3
    do(filled, case, Step.DISPATCH)
