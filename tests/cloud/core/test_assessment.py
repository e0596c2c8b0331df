from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from cloud.core.assessment import (
    By,
    Compared,
    Count,
    Form,
    Formula,
    Formulas,
    Line,
    Trail,
    compared,
    figure,
    figure_keys,
    grouped,
    in_force,
    outside,
    renamed,
    score_of,
    scored,
    tallies,
    tally,
    whole,
)
from cloud.core.case_steps import Label, State, Step

S = State
RATE = Formula(
    key="closed",
    title=Label(zh="结案率", en="Closed"),
    form=Form.SHARE,
    numerator=(Count.CLOSED,),
    denominator=(Count.TO_CLOSE,),
    source="here",
    mark="M",
)
MEAN = Formula(
    key="content",
    title=Label(zh="满意度", en="Content"),
    form=Form.MEAN,
    numerator=(Count.SCORE,),
    denominator=(Count.SCORED,),
    source="here",
    mark="M",
)
FORMULAS = Formulas(version="1", effective=date(2026, 1, 1), figures=(RATE, MEAN))
OPENED = Line(0, Step.OPEN, S.OPENED, "A")
SENT = Line(5, Step.DISPATCH, S.DISPATCHED, "B")
CLOSED = Line(30, Step.CLOSE, S.CLOSED, "B", 40, 5)


def trail(*lines: Line, case: str = "c") -> Trail:
    return Trail(case, "05-08", "A", "alert", lines)


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ((OPENED, SENT), {Count.OPENED, Count.DISPATCHED, Count.DISPATCHED_RIGHT}),
        (
            (SENT, Line(6, Step.RETURN, S.OPENED, "B")),
            {Count.DISPATCHED},
        ),
        (
            (Line(9, Step.HANDLE, S.HANDLED, "B", 8),),
            {Count.HANDLED, Count.TO_HANDLE, Count.DUE_HANDLING, Count.DUE_HANDLING_DONE},
        ),
        (
            (CLOSED,),
            {
                Count.CLOSED,
                Count.CLOSED_IN_TIME,
                Count.TO_CLOSE,
                Count.SCORED,
                Count.SCORE,
                Count.DUE_CLOSING,
                Count.DUE_CLOSING_DONE,
                Count.DUE_CLOSING_IN_TIME,
            },
        ),
        ((Line(100, Step.CLOSE, S.CLOSED, "B"),), set()),
    ],
)
def test_a_case_counts_for_what_it_did_in_the_period(
    lines: tuple[Line, ...], counts: set[Count]
) -> None:
    assert set(tally(trail(*lines), 0, 100).counts) == counts


def test_what_stands_overdue_at_the_end_was_to_be_done() -> None:
    late = Line(6, Step.OVERDUE, S.DISPATCHED, "B", 6)
    longer = Line(7, Step.EXTEND, S.DISPATCHED, "B", 200)
    helper = Line(6, Step.OVERDUE, S.DISPATCHED, "police", 6)
    found = tally(trail(OPENED, SENT, late), 10, 100)
    assert set(found.counts) == {Count.TO_HANDLE, Count.TO_CLOSE, Count.OPEN_OVERDUE}
    assert found.keys[By.UNIT] == "B"
    assert tallies([trail(OPENED, SENT, late, longer)], 10, 100) == []
    assert tallies([trail(OPENED, SENT, helper)], 10, 100) == []


def test_a_photo_settles_nothing() -> None:
    late = Line(6, Step.OVERDUE, S.DISPATCHED, "B", 6)
    photo = Line(7, Step.FILE, S.DISPATCHED, "B")
    assert Count.OPEN_OVERDUE in tally(trail(OPENED, SENT, late, photo), 10, 100).counts


def test_groups_and_their_figures() -> None:
    found = tallies([trail(CLOSED, case="a"), trail(CLOSED, case="b")], 0, 100)
    (group,) = grouped(FORMULAS, found, By.CATEGORY)
    assert group.key == "05-08"
    assert group.figures == whole(FORMULAS, found).figures
    assert group.figures["closed"].value == 1
    assert group.figures["content"].value == 5
    assert group.figures["content"].cases == ("a", "b")
    assert figure(RATE, {count: {} for count in Count}).value is None


def test_the_version_in_force() -> None:
    newer = Formulas(version="2", effective=date(2026, 10, 1), figures=(RATE,))
    assert in_force([newer, FORMULAS], date(2026, 9, 30)) is FORMULAS
    assert in_force([newer, FORMULAS], date(2026, 10, 1)) is newer
    assert in_force([newer], date(2026, 9, 30)) is None


def test_a_score_in_a_line_of_the_trail() -> None:
    assert score_of(scored(4)) == 4
    assert (scored(None), score_of(""), score_of("extend")) == ("", None, None)


def test_the_keys_of_all_versions_each_once() -> None:
    newer = Formulas(version="2", effective=date(2026, 10, 1), figures=(MEAN, RATE))
    assert figure_keys([FORMULAS, newer]) == ["closed", "content"]


def test_a_share_takes_a_numerator_that_is_part_of_its_denominator() -> None:
    def share(numerator: Count, *denominator: Count) -> Formula:
        return replace(RATE, numerator=(numerator,), denominator=denominator)

    assert outside(RATE) == []
    assert outside(share(Count.HANDLED_IN_TIME, Count.TO_HANDLE)) == []
    assert outside(share(Count.REWORKED, Count.TO_CLOSE)) == [Count.REWORKED]
    assert outside(share(Count.REWORKED, Count.TO_CLOSE, Count.REWORKED)) == []
    assert outside(share(Count.DUE_CLOSING_REWORKED, Count.DUE_CLOSING)) == []
    assert outside(MEAN) == []


def test_what_a_period_is_compared_with() -> None:
    found = tallies([trail(CLOSED, case="a")], 0, 100)
    then = compared(FORMULAS, found, (By.UNIT,))
    assert (then.value("closed"), then.value("content", By.UNIT, "B")) == (1, 5)
    assert then.value("closed", By.UNIT, "C") is None
    assert compared(FORMULAS, [], (By.UNIT,)) == Compared(total=None, groups={By.UNIT: {}})


def test_units_by_the_names_they_have_now() -> None:
    found = tallies([trail(CLOSED, case="a"), trail(OPENED, case="b")], 0, 100)
    units = [each.keys[By.UNIT] for each in renamed(found, {"B": "C"})]
    assert units == ["C", "A"]
    assert renamed(found, {}) == found
