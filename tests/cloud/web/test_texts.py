"""Both languages have every text, every text is used, and every text that is used is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cloud.alert_rows import Remark
from cloud.alert_topics import RAISED, REFUTED, RETURNED
from cloud.cases import deliveries, reports
from cloud.core.assessment import By
from cloud.core.gate import Wait
from cloud.core.holds import HoldKind
from cloud.core.isa_18_2 import Event, State
from cloud.core.model import Role, Severity
from cloud.core.performance import Figure, Verdict
from cloud.core.rule_changes import Changed
from cloud.core.rules import Mark, Schedule
from cloud.core.topology import MAINS, NETWORK, OWN_MEASUREMENTS
from cloud.core.waiting import State as Waits
from cloud.rules.check_entries import CHECK_ENTRIES
from cloud.web.backtest_models import NotReplayed
from cloud.web.backtest_models import State as Tried
from cloud.web.console import lists
from cloud.web.console.alert_views import TABS
from cloud.web.console.backtest_page import NUMBERS
from cloud.web.console.backtest_views import FIGURES
from cloud.web.console.device_views import REASONS
from cloud.web.console.screen import LINKS
from cloud.web.rule_models import Standing as RulesStand
from cloud.web.texts import TEXTS, text
from contract.quality import LETTERS
from contract.quantities import Averaging, Kind

WEB = Path(__file__).parents[3] / "cloud" / "web"
SOURCES = {
    path: path.read_text(encoding="utf-8")
    for path in [*WEB.rglob("*.py"), *WEB.rglob("*.html")]
    if path.name != "texts.py"
}
QUOTED = re.compile(r"""["']([a-z_]+(?:\.[A-Za-z0-9_]*)*)["']""")
HAN = re.compile(r"[\u4e00-\u9fff]")
FIELDS = re.compile(r"{(\w+)}")

CHECK_NAMES = [get_args(one.model_fields["type"].annotation)[0] for one in CHECK_ENTRIES]

# Keys that are put together from a name that is not written in the source.
COMPOSED = {
    *(f"kind.{kind.value}" for kind in Kind),
    "kind.",
    *(f"own.{own}" for own in OWN_MEASUREMENTS),
    *(f"{own}.{is_there}" for own in (MAINS, NETWORK) for is_there in (0, 1)),
    *(f"severity.{severity.value}" for severity in Severity),
    *(f"alert.{state.value}" for state in State),
    *(f"quality.{letter}" for letter in LETTERS),
    "quality.",
    *(f"averaging.{how.value}" for how in Averaging),
    *(f"role.{role.value}" for role in Role),
    *(f"assessment.by.{by.value}" for by in By),
    *(f"chart.{window}" for window in ("1h", "6h", "24h", "7d", "30d", "1y")),
    *(f"{what}.{which}" for what in ("maintenance", "cases") for which in ("open", "all")),
    *(f"alerts.{tab}" for tab in TABS),
    *(f"event.{event.value}" for event in (*Event, *Remark)),
    *(f"hold.{kind.value}" for kind in HoldKind),
    *(f"hold.is.{standing}" for standing in ("running", "planned", "ended")),
    *(f"hold.until.{end}" for end in ("back", "ended")),
    *(f"hold.by.{what}" for what in ("alert", "device", "gateway", "rule")),
    *(f"hold.tag.{tag}" for tag in ("site", "area", "cell")),
    "kind.gateway",
    "kind.channel",
    *(f"nav.{page}" for page, _ in LINKS),
    *(f"cases.{which}" for which in lists.SHOWN),
    *(f"gate.{word}" for word in (*reports.SOURCES, *reports.TAGS, *Wait)),
    *(f"outbox.{state.name.lower()}" for state in deliveries.State),
    *(f"outbox.{topic}" for topic in (RAISED, RETURNED, REFUTED)),
    *(f"performance.{figure.name.lower()}" for figure in Figure),
    *(f"backtest.{key}" for key in (*NUMBERS, "current", "changed")),
    *(f"backtest.no_rule.{key}" for key in ("current", "changed")),
    *(f"rules.check.{check}" for check in CHECK_NAMES),
    *(f"rules.mark.{mark.value}" for mark in Mark),
    *(f"rules.schedule.{schedule.value}" for schedule in Schedule),
    *(f"rules.is.{standing.value}" for standing in RulesStand),
    *(f"rules.what.{what.value}" for what in Changed),
    *(f"backtest.state.{state.value}" for state in Tried),
    *(f"backtest.figure.{key}" for key in FIGURES),
    *(f"backtest.not.{one.value}" for one in NotReplayed),
    *(f"performance.verdict.{verdict.value}" for verdict in Verdict),
    *(f"time.{unit}" for unit in ("s", "min", "h", "d")),
    *(f"inbox.{state.value}" for state in Waits),
    *(f"complete.{reason}" for reason in REASONS),
    "nav.notifications",
    *(f"told.fate.{fate}" for fate in ("waiting", "sent", "digested", "moved", "refused")),
    *(f"told.fate.{fate}" for fate in ("given_up", "skipped")),
    *(f"told.hold.{hold}" for hold in ("quiet", "flood", "group")),
    "open.0",
    "open.1",
}


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_have_it_with_the_same_fields(key: str) -> None:
    zh, en = TEXTS[key]
    assert zh.strip()
    assert en.strip()
    assert FIELDS.findall(zh) == FIELDS.findall(en)


WORDLESS = ("language.other", "list.comma")


@pytest.mark.parametrize("key", [key for key in TEXTS if key not in WORDLESS])
def test_each_column_is_in_its_language(key: str) -> None:
    zh, en = TEXTS[key]
    assert not HAN.search(en)
    assert HAN.search(zh)


def test_what_is_put_together_is_there() -> None:
    assert set(TEXTS) >= COMPOSED


def test_every_text_is_used() -> None:
    quoted = {word for source in SOURCES.values() for word in QUOTED.findall(source)}
    assert set(TEXTS) - quoted - COMPOSED == set()


def test_every_text_that_is_used_is_there() -> None:
    calls = re.compile(r"""\b(?:w|text|self\.w|screen\.w|self\._screen\.w)\(\s*["']([^"']+)["']""")
    used = {
        word
        for source in SOURCES.values()
        for word in calls.findall(source)
        if not word.endswith(".")  # the beginning of one that is put together
    }
    assert used - set(TEXTS) == set()


def test_fields_are_filled_in() -> None:
    assert text("overview.overdue", "zh", n=3) == "3 件超期"
    assert text("overview.overdue", "en", n=3) == "3 overdue"
