"""What a backtest's page shows of a result."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from cloud.web import backtest_models as models
from cloud.web.backtest_models import State
from cloud.web.console.backtest_views import FIGURES, chart, table
from cloud.web.wording import Wording

ZH, EN = (Wording(language=each, zone=ZoneInfo("Asia/Shanghai")) for each in ("zh", "en"))
AT_MS = 1_790_042_400_000  # 10:00 in Shanghai
EXAMPLE = models.BacktestExample(
    device="noise-1",
    device_name="广场",
    measurement="noise_laeq",
    began_ms=AT_MS,
    ended_ms=AT_MS + 60_000,
    value=66.0,
    at_ms=[AT_MS - 60_000, AT_MS, AT_MS + 60_000],
    readings=[50.0, 66.0, None],
)


def figures(alerts: int, overdue: float | None = None) -> models.BacktestFigures:
    zeros = dict.fromkeys(models.BacktestFigures.model_fields, 0)
    told = {**zeros, "alerts": alerts, "overdue": overdue}
    return models.BacktestFigures.model_validate(told)


def side(limit: float, alerts: int) -> models.BacktestSide:
    return models.BacktestSide(
        limit=limit,
        deadband=3.0,
        on_delay_s=0,
        off_delay_s=0,
        figures=figures(alerts),
        examples=[EXAMPLE],
    )


NOW = side(60, 9)
RULE = models.BacktestRule(
    rule="loud", title="吵", title_en="loud", unit="dB(A)", current=NOW, changed=side(65, 2)
)
RESULT = models.BacktestResult(
    readings=12_345, current=figures(11), changed=figures(12), rules=[RULE], advice=[]
)
FOUND = models.Backtest(
    id="x",
    by="ann",
    state=State.DONE,
    done=1,
    why="",
    device="",
    from_ms=AT_MS,
    until_ms=AT_MS + 1,
    result=RESULT,
)


@pytest.mark.parametrize(("w", "title", "groups"), [(ZH, "吵", "分组"), (EN, "loud", "groups")])
def test_both_are_side_by_side_and_what_is_not_played_is_said(
    w: Wording, title: str, groups: str
) -> None:
    html = table(FOUND, RESULT, w)
    assert "12,345" in html
    assert title in html
    assert groups in html
    assert '<b class="chip verdict-good">2</b>' in html  # fewer alerts of this rule
    assert '<b class="chip verdict-poor">12</b>' in html  # more of all
    assert html.count('<td class="main"') == len(FIGURES)
    assert "—" in html  # no handling has been seen


@pytest.mark.parametrize(("below", "back"), [(False, 57.0), (True, 63.0)])
def test_an_example_has_its_limit_its_way_back_and_its_time(below: bool, back: float) -> None:
    options = chart(EXAMPLE, RULE, NOW, below=below, w=ZH)
    (line,) = options["series"]
    assert line["data"][1] == [AT_MS + 8 * 3_600_000, 66.0]  # local time, as if it were UTC
    assert line["data"][2][1] is None
    assert [one["yAxis"] for one in line["markLine"]["data"]] == [60.0, back]
    ((begin, end),) = line["markArea"]["data"]
    assert end["xAxis"] - begin["xAxis"] == 60_000
    assert options["yAxis"]["min"] < 50 < 66 < options["yAxis"]["max"]


def test_an_alert_that_holds_is_shaded_to_the_end_and_nothing_usable_can_be_drawn() -> None:
    holds = EXAMPLE.model_copy(update={"ended_ms": None, "readings": [None, None, None]})
    options = chart(holds, RULE, NOW, below=False, w=EN)
    ((begin, end),) = options["series"][0]["markArea"]["data"]
    assert end["xAxis"] - begin["xAxis"] == 60_000
    assert options["yAxis"]["min"] < options["yAxis"]["max"]
