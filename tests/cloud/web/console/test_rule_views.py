"""What the pages of rules show: changes in words, refusals, and nothing where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.core.checks import NoData, Rate, Statistic, Window
from cloud.core.rule_changes import Changed
from cloud.core.rules import Rule
from cloud.errors import InvalidFileError
from cloud.rule_sets import Origin
from cloud.web import rule_models as models
from cloud.web.console import rule_views
from cloud.web.queries.rules import rule_view
from cloud.web.rule_models import Standing
from cloud.web.wording import Wording
from tests.cloud.web.seed import RULES, ZONE

ZH, EN = (Wording(language=language, zone=ZONE) for language in ("zh", "en"))
LOW: Rule = RULES.by_id["gas.low"]
CHANGED = models.RuleChanged(
    rule="gas.low",
    title="压力<过低>",
    title_en="too low",
    what=Changed.CHANGED,
    before="1",
    after="2-ab",
    fields=[
        models.FieldChange(field="limit", before=1.5, after=1.6),
        models.FieldChange(field="select", before={}, after={"area_class": ["2", "3"]}),
        models.FieldChange(field="until", before=None, after="2030-01-01"),
    ],
)
SET = models.RuleSetView(
    number=2,
    standing=Standing.UPCOMING,
    from_ms=1_790_000_000_000,
    made_ms=1_780_000_000_000,
    origin=Origin.CHANGE,
    by="ann",
    note="winter",
    withdrawn_ms=None,
    withdrawn_by="",
    changes=[CHANGED],
)
EMPTY = models.RuleBook(base=0, current=None, rules=[], upcoming=[], history=[])


def test_changes_are_said_in_words_and_escaped() -> None:
    html = rule_views.changes([CHANGED], ZH)
    assert "压力&lt;过低&gt;" in html
    assert "<del>1.5</del> → <ins>1.6</ins>" in html
    assert "area_class: 2、3" in html
    assert "<del>—</del> → <ins>2030-01-01</ins>" in html
    assert 'href="/rules/gas.low/versions/1"' in html
    assert rule_views.changes([], EN).count("none") == 1


@pytest.mark.parametrize("may", [True, False])
def test_what_waits_is_withdrawn_by_who_may(may: bool) -> None:
    book = EMPTY.model_copy(update={"upcoming": [SET]})
    html = rule_views.upcoming(book, EN, may=may)
    assert ("data-act" in html) is may
    assert "ann" in html
    assert "winter" in html


def test_nothing_is_said_to_be_nothing() -> None:
    assert "No change waits" in rule_views.upcoming(EMPTY, EN, may=True)
    assert "no such rules" in rule_views.in_force(EMPTY, EN)
    assert "Intake has not run yet" in rule_views.in_force(EMPTY, EN)
    assert "Nothing yet" in rule_views.history([], EN)


def test_a_refusal_has_every_problem() -> None:
    html = rule_views.refusal(InvalidFileError(["rules.yaml:3: <a>", "rules.yaml:4: b"]), EN)
    assert "<li>rules.yaml:3: &lt;a&gt;</li>" in html
    assert "(2)" in html


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (LOW, "< 1.5 kPa"),
        (replace(LOW, check=Rate(over_s=60), unit="kPa/s"), "< 1.5 kPa/s"),
        (replace(LOW, check=NoData(periods=3)), "no data"),
        (replace(LOW, check=Window(statistic=Statistic.MEAN, over_s=60)), "< 1.5 kPa"),
    ],
)
def test_limits(rule: Rule, words: str) -> None:
    assert rule_views.limits(rule_view(rule), EN) == words
