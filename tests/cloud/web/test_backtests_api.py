"""Backtests over the API: begun, watched, called off, refused, and never two at once."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import httpx
import pytest

from cloud.backtest import Span
from cloud.core.rules import RuleSet
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.web.backtest_models import AskedBacktest, BacktestResult, RuleChange, State
from cloud.web.backtests import MOST_READINGS, Backtests, Tell, changed_rules, span_of
from cloud.web.services import Services
from contract.errors import StorageError
from tests.cloud.web.seed import RULES

ADDRESS = "/api/v1/rules/backtest"
QUIETER = {"rule": "noise.class2.night", "limit": 90.0, "on_delay_s": 60.0}
SPAN = Span(from_ms=0, until_ms=1000)
ASKED = AskedBacktest(changes=(RuleChange(rule="gas.low", limit=1.4),))


async def ended(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    with anyio.fail_after(20):
        while True:
            found: dict[str, Any] = (await client.get(f"{ADDRESS}/{key}")).json()
            if found["state"] != "running":
                return found
            await anyio.sleep(0.02)


async def test_a_manager_tries_a_change_and_everybody_may_look(
    admin: httpx.AsyncClient, guest: httpx.AsyncClient
) -> None:
    asked = {"changes": [QUIETER], "days": 1, "device": "noise-01"}
    answer = await admin.post(ADDRESS, json=asked)
    assert answer.status_code == 202, answer.text
    found = await ended(guest, answer.json()["id"])
    assert (found["state"], found["done"], found["why"], found["by"]) == ("done", 1.0, "", "admin")
    assert set(found["not_replayed"]) == {"groups", "realarms", "reminders"}
    result = found["result"]
    assert result["readings"] > 1000
    (rule,) = result["rules"]
    assert (rule["current"]["limit"], rule["changed"]["limit"]) == (50.0, 90.0)
    assert (rule["current"]["on_delay_s"], rule["changed"]["on_delay_s"]) == (0.0, 60.0)
    assert rule["current"]["figures"]["alerts"] > rule["changed"]["figures"]["alerts"] == 0
    assert result["current"]["alerts"] > result["changed"]["alerts"]
    example = rule["current"]["examples"][0]
    assert example["device"] == "noise-01"
    assert len(example["at"]) == len(example["readings"]) > 2
    assert example["at"][0] < example["began_at"]
    assert max(value for value in example["readings"] if value is not None) > 50
    assert isinstance(rule["current"]["figures"]["overdue"], float)  # the ledger has handlings
    assert result["advice"][0]["rule"] == "noise.class2.night"
    (listed,) = (await guest.get(ADDRESS)).json()
    assert (listed["id"], listed["result"]) == (found["id"], None)
    late = await admin.post(f"{ADDRESS}/{found['id']}/cancel")
    assert (late.status_code, "has ended: done" in late.text) == (409, True)


NEW = {
    "preset": "ours",
    "version": "2",
    "title": {"zh": "本市", "en": "ours"},
    "rules": [
        {
            "id": "noise.any",
            "title": {"zh": "吵", "en": "loud"},
            "measurement": "noise_laeq",
            "direction": "above",
            "limit": 40,
            "unit": "dB(A)",
            "severity": "low",
            "category": "",
            "source": "ours",
            "mark": "judgement",
            "timing_source": "ours",
            "timing_mark": "judgement",
            "effective": "2020-01-01",
        }
    ],
}


async def test_a_whole_file_is_tried_with_rules_that_are_new(admin: httpx.AsyncClient) -> None:
    answer = await admin.post(ADDRESS, json={"rules": NEW, "days": 1, "device": "noise-01"})
    assert answer.status_code == 202, answer.text
    found = await ended(admin, answer.json()["id"])
    assert found["state"] == "done", found
    (rule,) = found["result"]["rules"]
    assert (rule["rule"], rule["current"]) == ("noise.any", None)
    assert rule["changed"]["figures"]["alerts"] > 0
    assert rule["changed"]["examples"][0]["device"] == "noise-01"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"rules": "preset: ours\nrulez: []"}, "did you mean rules?"),
        ({"rules": NEW, "changes": [QUIETER]}, "say one of changes and rules"),
        ({"rules": "- 1"}, "rules.yaml:1"),
    ],
)
async def test_a_file_that_is_wrong_is_refused_whole(
    admin: httpx.AsyncClient, asked: dict[str, Any], words: str
) -> None:
    answer = await admin.post(ADDRESS, json=asked)
    assert (answer.status_code, words in answer.text) == (422, True), answer.text
    assert (await admin.get(ADDRESS)).json() == []


async def test_who_is_no_manager_may_not(op: httpx.AsyncClient) -> None:
    assert (await op.post(ADDRESS, json={"changes": [QUIETER]})).status_code == 403
    assert (await op.post(f"{ADDRESS}/x/cancel")).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"changes": [{"rule": "noise.clas2.night", "limit": 1}]}, 422, "no rule"),
        (
            {"changes": [{"rule": "gas.low", "limit": -5000}]},
            422,
            "gas.low.limit: -5000.0 is outside",
        ),
        ({"changes": [{"rule": "gas.low", "limt": 1}]}, 422, "limt"),
        ({"changes": []}, 422, "changes"),
        ({"changes": [QUIETER], "days": 400}, 422, "days"),
        ({"changes": [QUIETER], "device": "nobody"}, 404, "no device"),
    ],
)
async def test_what_cannot_be_tried_is_refused(
    admin: httpx.AsyncClient, changes: dict[str, Any], status: int, words: str
) -> None:
    answer = await admin.post(ADDRESS, json=changes)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text


async def test_there_is_none_of_that_name(guest: httpx.AsyncClient) -> None:
    assert (await guest.get(f"{ADDRESS}/none")).status_code == 404


def test_one_runs_at_a_time_and_can_be_called_off() -> None:
    desk = Backtests()
    begun, told = threading.Event(), threading.Event()

    def work(_: Span, __: RuleSet, tell: Tell) -> BacktestResult:
        tell(1, 4)
        begun.set()
        assert told.wait(10)
        tell(2, 4)
        raise AssertionError("it was called off")

    first = desk.start(ASKED, "ann", SPAN, RULES, work)
    assert begun.wait(10)
    assert (desk.get(first.id).state, desk.get(first.id).done) == (State.RUNNING, 0.25)
    with pytest.raises(ConflictError, match="ann is running backtest"):
        desk.start(ASKED, "bob", SPAN, RULES, work)
    desk.cancel(first.id)
    told.set()
    over(first.id)
    assert desk.get(first.id).state is State.CANCELLED
    with pytest.raises(ConflictError, match="has ended: cancelled"):
        desk.cancel(first.id)
    with pytest.raises(NotFoundError):
        desk.get("none")


def over(key: str) -> None:
    for thread in threading.enumerate():
        if thread.name == f"backtest-{key}":
            thread.join(10)


@pytest.mark.parametrize(
    ("error", "why"), [(StorageError("the disk"), "the disk"), (KeyError("x"), "on our side")]
)
def test_one_that_fails_says_why_and_the_next_may_run(error: Exception, why: str) -> None:
    desk = Backtests()

    def work(_: Span, __: RuleSet, ___: Tell) -> BacktestResult:
        raise error

    for _ in range(25):
        key = desk.start(ASKED, "ann", SPAN, RULES, work).id
        over(key)
        assert (desk.get(key).state, why in desk.get(key).why) == (State.FAILED, True)
    assert len(desk.latest()) == 20


def test_more_than_the_web_should_do_is_refused(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = services.clock.now_ms()
    assert span_of(services.database, ASKED, now_ms, 5).until_ms == now_ms
    assert MOST_READINGS > 1_000_000
    monkeypatch.setattr("cloud.web.backtests.MOST_READINGS", 1000)
    with pytest.raises(InvalidError, match="choose fewer days"):
        span_of(services.database, ASKED, now_ms, 5)
    assert changed_rules(RULES, ASKED).by_id["gas.low"].limit == 1.4
