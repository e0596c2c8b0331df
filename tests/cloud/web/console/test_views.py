"""What the pages show, drawn from real snapshots of the made-up city."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest
import sqlalchemy as sa

from cloud.cases.rows import case_of, trace
from cloud.cases.steps import Given
from cloud.core.case_roles import Actor, roles_of
from cloud.core.case_steps import Step
from cloud.core.model import Role, Severity
from cloud.state import schema
from cloud.state.database import Database
from cloud.web.console import case_views, device_views, views
from cloud.web.limits import Limit
from cloud.web.queries import cases
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot, read
from cloud.web.wording import Wording
from contract.quality import Quality
from contract.readings import Reading
from tests.cloud.web.conftest import NOW_MS
from tests.cloud.web.seed import ZONE, City

ZH = Wording(language="zh", zone=ZONE)
EN = Wording(language="en", zone=ZONE)
TAGS = re.compile(r"<[^>]+>")

ADMIN = Actor(name="admin", roles=roles_of(Role.ADMIN))
OPERATOR = Actor(name="op", roles=roles_of(Role.OPERATOR))


def words(html: str) -> str:
    return " ".join(unescape(TAGS.sub(" ", html)).split())


@pytest.fixture
def snapshot(services: Services) -> Snapshot:
    return read(services, Snapshot(), frozenset())


def tile(snapshot: Snapshot, device: str, now_ms: int = NOW_MS, w: Wording = ZH) -> str:
    return views.tile(snapshot.sensors[device], snapshot, now_ms, w)


def test_a_tile_says_what_the_device_says_now(snapshot: Snapshot) -> None:
    shown = words(tile(snapshot, "dust-01", NOW_MS + 1_000))
    assert shown.startswith("城南安置房工地扬尘站 中 · 已确认 总悬浮颗粒物")
    assert "µg/m³ PM10" in shown
    assert "dust-01 6 秒前" in shown
    assert 'class="tile sev-medium"' in tile(snapshot, "dust-01")


def test_a_stale_value_never_looks_fresh(snapshot: Snapshot) -> None:
    """The newest reading is 5 s old; the device's period is 1 s, so 3 + 5 s are what may pass."""
    fresh = tile(snapshot, "noise-02", NOW_MS + 2_900)
    assert 'class="tile"' in fresh
    assert "<s>" not in fresh
    stale = tile(snapshot, "noise-02", NOW_MS + 3_200)
    assert 'class="tile stale"' in stale
    assert stale.count("<s>") == 3
    assert "数据陈旧 · 8 秒" in words(stale)
    assert "前" not in words(stale)


def test_a_doubtful_value_is_crossed_out_and_says_why(services: Services, city: City) -> None:
    odd = Quality.FAULT | Quality.OVER_RANGE
    city.write([Reading("gas-02", "gas_pressure", NOW_MS, 9.0, odd)], NOW_MS)
    shown = tile(read(services, Snapshot(), frozenset()), "gas-02")
    assert "<s>9.00</s>" in shown
    assert "燃气压力: 故障、超量程" in words(shown)


def test_zero_is_not_missing(services: Services, city: City) -> None:
    city.write([Reading("dust-02", "tsp", NOW_MS, 0.0)], NOW_MS)
    city.write([Reading("dust-02", "pm10", NOW_MS, None, Quality.COMMUNICATION)], NOW_MS)
    shown = words(tile(read(services, Snapshot(), frozenset()), "dust-02"))
    assert "总悬浮颗粒物 0 µg/m³" in shown
    assert "PM10 — µg/m³" in shown


def test_what_has_returned_is_not_drawn_as_what_holds(snapshot: Snapshot) -> None:
    html = tile(snapshot, "gas-01")
    assert 'class="tile"' in html
    assert "紧急 · 已恢复·未确认" in words(html)


def test_names_from_outside_are_escaped(services: Services, database: Database) -> None:
    evil = "<img src=x onerror=alert(1)>"
    with database.write() as connection:
        connection.execute(sa.update(schema.devices).values(name=evil, address=evil, owner=evil))
        connection.execute(sa.update(schema.alerts).values(title=evil, title_en=evil))
        connection.execute(sa.update(schema.cases).values(title=evil, title_en=evil, unit=evil))
        gas = sa.select(schema.cases).where(schema.cases.c.device == "gas-01")
        told = case_of(connection.execute(gas).one())
        trace(connection, told, Step.SUPERVISE, told.state, NOW_MS, by=evil, note=evil)
    found = read(services, Snapshot(), frozenset())
    handled = next(case.id for case in found.cases if case.device == "gas-01")
    with database.read() as connection:
        case = cases.one(connection, handled, ADMIN, NOW_MS)
    sensor = found.sensors["noise-01"]
    pages = [
        views.tile(sensor, found, NOW_MS, ZH),
        views.alert_list(found, NOW_MS, ZH),
        views.case_list(found, NOW_MS, ZH),
        views.alert_table(found.alerts, NOW_MS, ZH, may_acknowledge=True, empty=""),
        views.case_table(found.cases, NOW_MS, ZH, empty=""),
        device_views.head(sensor, ZH),
        case_views.head(case, ZH),
        case_views.trail(case, ZH),
    ]
    for html in pages:
        assert "<img" not in html
        assert "&lt;img" in html


def test_the_figures_at_the_top(snapshot: Snapshot) -> None:
    shown = words(views.stats(snapshot, NOW_MS, ZH))
    assert shown == (
        "设备数据正常 10 / 10 无陈旧数据 网关在线 1 / 1 全部在线 "
        "活动告警 5 4 条未确认 待立案告警 0 无待确认 未结案件 5 无超期 批次到达率 100 % 无缺失"
    )
    busy = replace(snapshot, gate={"confirm": 2, "flood": 3}, singled_out=1)
    assert "待立案告警 5 2 条待确认 未结案件 5 无超期 · 1 件多次发生" in words(
        views.stats(busy, NOW_MS, ZH)
    )
    later = words(views.stats(snapshot, NOW_MS + 4 * 3_600_000, EN))
    assert "Devices reporting 0 / 10 10 stale" in later
    assert "Open cases 5 1 overdue" in later


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [
        (0, 0, "—"),
        (10, 10, "100 %"),
        (99_999, 100_000, "99.99 %"),  # never 100 while one is missing
        (1, 3, "33.33 %"),
        (0, 5, "0.00 %"),
    ],
)
def test_shares(part: int, whole: int, shown: str) -> None:
    assert views.percent(part, whole) == shown


def test_what_could_not_be_read_again_is_announced_as_old(snapshot: Snapshot) -> None:
    assert views.old(snapshot, NOW_MS + 9_999, ZH) == ""
    shown = words(views.old(snapshot, NOW_MS + 10_000, ZH))
    assert shown == "数据自 2026-09-21 22:13:20 起未能更新，以下内容可能已过时。"


def test_the_urgent_comes_first(snapshot: Snapshot) -> None:
    ordered = sorted(snapshot.alerts, key=views.urgency)
    assert [alert.device for alert in ordered] == [
        "manhole-01",  # unacknowledged, high
        "noise-01",  # unacknowledged, medium, begun later
        "water-01",
        "gas-01",  # critical, but returned
        "dust-01",  # acknowledged
    ]
    assert views.worst_alert([]) is None


def test_the_table_of_alerts(snapshot: Snapshot) -> None:
    html = views.alert_table(snapshot.alerts, NOW_MS, EN, may_acknowledge=True, empty="none")
    assert html.count('data-act="acknowledge"') == 4
    assert "27.5° 10.0°" in words(html)
    assert "by op, 21:42:20" in words(html)
    viewer = views.alert_table(snapshot.alerts, NOW_MS, EN, may_acknowledge=False, empty="none")
    assert "<button" not in viewer
    assert words(views.alert_table([], NOW_MS, EN, may_acknowledge=True, empty="none")) == "none"


def test_a_list_that_is_cut_says_so(snapshot: Snapshot) -> None:
    cut = views.alert_table(snapshot.alerts[:2], NOW_MS, ZH, may_acknowledge=True, empty="", most=2)
    assert "仅显示最近 2 条" in words(cut)


def test_the_table_of_cases(snapshot: Snapshot) -> None:
    shown = words(views.case_table(snapshot.cases, NOW_MS, ZH, empty=""))
    assert "04-03 燃气管道破裂 · 传感器已恢复" in shown
    late = words(views.case_table(snapshot.cases, NOW_MS, EN, empty=""))
    assert "overdue" not in late


def test_the_gateways(snapshot: Snapshot) -> None:
    assert words(views.gateways(snapshot, ZH)) == "demo-cabinet 在线 批次到达率 7200 / 7200"


def test_devices_stand_by_kind_in_the_order_of_kinds(snapshot: Snapshot) -> None:
    found = views.by_kind(snapshot.sensors)
    assert list(found) == ["noise", "dust", "water", "gas", "manhole"]
    assert [sensor.id for sensor in found["gas"]] == ["gas-01", "gas-02"]


def test_the_values_of_a_device_with_their_limits(snapshot: Snapshot) -> None:
    sensor = snapshot.sensors["gas-01"]
    limit = Limit(title_zh="过低", title_en="too low", severity=Severity.CRITICAL, limit=1.5)
    html = device_views.values(sensor, snapshot, {"gas_pressure": [limit]}, NOW_MS, ZH)
    shown = words(html)
    assert "1.50 kPa 紧急" in shown
    assert "正常" in shown
    old = device_views.values(sensor, snapshot, {}, NOW_MS + 60_000, ZH)
    assert old.count('class="stale"') == 2
    assert "正常" not in words(old)


def test_a_case_shows_its_way_and_that_the_sensor_is_normal(
    snapshot: Snapshot, database: Database
) -> None:
    key = next(case.id for case in snapshot.cases if case.device == "gas-01")
    with database.read() as connection:
        case = cases.one(connection, key, OPERATOR, NOW_MS)
    html = case_views.head(case, ZH)
    assert "立案 已派遣 已处置 已核查 已结案" in words(html)
    assert html.count('class="reached"') == 2
    assert "传感器已恢复正常，建议核查" in words(html)
    trail = words(case_views.trail(case, ZH))
    assert trail.index("处置 已派遣 → 已处置 op") < trail.index("立案 系统")


def test_what_a_step_needs_is_said_before_it_is_tried(
    snapshot: Snapshot, database: Database
) -> None:
    def missing(device: str, step: str, note: str) -> str:
        key = next(case.id for case in snapshot.cases if case.device == device)
        with database.read() as connection:
            case = cases.one(connection, key, ADMIN, NOW_MS)
        return case_views.missing(case, step, Given(note=note), ZH)

    assert missing("gas-01", "verify", " ") == "核查须填写：核查情况"
    assert missing("gas-01", "verify", "现场正常") == ""
    assert missing("noise-01", "dispatch", "") == ""
    assert missing("noise-01", "close", "") == "传感器尚未恢复正常，结案须说明原因"
    assert missing("gas-01", "close", "") == ""
