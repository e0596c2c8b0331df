"""ISA-18.2's figures, computed by hand for small cases, and by counting for any."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.model import Severity
from cloud.core.performance import (
    INTERVAL_MS,
    STALE_MS,
    Annunciation,
    Figure,
    Performance,
    Standing,
    Verdict,
    measure,
    offenders,
    verdict,
)

DAY_MS = 86_400_000


def call(at_ms: int, alert: str = "", rule: str = "r", device: str = "d") -> Annunciation:
    return Annunciation(
        at_ms=at_ms, alert=alert or f"a{at_ms}", rule=rule, device=device, severity=Severity.LOW
    )


def day(calls: list[Annunciation], operators: int = 1) -> Performance:
    return measure(calls, [], 0, DAY_MS, operators)


def test_a_quiet_day_is_good_in_all() -> None:
    found = day([])
    assert {found.verdict(figure) for figure in Figure} == {Verdict.GOOD}
    assert (found.times, found.busiest, found.busiest_ms) == (0, 0, None)


def test_the_rate_is_of_one_operator() -> None:
    calls = [call(interval * INTERVAL_MS + n) for interval in range(144) for n in range(4)]
    assert day(calls).figures[Figure.RATE] == 4
    assert day(calls).verdict(Figure.RATE) is Verdict.POOR
    assert day(calls, operators=4).figures[Figure.RATE] == 1
    assert day(calls, operators=4).verdict(Figure.RATE) is Verdict.GOOD


def test_a_flood_begins_above_ten_and_ends_below_five() -> None:
    counts = [0, 10, 11, 5, 7, 4, 11, 0]
    calls = [
        call(interval * INTERVAL_MS + n * 1000)
        for interval, number in enumerate(counts)
        for n in range(number)
    ]
    first, second = day(calls).floods
    assert (first.from_ms, first.until_ms) == (2 * INTERVAL_MS, 5 * INTERVAL_MS)
    assert (len(first.alerts), first.most, first.first) == (23, 11, f"a{2 * INTERVAL_MS}")
    assert (second.from_ms, second.until_ms) == (6 * INTERVAL_MS, 7 * INTERVAL_MS)
    assert day(calls).figures[Figure.FLOOD] == pytest.approx(100 * 4 / 144)
    assert day(calls).figures[Figure.BUSY] == pytest.approx(100 * 2 / 144)
    assert (day(calls).busiest_ms, day(calls).busiest) == (2 * INTERVAL_MS, 11)


def test_a_flood_that_lasts_ends_with_the_period() -> None:
    calls = [call(DAY_MS - 1000 + n) for n in range(11)]
    assert [flood.until_ms for flood in day(calls).floods] == [DAY_MS]


def test_chattering_is_three_in_a_minute_of_one_rule_on_one_device() -> None:
    chatter = [call(at) for at in (0, 20_000, 59_999, 600_000)]
    slow = [call(at, device="slow") for at in (0, 30_000, 60_000)]
    others = [call(at, device=f"d{at}") for at in (1, 2, 3)]
    (found,) = day([*chatter, *slow, *others]).chattering
    assert (found.device, found.times, found.alerts) == ("d", 3, ("a0", "a20000", "a59999"))


def test_the_top_ten_are_those_that_called_most() -> None:
    calls = [
        call(n * 3_600_000 + device, device=f"d{device:02}")
        for device in range(12)
        for n in range(device + 1)
    ]
    found = day(calls)
    assert [one.device for one in found.top][:2] == ["d11", "d10"]
    assert len(found.top) == 10
    assert found.figures[Figure.TOP_TEN] == pytest.approx(100 * (78 - 3) / 78)
    assert offenders(calls)[-1].device == "d00"


def test_stale_is_what_held_for_more_than_a_day() -> None:
    def held(name: str, from_ms: int, until_ms: int | None) -> Standing:
        return Standing(alert=name, rule="r", device="d", from_ms=from_ms, until_ms=until_ms)

    standing = [
        held("long", -1, None),
        held("exactly a day", 0, None),
        held("ended in time", -STALE_MS, 0),
        held("ended late", -STALE_MS, 1),
    ]
    found = measure([], standing, 0, DAY_MS)
    assert [one.alert for one in found.stale] == ["long", "ended late"]


def test_priorities_are_shares_of_all_calls() -> None:
    wanted = {Severity.LOW: 80, Severity.MEDIUM: 14, Severity.HIGH: 4, Severity.CRITICAL: 2}
    calls = [
        Annunciation(at_ms=n, alert=f"{severity}{n}", rule="r", device="d", severity=severity)
        for severity, number in wanted.items()
        for n in range(number)
    ]
    found = day(calls)
    assert found.by_severity == wanted
    assert found.verdict(Figure.HIGH) is Verdict.GOOD
    assert found.verdict(Figure.CRITICAL) is Verdict.TOLERABLE
    assert verdict(Figure.CRITICAL, 2.1) is Verdict.POOR


def test_a_period_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing"):
        measure([], [], 5, 5)
    with pytest.raises(ValueError, match="0 operators"):
        measure([], [], 0, 5, operators=0)


def test_floods_are_each_operators_own() -> None:
    mine = [replace(call(n * 1000, f"m{n}"), operator="li") for n in range(12)]
    yours = [replace(call(n * 1000, f"y{n}"), operator="wang") for n in range(10)]
    nobodys = [call(n * 1000, f"n{n}") for n in range(15)]
    found = day([*mine, *yours, *nobodys], operators=2)
    (flood,) = found.floods
    assert (flood.operator, flood.first, len(flood.alerts)) == ("li", "m0", 12)
    assert found.by_operator == {"": 15, "li": 12, "wang": 10}
    assert [len(found.of_operator[name]) for name in ("", "li", "wang")] == [15, 12, 10]
    assert [one.operator for one in day([*mine, *yours, *nobodys]).floods] == ["", "li"]
    one_at_once = day([*mine, *nobodys]).figures[Figure.FLOOD]
    assert one_at_once == pytest.approx(100 / 144)  # two floods at the same time


def test_every_figure_names_the_alerts_that_it_is_made_of() -> None:
    calls = [call(n * 1000, f"a{n}") for n in range(12)] + [call(INTERVAL_MS, "b")]
    made_of = day(calls).made_of
    assert set(made_of) == set(Figure)
    assert len(made_of[Figure.RATE]) == len(made_of[Figure.LOW]) == 13
    assert len(made_of[Figure.BUSY]) == len(made_of[Figure.FLOOD]) == 12
    assert made_of[Figure.CHATTERING] == made_of[Figure.BUSY]
    assert made_of[Figure.STALE] == made_of[Figure.CRITICAL] == ()


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(-DAY_MS, 2 * DAY_MS), st.integers(0, 3)), max_size=80))
def test_every_call_of_the_period_counts_once_in_each_figure(told: list[tuple[int, int]]) -> None:
    calls = [call(at, f"a{n}", device=f"d{of}") for n, (at, of) in enumerate(told)]
    found = day(calls)
    within = [one for one in calls if 0 <= one.at_ms < DAY_MS]
    assert found.times == len(within) == sum(found.by_severity.values())
    assert sum(found.by_operator.values()) == len(within)
    assert sum(one.times for one in found.top) == len(within)  # four devices are under ten
    in_floods = [name for flood in found.floods for name in flood.alerts]
    assert len(in_floods) == len(set(in_floods))
    assert all(flood.most > 10 for flood in found.floods)
