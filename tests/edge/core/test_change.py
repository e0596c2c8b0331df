from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from edge.core.change import Change, Parts, Vitals, ailments, compare, doubts

RUNNING = Parts(
    fixed={"gateway": "cabinet-1"},
    sources={"bus a": 1, "bus b": 1},
    devices={"a-1": "bus a", "a-2": "bus a", "b-1": "bus b"},
    uplink="here",
    buffer=500,
)
WELL = Vitals(connected=True, answering=frozenset({"a-1", "a-2", "b-1"}))
NAMES = st.sampled_from(["bus a", "bus b", "bus c", "bus d"])
SOURCES = st.dictionaries(NAMES, st.integers(0, 2))


def test_nothing_differs_from_itself() -> None:
    change = compare(RUNNING, RUNNING)
    assert not change.touches
    assert not change.refused
    assert not change.kept_devices
    assert change.words() == "nothing restarts"


def test_one_bus_changes_and_the_other_is_left_alone() -> None:
    change = compare(RUNNING, replace(RUNNING, sources={"bus a": 2, "bus b": 1}))
    assert change.restarted == {"bus a"}
    assert not change.stopped
    assert not change.started
    assert change.kept_devices == {"a-1", "a-2"}
    assert change.words() == "restart bus a"


def test_a_bus_goes_another_comes_and_what_was_on_the_first_is_forgotten() -> None:
    wanted = replace(
        RUNNING,
        sources={"bus a": 1, "bus c": 1},
        devices={"a-1": "bus a", "a-2": "bus a", "c-1": "bus c"},
    )
    change = compare(RUNNING, wanted)
    assert change.stopped == {"bus b"}
    assert change.started == {"bus c"}
    assert change.forgotten == {"b-1"}
    assert not change.restarted
    assert change.words() == "stop bus b; start bus c"


def test_what_is_fixed_is_refused_by_its_key() -> None:
    fixed = {"gateway": "cabinet-2", "buffer.path": "elsewhere"}
    assert compare(RUNNING, replace(RUNNING, fixed=fixed)).refused == ("buffer.path", "gateway")


def test_uplink_and_buffer_change_by_themselves() -> None:
    change = compare(RUNNING, replace(RUNNING, uplink="there", buffer=900))
    assert change.uplink
    assert change.buffer
    assert change.touches
    assert not change.restarted
    assert change.words() == "restart the uplink; new bounds of the buffer"


@given(before=SOURCES, after=SOURCES)
def test_applying_a_change_makes_one_of_the_other(
    before: dict[str, int], after: dict[str, int]
) -> None:
    change = compare(replace(RUNNING, sources=before), replace(RUNNING, sources=after))
    made = {name: value for name, value in before.items() if name not in change.stopped}
    made |= {name: after[name] for name in change.started | change.restarted}
    assert made == after
    assert not change.started & set(before)
    assert not change.stopped & set(after)


def moved() -> Change:
    return compare(RUNNING, replace(RUNNING, sources={"bus a": 2, "bus b": 1}))


def test_what_went_well_and_does_not_now_is_a_reason() -> None:
    after = Vitals(connected=True, failing={"a-1": "no answer", "b-1": "no answer"})
    assert ailments(moved(), WELL, after) == ("a-1 answered before: no answer",)


def test_a_line_that_broke_is_a_reason() -> None:
    after = Vitals(connected=True, troubles={"bus a": "refused", "bus b": "refused"})
    assert ailments(moved(), WELL, after) == ("bus a was well before: refused",)


def test_what_did_not_go_well_before_is_no_reason() -> None:
    before = Vitals(connected=False, troubles={"bus a": "refused"}, failing={"a-1": "dead"})
    assert ailments(moved(), before, replace(before, connected=False)) == ()


def test_the_uplink_is_a_reason_only_if_it_was_touched() -> None:
    cut = Vitals(connected=False, troubles={"uplink": "not authorised"})
    assert ailments(moved(), WELL, cut) == ()
    change = compare(RUNNING, replace(RUNNING, uplink="there"))
    assert ailments(change, WELL, cut) == ("no connection to the broker: not authorised",)
    assert ailments(change, cut, cut) == ()


def test_many_failing_devices_are_counted() -> None:
    devices = {f"a-{n}": "bus a" for n in range(1, 10)}
    running = replace(RUNNING, devices=devices)
    change = compare(running, replace(running, sources={"bus a": 2, "bus b": 1}))
    before = Vitals(connected=True, answering=frozenset(devices))
    told = ailments(change, before, Vitals(connected=True, failing=dict.fromkeys(devices, "dead")))
    assert len(told) == 6
    assert told[-1] == "and 4 more devices"


def test_what_is_new_and_not_well_is_told_but_is_no_reason() -> None:
    wanted = replace(
        RUNNING,
        sources={"bus a": 2, "bus b": 1, "bus c": 1},
        devices={"a-1": "bus a", "a-3": "bus a", "c-1": "bus c"},
    )
    change = compare(RUNNING, wanted)
    after = Vitals(
        connected=True, failing={"a-3": "no answer", "c-1": "no"}, troubles={"bus c": "refused"}
    )
    assert ailments(change, WELL, after) == ()
    assert doubts(change, wanted.devices, after) == (
        "bus c: refused",
        "a-3: no answer",
        "c-1: no",
    )
