"""When the demo's figures are good enough, and what it says when they are not."""

from __future__ import annotations

import msgspec
import pytest
from msgspec.structs import replace

from contract.quantities import Kind
from simulators.demo.figures import Buffer, Count, Percentiles, outcome, shortcomings
from simulators.demo.texts import KINDS, TEXTS, Language, default_language, table

GOOD = Count(
    stored=2000,
    duplicates=0,
    alerts={kind.value: 2 for kind in Kind},
    cases={kind.value: 1 for kind in Kind},
    returned={"gas": 1, "manhole": 2},
    sensor_to_alert_ms=Percentiles(p50=310.0, p99=740.5),
)
SENT = Buffer(published_readings=2000, held_readings=0)


def test_all_well() -> None:
    assert shortcomings(SENT, GOOD) == []


@pytest.mark.parametrize(
    ("buffer", "count", "said"),
    [
        (Buffer(1999, 0), GOOD, "published 1999 readings, stored 2000"),
        (Buffer(2000, 3), GOOD, "the edge still holds 3 readings"),
        (SENT, replace(GOOD, duplicates=1), "1 readings are stored twice"),
        (SENT, replace(GOOD, alerts=GOOD.alerts | {"dust": 0}), "no alert for dust"),
        (SENT, replace(GOOD, cases={"noise": 1}), "no case for gas"),
        (SENT, replace(GOOD, returned={"gas": 1}), "no alert for manhole returned to normal"),
        (Buffer(0, 0), replace(GOOD, stored=0), "the edge published nothing"),
    ],
)
def test_each_shortcoming_is_said(buffer: Buffer, count: Count, said: str) -> None:
    assert said in shortcomings(buffer, count)


def test_the_last_line_has_the_agreed_keys() -> None:
    line = msgspec.json.decode(msgspec.json.encode(outcome(SENT, replace(GOOD, cases={"gas": 4}))))
    assert line == {
        "published": 2000,
        "stored": 2000,
        "duplicates": 0,
        "alerts": {"noise": 2, "dust": 2, "water": 2, "gas": 2, "manhole": 2},
        "cases": {"noise": 0, "dust": 0, "water": 0, "gas": 4, "manhole": 0},
        "sensor_to_alert_ms": {"p50": 310.0, "p99": 740.5},
    }


@pytest.mark.parametrize(("language", "word"), [(Language.ZH, "井盖"), (Language.EN, "manhole")])
def test_the_table_speaks_the_language(language: Language, word: str) -> None:
    text = table(outcome(SENT, GOOD), language)
    assert word in text
    assert "2000" in text
    assert "740.5" in text


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, Language.ZH),
        ({"LANG": "C.UTF-8"}, Language.EN),
        ({}, Language.EN),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, Language.EN),
    ],
)
def test_the_language_is_the_environments(environment: dict[str, str], language: Language) -> None:
    assert default_language(environment) is language


def test_every_text_is_there_in_both_languages() -> None:
    assert all(set(text) == set(Language) for text in [*TEXTS.values(), *KINDS.values()])
    assert set(KINDS) == set(Kind)
