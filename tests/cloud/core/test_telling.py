from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.core.isa_18_2 import SUPPRESSED, TRANSITIONS, Event, State
from cloud.core.model import Severity
from cloud.core.rota import Hours, How, Rota, Shift
from cloud.core.telling import (
    LONGEST_BACKOFF_MS,
    Quiet,
    Route,
    Step,
    Story,
    Subject,
    Way,
    What,
    Why,
    another_way,
    backoff_ms,
    climb,
    ladder,
    meaning,
    quiet_until,
    wants_digest,
    ways_for,
    who,
)

GAS = Subject(severity=Severity.HIGH, kind="gas", unit="燃气公司", tags={"area": "north"})
NEVER = Rota(name="never", units=("燃气公司",))
ALWAYS = Rota(
    name="always",
    units=("排水管理所",),
    week=(Shift(days=frozenset(range(7)), hours=Hours(from_min=0, to_min=1440), people=("li",)),),
)
ROTAS = {"never": NEVER, "always": ALWAYS}
local = datetime.fromisoformat
AT = local("2026-11-23 10:00")


def route(name: str = "r", *steps: Step, also: bool = False, **match: object) -> Route:
    return Route(name=name, steps=steps or (Step(after_s=0, tell=("li",)),), also=also, **match)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({}, True),
        ({"least": Severity.HIGH}, True),
        ({"least": Severity.CRITICAL}, False),
        ({"kinds": ("water", "gas")}, True),
        ({"kinds": ("water",)}, False),
        ({"units": ("燃气公司",)}, True),
        ({"units": ("别的",)}, False),
        ({"rules": ("x",)}, False),
        ({"tags": {"area": ("north", "south")}}, True),
        ({"tags": {"area": ("south",)}}, False),
        ({"tags": {"cell": ("1",)}}, False),
    ],
)
def test_a_route_fits_by_all_that_it_names(match: dict[str, object], fits: bool) -> None:
    assert route("r", **match).fits(GAS) is fits  # type: ignore[arg-type]


def test_the_first_route_that_fits_counts_and_more_where_it_says_also() -> None:
    late, now = Step(after_s=60, tell=("boss",)), Step(after_s=0, tell=("li",))
    routes = [route("a", late, also=True), route("b", now), route("c", now)]
    assert [rung.route for rung in ladder(routes, GAS)] == ["b", "a"]
    assert ladder([route("r", kinds=("water",))], GAS) == ()


def test_where_nobody_is_on_call_the_default_is_told_and_says_so() -> None:
    rungs = ladder([route("r", Step(after_s=0, tell=("unit", "wang")))], GAS)
    told = who(rungs, 0, "燃气公司", ROTAS, ("chen",), AT)
    assert told == {
        "chen": Why(how=How.NOBODY_ON_CALL, route="r", rota="never"),
        "wang": Why(how=How.NAMED, route="r"),
    }
    told = who(rungs, 0, "没有值班表", ROTAS, ("chen",), AT)
    assert told["chen"] == Why(how=How.NO_ROTA, route="r")
    told = who(rungs, 0, "排水管理所", ROTAS, ("chen",), AT)
    assert told["li"] == Why(how=How.WEEK, route="r", rota="always")


def test_a_rota_may_be_named_itself() -> None:
    rungs = ladder([route("r", Step(after_s=0, tell=("always",)))], GAS)
    assert who(rungs, 0, "", ROTAS, (), AT) == {"li": Why(how=How.WEEK, route="r", rota="always")}


STATES = st.sampled_from(list(State))


@given(STATES, st.sampled_from(list(Event)))
def test_what_happens_while_suppressed_wakes_nobody(state: State, event: Event) -> None:
    """Whatever leads from a suppressed state to a suppressed one says nothing, shelving apart."""
    to_state = TRANSITIONS.get((state, event))
    if to_state in SUPPRESSED and state in SUPPRESSED and event is not Event.SHELVE:
        assert meaning(event, state, to_state) is None


@pytest.mark.parametrize(
    ("state", "event", "what"),
    [
        (State.NORM, Event.CONDITION, What.RAISED),
        (State.RTNUN, Event.CONDITION, What.AGAIN),
        (State.ACKED, Event.REALARM, What.AGAIN),
        (State.ACKED, Event.ESCALATE, What.ROSE),
        (State.UNACK, Event.RETURN, What.RESOLVED),
        (State.ACKED, Event.RETURN, What.RESOLVED),
        (State.SHLVD, Event.RETURN, None),
        (State.SHLVD, Event.EXIT_NORMAL, What.RESOLVED),
        (State.SHLVD, Event.EXIT_ABNORMAL, What.RELEASED),
        (State.UNACK, Event.SHELVE, What.SHELVED),
        (State.UNACK, Event.SUPPRESS, None),
        (State.UNACK, Event.ACKNOWLEDGE, None),
        (State.RTNUN, Event.ACKNOWLEDGE, None),
    ],
)
def test_what_a_line_of_the_history_means(state: State, event: Event, what: What | None) -> None:
    assert meaning(event, state, TRANSITIONS[state, event]) is what


def test_remarks_mean_what_they_say() -> None:
    assert meaning("reminder", State.UNACK, State.UNACK) is What.REMINDER
    assert meaning("severity", State.UNACK, State.UNACK) is What.ROSE
    assert meaning("comment", State.UNACK, State.UNACK) is None


STEPS = st.lists(st.integers(0, 5), min_size=1, max_size=4)
HAPPENINGS = st.lists(
    st.one_of(
        st.sampled_from(["raise", "acknowledge", "resolve"]), st.integers(1, 3).map(lambda n: n)
    ),
    max_size=20,
)


@settings(max_examples=150)
@given(STEPS, HAPPENINGS)
def test_escalation_stops_when_acknowledged_and_resolved_goes_to_those_told(
    afters: list[int], happenings: list[str | int]
) -> None:
    """Held against a plain account: a person a step, a clock in seconds."""
    steps = [Step(after_s=after, tell=(f"p{n}",)) for n, after in enumerate(afters)]
    rungs = ladder([route("r", *steps)], GAS)
    story, now_s, waits, raised_s = Story(), 0, False, 0
    told: list[str] = []
    for each in happenings:
        if isinstance(each, int):
            now_s += each
        elif each == "raise":
            story, waits, raised_s = story.begun(now_s * 1000), True, now_s
        elif each == "acknowledge":
            story, waits = story.stopped(), False
        else:
            assert list(story.told) == list(dict.fromkeys(told))
            story, told, waits = Story(), [], False
        before = story
        story, taken = climb(story, rungs, now_s * 1000)
        assert waits or not taken
        for number in taken:
            assert raised_s + rungs[number].step.after_s <= now_s
            told += rungs[number].step.tell
            story = story.telling(rungs[number].step.tell)
        assert len(set(taken)) == len(taken)
        assert all(number >= before.step for number in taken)
        left_ms = story.due_ms(rungs)
        assert left_ms is None or left_ms > now_s * 1000


NIGHTS = (Quiet(hours=Hours(from_min=22 * 60, to_min=7 * 60), below=Severity.HIGH),)


def test_quiet_hours_hold_what_matters_less_until_they_end() -> None:
    assert quiet_until(NIGHTS, Severity.MEDIUM, local("2026-11-23 23:00")) == local(
        "2026-11-24 07:00"
    )
    assert quiet_until(NIGHTS, Severity.MEDIUM, local("2026-11-24 06:59")) == local(
        "2026-11-24 07:00"
    )
    assert quiet_until(NIGHTS, Severity.MEDIUM, local("2026-11-24 07:00")) is None
    assert quiet_until(NIGHTS, Severity.HIGH, local("2026-11-23 23:00")) is None
    assert wants_digest(NIGHTS, Severity.LOW, local("2026-11-23 23:00"))
    assert not wants_digest(NIGHTS, Severity.LOW, local("2026-11-23 12:00"))


MAIL, SMS = Way(channel="mail", to="a@b"), Way(channel="sms", to="1", least=Severity.HIGH)


def test_ways_are_those_for_the_severity_over_channels_that_live() -> None:
    ways = (MAIL, SMS)
    assert ways_for(ways, Severity.LOW) == (MAIL,)
    assert ways_for(ways, Severity.CRITICAL) == (MAIL, SMS)
    assert ways_for(ways, Severity.HIGH, {"mail"}) == (SMS,)
    assert ways_for(ways, Severity.LOW, {"mail"}) == (SMS,)
    assert ways_for(ways, Severity.HIGH, {"mail", "sms"}) == (MAIL, SMS)


def test_another_way_is_one_that_was_not_tried_and_lives() -> None:
    assert another_way((MAIL, SMS), [MAIL], ()) == SMS
    assert another_way((MAIL, SMS), [MAIL], ("sms",)) is None
    assert another_way((MAIL, SMS), [MAIL, SMS], ()) is None


@given(st.integers(0, 10_000))
def test_waiting_grows_and_is_bounded(failures: int) -> None:
    assert 0 < backoff_ms(failures) <= backoff_ms(failures + 1) <= LONGEST_BACKOFF_MS
