"""Rules over the API: in force and as they were, changed whole or refused whole, withdrawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from ruamel.yaml import YAML

from cloud import rule_sets
from cloud.applying import SOON_MS
from cloud.core.rules import RuleSet
from cloud.standing_rules import StandingRules
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.queries.rules import is_for
from cloud.web.services import Services
from contract.clock import ManualClock, iso_utc
from tests.cloud.web.seed import RULES, ZONE

ADDRESS = "/api/v1/rules"
HOUR_S = 3_600
TEXT = """\
preset: ours
version: 2
title: {zh: 本市, en: ours}
rules:
  - id: gas.low
    title: {zh: 燃气供气压力过低, en: Gas pressure too low}
    kind: gas
    measurement: gas_pressure
    direction: below
    limit: 1.6
    unit: kPa
    severity: critical
    category: "04-03"
    source: decision no. 12
    mark: P
    timing_source: ours
    timing_mark: judgement
    effective: 2020-01-01
"""


@pytest.fixture
def standing(database: Database, clock: ManualClock) -> StandingRules:
    """Intake has run, and has the seed's rules in force."""
    return taken(database, clock)


def taken(database: Database, clock: ManualClock) -> StandingRules:
    with database.write() as connection:
        return StandingRules.load(connection, RULES, clock.now_ms())


def asked(text: Any = TEXT, base: int = 1, **more: Any) -> dict[str, Any]:
    return {"rules": text, "base": base, "reason": "winter", **more}


def at(clock: ManualClock, seconds: float) -> str:
    return iso_utc(clock.now_ms() + round(seconds * 1000))


def test_a_rule_for_every_kind_is_one_for_each() -> None:
    low = RULES.by_id["gas.low"]
    assert is_for(low, "")
    assert is_for(low, "gas")
    assert not is_for(low, "noise")
    assert is_for(replace(low, kinds=()), "noise")


async def test_before_intake_has_run_the_files_are_shown(guest: httpx.AsyncClient) -> None:
    found = (await guest.get(ADDRESS)).json()
    assert (found["base"], found["current"], found["upcoming"], found["history"]) == (
        0, None, [], [],
    )  # fmt: skip
    assert {one["id"] for one in found["rules"]} == set(RULES.by_id)


@pytest.mark.usefixtures("standing")
async def test_a_change_waits_is_taken_and_every_version_can_be_looked_up(
    admin: httpx.AsyncClient,
    guest: httpx.AsyncClient,
    database: Database,
    clock: ManualClock,
    standing: StandingRules,
) -> None:
    found = (await guest.get(ADDRESS, params={"kind": "gas"})).json()
    assert (found["base"], found["current"]["standing"]) == (1, "in_force")
    assert [(r["id"], r["levels"][0]["limit"]) for r in found["rules"]] == [
        ("gas.low", 1.5), ("gas.high", 3.0),
    ]  # fmt: skip
    moment = at(clock, HOUR_S)
    looked = await admin.post(f"{ADDRESS}/check", json=asked(at=moment))
    assert (looked.status_code, looked.json()["stored"]) == (200, None)
    (change,) = looked.json()["changes"]
    assert (change["rule"], change["what"], change["before"]) == ("gas.low", "changed", "1")
    limit = next(each for each in change["fields"] if each["field"] == "limit")
    assert (limit["before"], limit["after"]) == (1.5, 1.6)
    assert len((await guest.get(ADDRESS)).json()["history"]) == 1

    answer = await admin.post(ADDRESS, json=asked(at=moment))
    assert answer.status_code == 201, answer.text
    stored = answer.json()["stored"]
    assert (stored["standing"], stored["by"], stored["note"]) == ("upcoming", "admin", "winter")
    assert answer.json()["changes"] == looked.json()["changes"]
    again = await admin.post(ADDRESS, json=asked(at=moment))
    assert (again.status_code, again.json()) == (200, answer.json())

    found = (await guest.get(ADDRESS)).json()
    assert (found["base"], found["current"]["number"]) == (2, 1)
    assert [one["number"] for one in found["upcoming"]] == [2]
    assert found["upcoming"][0]["changes"] == answer.json()["changes"]
    with database.read() as connection:
        table = schema.audit
        row = connection.execute(sa.select(table).where(table.c.action == "rules.applied")).one()
    assert (row.who, row.subject) == ("admin", "rules 2")
    assert "1 changed" in row.note

    clock.advance_ms((HOUR_S + 1) * 1000)
    with database.write() as connection:
        standing.look(connection)
        (due,) = standing.due(clock.now_ms())
        standing.take(connection, due, clock.now_ms())
    old = (await guest.get(f"{ADDRESS}/gas.low/versions/1")).json()
    new = (await guest.get(f"{ADDRESS}/gas.low/versions/{change['after']}")).json()
    assert (old["now"], new["now"]) == (False, True)
    assert old["in_force"][0]["until_at"] == new["in_force"][0]["from_at"] == moment
    assert new["in_force"][0]["until_at"] is None
    assert (new["rule"]["mark"], new["rule"]["source"]) == ("P", "decision no. 12")
    assert "limit: 1.6" in new["text"]
    assert old["versions"] == [change["after"], "1"]
    missing = await guest.get(f"{ADDRESS}/gas.low/versions/9")
    assert (missing.status_code, "it has" in missing.json()["detail"]) == (404, True)
    shown = (await guest.get(f"{ADDRESS}/sets/2")).json()
    assert (shown["standing"], len(shown["changes"])) == ("in_force", 1)
    assert (await guest.get(f"{ADDRESS}/sets/9")).status_code == 404


@pytest.mark.usefixtures("standing")
async def test_what_is_wrong_is_refused_whole_with_where_and_why(
    admin: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    bad = TEXT.replace("severity: critical", "severity: urgent").replace("limit:", "limt:")
    answer = await admin.post(ADDRESS, json=asked(bad))
    assert answer.status_code == 422, answer.text
    told = {each["where"]: each["message"] for each in answer.json()["errors"]}
    assert "did you mean limit" in told["rules.yaml:10: rules[0].limt"]
    assert "'urgent'" in told["rules.yaml:12: rules[0].severity"]
    assert "critical" in told["rules.yaml:12: rules[0].severity"]
    assert len((await guest.get(ADDRESS)).json()["history"]) == 1


@pytest.mark.usefixtures("standing")
@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"base": 7}, 409, "no longer those of set 7: the files made set 1"),
        ({"reason": ""}, 422, "reason"),
        ({"at": "2026-12-01T00:00:00"}, 422, "at"),
        ({"at": "2020-12-01T00:00:00Z"}, 422, "is past"),
        ({"rules": "preset: [", "base": 1}, 422, "rules.yaml:"),
        ({"rules": "x" * 600_000}, 422, "600000 characters; at most 500000"),
        ({"rules": TEXT.partition("rules:")[0] + "rules: []\n"}, 422, "there are none"),
        ({"rule": 1}, 422, "rule"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    admin: httpx.AsyncClient, changed: dict[str, Any], status: int, words: str
) -> None:
    answer = await admin.post(ADDRESS, json={**asked(), **changed})
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


@pytest.mark.usefixtures("standing")
async def test_of_two_at_once_the_second_is_told(
    admin: httpx.AsyncClient, services: Services, clock: ManualClock
) -> None:
    assert (await admin.post(ADDRESS, json=asked(at=at(clock, 60)))).status_code == 201
    other = TEXT.replace("1.6", "1.7")
    answer = await admin.post(ADDRESS, json=asked(other, at=at(clock, 60)))
    assert answer.status_code == 409
    assert "admin made set 2" in answer.json()["detail"]
    assert (await admin.post(ADDRESS, json=asked(other, 2, at=at(clock, 60)))).status_code == 201
    with services.database.read() as connection:
        assert len(rule_sets.listed(connection)) == 3


@pytest.mark.usefixtures("standing")
async def test_only_managers_may(op: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    for path in ("", "/check"):
        assert (await op.post(f"{ADDRESS}{path}", json=asked())).status_code == 403
        assert (await stranger.post(f"{ADDRESS}{path}", json=asked())).status_code == 401
    assert (await op.post(f"{ADDRESS}/sets/1/withdraw")).status_code == 403
    assert (await stranger.get(ADDRESS)).status_code == 401


@pytest.mark.usefixtures("standing")
async def test_an_object_says_the_same_as_its_text(
    admin: httpx.AsyncClient, clock: ManualClock
) -> None:
    plain = YAML(typ="safe", pure=True).load(TEXT)
    plain["rules"][0]["effective"] = "2020-01-01"
    answer = await admin.post(ADDRESS, json=asked(plain, at=at(clock, 60)))
    assert answer.status_code == 201, answer.text
    again = await admin.post(ADDRESS, json=asked(TEXT, at=at(clock, 60)))
    assert again.status_code == 200


async def test_what_waits_is_withdrawn_and_never_taken(
    admin: httpx.AsyncClient,
    guest: httpx.AsyncClient,
    database: Database,
    clock: ManualClock,
    standing: StandingRules,
) -> None:
    await admin.post(ADDRESS, json=asked(at=at(clock, 60)))
    later = TEXT.replace("1.6", "1.7")
    await admin.post(ADDRESS, json=asked(later, 2, at=at(clock, 120)))
    with database.write() as connection:
        standing.look(connection)
    early = await admin.post(f"{ADDRESS}/sets/2/withdraw")
    assert (early.status_code, "withdraw that one first" in early.text) == (409, True)
    for number in (3, 2, 2):
        gone = await admin.post(f"{ADDRESS}/sets/{number}/withdraw")
        assert (gone.status_code, gone.json()["standing"]) == (200, "withdrawn")
        assert (gone.json()["withdrawn_by"], len(gone.json()["changes"])) == ("admin", 1)
    found = (await guest.get(ADDRESS)).json()
    assert (found["base"], found["upcoming"]) == (1, [])
    assert [one["standing"] for one in found["history"]] == ["withdrawn"] * 2 + ["in_force"]
    clock.advance_ms(300_000)
    with database.write() as connection:
        assert standing.has_news(connection, clock.now_ms())
        standing.look(connection)
        assert standing.due(clock.now_ms()) == []
        table = schema.audit
        query = sa.select(table.c.subject).where(table.c.action == "rules.withdrawn")
        assert sorted(connection.scalars(query)) == ["rules 2", "rules 3"]
    never = next(one for one in found["history"] if one["number"] == 2)
    assert never["withdrawn_at"]
    assert (await admin.post(f"{ADDRESS}/sets/1/withdraw")).status_code == 409
    assert (await admin.post(f"{ADDRESS}/sets/9/withdraw")).status_code == 404


@pytest.mark.usefixtures("standing")
async def test_what_begins_at_once_is_not_withdrawn(
    admin: httpx.AsyncClient, clock: ManualClock
) -> None:
    await admin.post(ADDRESS, json=asked())
    clock.advance_ms(1000)
    answer = await admin.post(f"{ADDRESS}/sets/2/withdraw")
    assert (answer.status_code, f"within {SOON_MS // 1000} s" in answer.text) == (409, True)


async def test_a_withdrawn_set_does_not_hide_what_the_files_say(
    admin: httpx.AsyncClient, database: Database, clock: ManualClock, standing: StandingRules
) -> None:
    await admin.post(ADDRESS, json=asked(at=at(clock, 60)))
    await admin.post(f"{ADDRESS}/sets/2/withdraw")
    fewer = RuleSet(rules=RULES.rules[:3], fingerprint="")
    standing = taken(database, clock)
    with database.write() as connection:
        standing.follow_files(connection, fewer, ZONE, clock.now_ms())
        (due,) = standing.due(clock.now_ms())
    assert len(due.rules.rules) == 3


@pytest.mark.usefixtures("standing")
async def test_of_one_moment_the_last_counts_and_shows_all_that_is_to_come(
    admin: httpx.AsyncClient, guest: httpx.AsyncClient, clock: ManualClock
) -> None:
    moment = at(clock, 60)
    await admin.post(ADDRESS, json=asked(at=moment))
    await admin.post(ADDRESS, json=asked(TEXT.replace("1.6", "1.7"), 2, at=moment))
    found = (await guest.get(ADDRESS)).json()
    (one,) = found["upcoming"]
    (change,) = one["changes"]
    assert (one["number"], change["before"]) == (3, "1")
    assert {"field": "limit", "before": 1.5, "after": 1.7} in change["fields"]
    standings = [each["standing"] for each in found["history"]]
    assert standings == ["upcoming", "replaced", "in_force"]
    assert (await admin.post(f"{ADDRESS}/sets/3/withdraw")).status_code == 200
    found = (await guest.get(ADDRESS)).json()
    assert (found["base"], found["upcoming"]) == (1, [])  # not what it had replaced
