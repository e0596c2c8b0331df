"""What the page of the assessment says, apart from the browser."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from cloud.cases.formulas import load_versions
from cloud.core.assessment import By, Figure, Form, Formula
from cloud.core.assessment_text import change, spelt
from cloud.errors import InvalidError
from cloud.web.console.assessment_page import (
    DIGITS,
    asked_of,
    group_name,
    months,
    ordered,
    period_of,
)
from cloud.web.wording import Wording

ZH = Wording(language="zh", zone=ZoneInfo("Asia/Shanghai"))
EN = Wording(language="en", zone=ZoneInfo("Asia/Shanghai"))
FORMULA = {formula.form: formula for formula in load_versions()[0].figures}


def test_the_months_to_choose_from_are_a_year_and_the_one_asked_for() -> None:
    named = months(date(2026, 3, 31))
    assert (named[:3], named[-1], len(named)) == (["2026-03", "2026-02", "2026-01"], "2025-03", 13)
    assert months(date(2026, 3, 31), "2020-01")[-1] == "2020-01"
    assert months(date(2026, 3, 31), "2026-01") == named


@pytest.mark.parametrize(
    ("form", "now", "then", "said", "changed"),
    [
        (Form.COUNT, 12.0, 8.0, "12", "+50.0 %"),
        (Form.COUNT, 12.0, 0.0, "12", "—"),
        (Form.SHARE, 0.5, 0.75, "50.0 %", "-25.0 个百分点"),
        (Form.MEAN, 4.5, 4.0, "4.50", "+0.50"),
        (Form.MEAN, None, 4.0, "—", "—"),
        (Form.SHARE, 1.0, None, "100.0 %", "—"),
        (Form.SHARE, 0.13, 0.1301, "13.0 %", "0.0 个百分点"),
        (Form.COUNT, 0.0, 8.0, "0", "-100.0 %"),
    ],
)
def test_figures_as_people_read_them(
    form: Form, now: float | None, then: float | None, said: str, changed: str
) -> None:
    formula: Formula = FORMULA[form]
    points = ZH("assessment.points")
    told = spelt(formula, now, DIGITS), change(formula, now, then, points, DIGITS)
    assert told == (said, changed)


def test_what_groups_are_called() -> None:
    assert group_name(By.SOURCE, "phone", EN) == "Phone"
    assert group_name(By.SOURCE, "radio", EN) == "radio"
    assert group_name(By.UNIT, "", ZH) == "（无）"
    assert group_name(By.CATEGORY, "03-02", ZH).startswith("03-02 ")


def test_an_address_keeps_its_month_and_grouping() -> None:
    asked = asked_of("2026-10", "moon", "opened", "一队")
    assert asked.by is By.UNIT
    assert asked.link(by="cell") == "?month=2026-10&by=cell"
    assert asked.link(figure="handled", key="").endswith("figure=handled&key=")


def test_an_address_of_a_period_that_is_no_month() -> None:
    asked = asked_of("", "unit", "", None, "2026-10-05", "2026-10-12")
    assert asked.link(figure="handled") == (
        "?since=2026-10-05&until=2026-10-12&by=unit&figure=handled"
    )
    assert asked.link(month="2026-09") == "?by=unit&month=2026-09"
    today = date(2026, 10, 20)
    found = period_of(asked, today, ZH.zone)
    assert found.name == "2026-10-05 00:00 – 2026-10-12 00:00"
    assert found.until_ms - found.from_ms == 7 * 86_400_000
    assert period_of(asked_of("", "", "", None, "2026-10-19"), today, ZH.zone).day.day == 19
    assert period_of(asked_of("", "", "", None), today, ZH.zone).name == "2026-10"
    with pytest.raises(InvalidError, match="write it as 2026-10-01"):
        period_of(asked_of("", "", "", None, "soon"), today, ZH.zone)


def test_all_cases_of_a_figure_are_shown_those_that_count_first() -> None:
    cases = tuple(f"c{number:03}" for number in range(450))
    figure = Figure(
        key="k", value=0.5, numerator=2, denominator=450, cases=("c440", "c449"), of=cases
    )
    assert ordered(figure)[:3] == ["c440", "c449", "c000"]
    assert sorted(ordered(figure)) == list(cases)
    assert asked_of("2026-10", "", "k", None, skip="200").skip == 200
    assert asked_of("2026-10", "", "k", None, skip="-1").skip == 0
