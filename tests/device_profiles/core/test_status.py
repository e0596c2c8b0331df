"""Status fields into quality."""

from __future__ import annotations

import math

import pytest

from contract.quality import Quality
from device_profiles.core.status import flag, payload_quality, register_status
from device_profiles.core.values import Value
from device_profiles.schema import PayloadStatus, StatusRule


@pytest.mark.parametrize(
    ("raw", "quality"),
    [
        (0, Quality.NORMAL),
        (1, Quality.FAULT),
        (2, Quality.STOPPED | Quality.MAINTENANCE),
        (3, Quality.STOPPED),
        (math.nan, Quality.STOPPED),
        (None, Quality.COMMUNICATION),
    ],
)
def test_values_bits_and_all_others(raw: float | None, quality: Quality) -> None:
    rule = StatusRule(
        input="e",
        values={0: "normal", 1: "fault", 2: "stopped"},
        bits={1: "maintenance"},
        otherwise="stopped",
    )
    if raw == 3:
        rule = StatusRule(input="e", values={0: "normal"}, otherwise="stopped")
    assert register_status(rule, 0, ("a",))([raw]) == quality


def test_a_rule_speaks_of_all_unless_told() -> None:
    assert register_status(StatusRule(input="e"), 0, ("a", "b")).measurements == {"a", "b"}
    only = StatusRule(input="e", measurements=("b",))
    assert register_status(only, 0, ("a", "b")).measurements == {"b"}


def test_a_payload_field_that_is_absent_says_nothing() -> None:
    rule = PayloadStatus(path="x", values={"true": "fault"}, otherwise="maintenance")
    assert payload_quality(rule, None) == Quality.NORMAL
    assert payload_quality(rule, "true") == Quality.FAULT
    assert payload_quality(rule, "3") == Quality.MAINTENANCE


def test_flags_are_added_to_those_that_there_are() -> None:
    values = [Value("a", 1, Quality.STUCK), Value("b", 2)]
    assert flag(values, Quality.FAULT, frozenset("a")) == [
        Value("a", 1, Quality.STUCK | Quality.FAULT),
        Value("b", 2),
    ]
