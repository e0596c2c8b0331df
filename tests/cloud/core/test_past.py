from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cloud.core.checks import NoData
from cloud.core.holds import Hold, HoldKind
from cloud.core.past import PastHolds, median, shelving_of
from tests.cloud.core.rule_kit import NOISE, make_rule

RULE = make_rule()
SILENT = replace(RULE, id="silent", check=NoData(periods=5.0, at_least_s=5.0))
DEVICE = replace(NOISE, tags={"site": "east"})
GATEWAYS = {DEVICE.id: "cabinet"}


def hold(from_ms: int, until_ms: int | None, ended_ms: int | None = None, **named: Any) -> Hold:
    whole: dict[str, Any] = {"device": DEVICE.id} if not named else dict(named)
    return replace(
        Hold(
            id=f"{from_ms}",
            kind=HoldKind.MAINTENANCE,
            from_ms=from_ms,
            until_ms=until_ms,
            ended_ms=ended_ms,
            reason="",
            made_by="",
            made_ms=0,
        ),
        **whole,
    )


def told(*holds: Hold, at_ms: int = 5, ended_ms: int | None = None) -> int | None:
    return PastHolds(holds, GATEWAYS).told_ms(RULE, DEVICE, at_ms, ended_ms)


def test_it_is_told_when_the_last_of_its_holds_ends_if_it_still_holds() -> None:
    assert told() == 5
    assert told(hold(0, 5)) == 5
    assert told(hold(6, 9)) == 5
    assert told(hold(0, 10)) == 10
    assert told(hold(0, 10), ended_ms=11) == 10
    assert told(hold(0, 10), ended_ms=10) is None
    assert told(hold(0, 10), hold(9, 20)) == 20
    assert told(hold(0, None)) is None
    assert told(hold(0, None, 8)) == 8  # somebody ended it
    assert told(hold(0, 30, 8)) == 8


@pytest.mark.parametrize(
    ("named", "held"),
    [
        ({"device": DEVICE.id}, True),
        ({"device": "another"}, False),
        ({"rule": RULE.id}, True),
        ({"rule": "another", "device": DEVICE.id}, False),
        ({"gateway": "cabinet"}, True),
        ({"gateway": "cabinet", "silence_only": True}, False),
        ({"tag": "site", "tag_value": "east"}, True),
        ({"tag": "site", "tag_value": "west"}, False),
    ],
)
def test_a_hold_is_over_what_it_names(named: dict[str, Any], held: bool) -> None:
    assert (told(hold(0, 10, **named)) == 10) == held


def test_an_outage_holds_the_silence_behind_it() -> None:
    outage = PastHolds([hold(0, 10, gateway="cabinet", silence_only=True)], GATEWAYS)
    assert outage.told_ms(SILENT, DEVICE, 5, None) == 10
    assert outage
    assert not PastHolds([], {})


def test_a_shelving_is_over_its_alert_s_rule_and_device() -> None:
    shelved = hold(0, 10, alert="a-1")
    found = shelving_of(shelved, {"a-1": (RULE.id, DEVICE.id)})
    assert found is not None
    assert (found.alert, found.rule, found.device) == ("", RULE.id, DEVICE.id)
    assert shelving_of(shelved, {}) is None
    other = hold(0, 10)
    assert shelving_of(other, {}) is other


def test_the_median_is_one_of_them() -> None:
    assert [median([1]), median([1, 3]), median([1, 3, 9])] == [1, 1, 3]
