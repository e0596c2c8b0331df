from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.grouping import Member, area_of, roll_up

WITHIN_MS = 300


def member(alert: str, began_ms: int, area: str = "area=3", rule: str = "loud") -> Member:
    return Member(alert=alert, rule=rule, area=area, began_ms=began_ms)


def test_the_area_is_the_first_tag_that_the_device_has() -> None:
    tags = {"area": "3", "cell": "0712"}
    assert area_of(tags, ("sim", "cell", "area")) == "cell=0712"
    assert area_of(tags, ("sim",)) == area_of({"area": ""}, ("area",)) == ""


def test_neighbours_that_begin_together_follow_the_first() -> None:
    fresh = [member("b", 100), member("a", 50), member("c", 350), member("d", 351)]
    assert roll_up(fresh, [], WITHIN_MS) == {"a": "a", "b": "a", "c": "a", "d": "d"}


def test_what_comes_later_follows_a_leader_of_before() -> None:
    assert roll_up([member("b", 100)], [member("a", 0)], WITHIN_MS) == {"b": "a"}
    assert roll_up([member("b", 301)], [member("a", 0)], WITHIN_MS) == {"b": "b"}


def test_other_rules_and_areas_are_other_groups_and_no_area_is_none() -> None:
    fresh = [member("a", 0), member("b", 0, rule="faint"), member("c", 0, "area=4")]
    assert roll_up([*fresh, member("d", 0, "")], [], WITHIN_MS) == {"a": "a", "b": "b", "c": "c"}


some = st.builds(
    member,
    st.text("abcdef", min_size=2, max_size=4),
    st.integers(0, 2_000),
    st.sampled_from(["area=3", "area=4", ""]),
    st.sampled_from(["loud", "faint"]),
)


@given(st.lists(some, max_size=20, unique_by=lambda each: each.alert))
@settings(max_examples=150, deadline=None)
def test_every_group_is_one_rule_one_area_and_near_its_leader(fresh: list[Member]) -> None:
    found = roll_up(fresh, [], WITHIN_MS)
    known = {each.alert: each for each in fresh}
    assert set(found) == {each.alert for each in fresh if each.area}
    for alert, group in found.items():
        one, leader = known[alert], known[group]
        assert found[group] == group
        assert (one.rule, one.area) == (leader.rule, leader.area)
        assert 0 <= one.began_ms - leader.began_ms <= WITHIN_MS
    assert roll_up(list(reversed(fresh)), [], WITHIN_MS) == found


def placed(alert: str, north_m: float, began_ms: int = 0, area: str = "") -> Member:
    return replace(member(alert, began_ms, area), place=(104.0, 30.0 + north_m / 111_195))


def test_what_is_near_the_first_follows_it_in_whatever_area() -> None:
    street = [placed("a", 0), placed("b", 90, 10, "area=3"), placed("c", 190, 20)]
    assert roll_up(street, [], WITHIN_MS, 100) == {"a": "a", "b": "a", "c": "c"}
    assert roll_up(street, [], WITHIN_MS) == {"b": "b"}
    assert roll_up([placed("d", 50, 301)], street[:1], WITHIN_MS, 100) == {"d": "d"}
    assert roll_up([placed("d", 50, 300)], street[:1], WITHIN_MS, 100) == {"d": "a"}


def test_what_has_no_place_is_near_nothing() -> None:
    fresh = [placed("a", 0), member("b", 1, ""), member("c", 2, "area=4")]
    assert roll_up(fresh, [], WITHIN_MS, 1_000) == {"a": "a", "c": "c"}
