from __future__ import annotations

from dataclasses import replace

import pytest

from cloud.alert_rows import Remark
from cloud.core.holds import HoldKind
from cloud.core.isa_18_2 import Event, State
from cloud.state.database import Database
from cloud.web import models
from cloud.web.console import alert_views
from cloud.web.queries import alerts
from cloud.web.snapshots import Snapshot
from cloud.web.texts import TEXTS
from cloud.web.wording import Wording
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import ZONE

ZH = Wording(language="zh", zone=ZONE)
EN = Wording(language="en", zone=ZONE)
FLOOD = models.Flood(
    id=7, desk="", began_ms=NOW_MS - 60_000, ended_ms=None, first_alert="a", alerts=12
)
HOLD = models.Hold(
    id="h",
    kind="maintenance",
    alert="",
    rule="",
    device="noise-01",
    gateway="",
    tag="site",
    tag_value="east",
    silence_only=False,
    from_ms=NOW_MS + 1,
    until_ms=NOW_MS + 3_600_000,
    reason="<calibration>",
    made_by="boss",
    made_ms=NOW_MS,
    begun=False,
    ended_ms=None,
    ended_by="",
)


@pytest.fixture
def alert(database: Database) -> models.Alert:
    with database.read() as connection:
        return alerts.page(connection, device="noise-01", limit=1).items[0]


def copies(alert: models.Alert, **by_id: dict[str, object]) -> list[models.Alert]:
    return [alert.model_copy(update={"id": key, **changed}) for key, changed in by_id.items()]


def test_one_stands_for_its_group_and_says_for_how_many(alert: models.Alert) -> None:
    some = copies(alert, a={"group": "a"}, b={"group": "a"}, c={"group": "c"}, d={"group": ""})
    folded = alert_views.fold(some, set())
    assert [each.id for each in folded.alerts] == ["a", "c", "d"]
    assert folded.more == {"a": (1, "/alerts?group=a")}


def test_in_a_flood_the_first_is_on_top_and_the_rest_is_folded_by_rule(
    alert: models.Alert,
) -> None:
    some = copies(
        alert,
        x={"severity": "critical"},
        b={"flood": 7, "group": "b"},
        a={"flood": 7, "first_out": True, "severity": "low"},
        c={"flood": 7, "group": "c"},
        d={"flood": 7, "rule": "other"},
    )
    folded = alert_views.fold(some, {7})
    assert [each.id for each in folded.alerts][:2] == ["a", "x"]
    assert folded.more == {"b": (1, "/alerts?flood=7")}
    assert len(alert_views.fold(some, set()).alerts) == 5  # over: each for itself again


def test_nothing_is_dropped(alert: models.Alert) -> None:
    some = copies(alert, **{f"a{n}": {"flood": n % 3, "group": f"a{n % 4}"} for n in range(20)})
    folded = alert_views.fold(some, {1})
    assert len(folded.alerts) + sum(n for n, _ in folded.more.values()) == 20


@pytest.mark.parametrize("w", [ZH, EN])
def test_the_banner_names_the_first_and_the_tabs_count(alert: models.Alert, w: Wording) -> None:
    snapshot = replace(
        Snapshot(),
        floods=(FLOOD,),
        alerts=tuple(copies(alert, a={"flood": 7})),
        alert_counts={("UNACK", "low"): 2, ("SHLVD", "low"): 3},
    )
    banner = alert_views.flood_banner(snapshot, NOW_MS, w)
    assert "/alerts?flood=7" in banner
    assert "/alerts/a" in banner
    assert alert_views.flood_banner(Snapshot(), NOW_MS, w).strip() == ""
    heading = alert_views.tabs(snapshot, "held", w)
    assert f"{w('alerts.active')} 2" in heading
    assert f"{w('alerts.held')} 3" in heading


def test_held_alerts_are_apart_from_the_active(alert: models.Alert) -> None:
    some = copies(alert, a={"state": "UNACK"}, b={"state": "OOSRV", "hold": HOLD})
    snapshot = replace(Snapshot(), alerts=tuple(some))
    active = alert_views.open_table("active", True, snapshot, NOW_MS, ZH)
    held = alert_views.open_table("held", True, snapshot, NOW_MS, ZH)
    assert ("/alerts/a" in active, "/alerts/b" in active) == (True, False)
    assert ("/alerts/a" in held, "/alerts/b" in held) == (False, True)
    assert "&lt;calibration&gt;" in held


def test_what_is_held_says_about_what_until_when_and_why() -> None:
    assert alert_views.about(HOLD, EN) == [("device", "noise-01"), ("site", "east")]
    assert "calibration" in alert_views.held(HOLD, ZH)
    drawn = alert_views.holds_table([HOLD], NOW_MS, EN, may=True)
    assert 'data-act="end"' in drawn
    assert "Call off" in drawn
    assert 'data-act="end"' not in alert_views.holds_table([HOLD], NOW_MS, EN, may=False)
    away = HOLD.model_copy(update={"kind": "topology", "until_ms": None})
    assert "until it is back" in alert_views.holds_table([away], NOW_MS, EN, may=True)


@pytest.mark.parametrize("w", [ZH, EN])
def test_an_alert_shows_its_history(database: Database, alert: models.Alert, w: Wording) -> None:
    with database.read() as connection:
        detail = alerts.one(connection, alert.id)
    assert w("event.condition") in alert_views.history(detail, w)
    held = detail.model_copy(update={"hold": HOLD, "group": "other"})
    assert "/alerts/other" in alert_views.head(held, w)
    assert w("hold.maintenance") in alert_views.head(held, w)


def test_every_state_event_and_kind_of_hold_has_words() -> None:
    assert {f"alert.{state}" for state in State} <= set(TEXTS)
    assert {f"event.{event}" for event in (*Event, *Remark)} <= set(TEXTS)
    assert {f"hold.{kind}" for kind in HoldKind} <= set(TEXTS)
