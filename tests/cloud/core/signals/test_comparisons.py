from __future__ import annotations

from cloud.core.checks import VALUE, Check, Difference
from cloud.core.model import Device
from cloud.core.rules import Rule
from cloud.core.signals.comparisons import Comparisons, is_reference
from tests.cloud.core.rule_kit import make_rule

TO_ONE = Difference(over_s=60.0, to_device="a")
TO_GROUP = Difference(over_s=60.0, to_group={"role": ("reference",), "site": ("x", "y")})
SITE = Device(id="site", kind="dust")
REFERENCE = Device(id="a", kind="dust", tags={"role": "reference", "site": "x"})


def rules(*checks: Check) -> list[Rule]:
    return [make_rule(id=f"rule-{n}", check=check) for n, check in enumerate(checks)]


def told(*devices: Device) -> dict[str, Device]:
    return {device.id: device for device in devices}


def test_a_difference_is_to_one_device_or_to_all_that_have_the_tags() -> None:
    assert is_reference(TO_ONE, REFERENCE)
    assert not is_reference(TO_ONE, SITE)
    assert is_reference(TO_GROUP, REFERENCE)
    assert not is_reference(TO_GROUP, Device(id="b", kind="dust", tags={"role": "reference"}))
    assert not is_reference(Difference(over_s=60.0), REFERENCE)


def test_a_reference_concerns_those_that_are_compared_with_it() -> None:
    known = Comparisons(rules(VALUE, TO_GROUP))
    assert known.concerned(told(SITE)) == told(SITE)
    known.note(1, SITE)
    known.note(0, SITE)
    assert known.concerned(told(REFERENCE)) == told(SITE, REFERENCE)
    assert list(known.references(1)) == ["a"]
    assert list(known.references(0)) == []
    assert known.concerned(told(Device(id="other", kind="dust"))).keys() == {"other"}
    no_longer = Device(id="a", kind="dust", tags={"role": "reference"})
    assert known.concerned(told(no_longer)) == told(SITE, no_longer)
    assert list(known.references(1)) == []
    assert known.concerned(told(no_longer)) == told(no_longer)


def test_who_has_changed_is_compared_again_only_when_that_is_noted() -> None:
    known = Comparisons(rules(TO_ONE))
    known.note(0, SITE)
    assert known.concerned(told(SITE)) == told(SITE)
    assert known.concerned(told(REFERENCE)) == told(REFERENCE)


def test_who_is_compared_with_whom() -> None:
    known = Comparisons(rules(TO_ONE, TO_GROUP))
    known.concerned(told(SITE, REFERENCE))
    for place, device in ((0, SITE), (1, SITE), (1, REFERENCE)):
        known.note(place, device)
    assert (known.compared_with("a"), known.references_of("a")) == ({"site"}, set())
    assert (known.compared_with("site"), known.references_of("site")) == (set(), {"a"})
