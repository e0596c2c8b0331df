"""The console in a real browser, against a real server of its own process."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.cloud.cases.pictures import JPEG, PNG
from tests.cloud.web.seed import PASSWORD
from tests.cloud.web.test_rules_api import TEXT as CHANGED_RULES
from tests.cloud.web.test_server import city_process

pytestmark = pytest.mark.e2e

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
EXPECTED_ERRORS = re.compile(r"the server responded with a status of (401|404|422)")


@dataclass
class Watched:
    """A page, where it fetched from, and what it complained about."""

    page: Page
    hosts: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with city_process(tmp_path_factory.mktemp("console")) as (_, address):
        yield address


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def browsing(chromium: Browser, *, width: int = 1440) -> Iterator[Watched]:
    """Open a page in a context of its own; it must not complain, nor leave this machine."""
    # Nothing moves, so that no click goes to where a button was.
    page = chromium.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce")
    watched = Watched(page)
    page.on("request", lambda request: watched.hosts.add(request.url.split("/")[2]))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            watched.complaints.append(said.text)
            if said.type in ("error", "warning") and not EXPECTED_ERRORS.search(said.text)
            else None
        ),
    )
    try:
        yield watched
        assert watched.complaints == []
        assert {host.partition(":")[0] for host in watched.hosts} == {"127.0.0.1"}
    finally:
        page.close()


def sign_in(page: Page, city: str, name: str, language: str, path: str = "/") -> None:
    page.goto(city + path)
    expect(page).to_have_url(re.compile(r"/login"))
    page.goto(f"{page.url}{'&' if '?' in page.url else '?'}lang={language}")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    expect(page.locator(".gw-top")).to_be_visible()


WORDS = {
    "zh": {
        "title": "总览",
        "stale": "数据陈旧",
        "alerts": "告警",
        "limit": "限值",
        "html": "zh-CN",
    },
    "en": {
        "title": "Overview",
        "stale": "stale",
        "alerts": "Alerts",
        "limit": "Limits",
        "html": "en",
    },
}


@pytest.mark.parametrize("language", WORDS)
def test_every_page_in_each_language(chromium: Browser, city: str, language: str) -> None:
    words = WORDS[language]
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "guest", language)
        expect(page).to_have_title(re.compile(words["title"]))
        expect(page.locator("html")).to_have_attribute("lang", words["html"])
        expect(page.locator(".tile")).to_have_count(10)
        silent = page.locator(".tile[href='/devices/dust-02']")
        expect(silent).to_contain_text(words["stale"], timeout=30_000)
        expect(silent).to_have_class(re.compile("stale"))
        figure = page.locator(".tile[href='/devices/noise-01'] .first .figure")
        before = figure.inner_text()
        expect(figure).not_to_have_text(before, timeout=30_000)  # it lives
        page.click(".tile[href='/devices/noise-01']")
        expect(page.locator(".plot canvas")).to_be_visible()
        expect(page.locator(".table.values")).to_contain_text(words["limit"])
        page.click(".gw-top nav a[href='/alerts']")
        expect(page.locator("h1")).to_have_text(words["alerts"])
        expect(page.locator("button[data-act]")).to_have_count(0)  # a viewer acknowledges nothing
        page.click(".gw-top nav a[href='/cases']")
        page.locator(".table.cases a.id").first.click()
        expect(page.locator(".trail li").first).to_be_visible()
        expect(page.locator(".buttons")).to_have_count(0)
        page.goto(f"{city}/nothing-here")
        expect(page.locator(".missing")).to_be_visible()


def test_an_operator_acknowledges_and_takes_a_step(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "op", "zh", "/alerts")
        expect(page).to_have_url(f"{city}/alerts")  # where one wanted to
        buttons = page.locator("button[data-act=acknowledge]")
        expect(buttons).to_have_count(4)
        buttons.first.click()
        expect(buttons).to_have_count(3)
        expect(page.locator(".table.alerts")).to_contain_text(re.compile(r"op 于 .* 确认"))
        page.goto(f"{city}/cases")
        page.locator("tr", has_text="燃气供气压力过低").locator("a.id").click()
        expect(page.locator(".hint")).to_contain_text("传感器已恢复正常，建议核查")
        page.get_by_role("button", name="核查").click()
        expect(page.locator(".q-notification")).to_contain_text("核查须填写：核查情况")
        page.fill("textarea", "现场核查，压力稳定")
        page.get_by_role("button", name="核查").click()
        expect(page.locator(".steps .current")).to_have_text("已核查")
        expect(page.locator(".trail li").first).to_contain_text("现场核查，压力稳定")
        expect(page.get_by_role("button", name="结案")).to_be_visible()


def test_a_manager_tries_a_rule_with_other_numbers(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "admin", "en", "/rules/backtest?rule=noise.class2.day")
        expect(page.locator("h1")).to_have_text("Backtest")
        page.get_by_role("button", name="Run the backtest").click()
        expect(page.get_by_text("Change a number first.")).to_be_visible()
        page.get_by_label("Limit").fill("95")
        page.get_by_role("button", name="Run the backtest").click()
        table = page.locator(".table.backtest")
        expect(table).to_contain_text("Class 2 noise by day", timeout=60_000)
        expect(page.locator(".backtest-results")).to_contain_text("Changed · 95.0 dB(A)")
        expect(page.locator(".backtest-results")).to_contain_text("groups")
        expect(page.locator(".card .none").last).to_have_text("no alerts")


def test_a_manager_changes_rules_and_withdraws_the_change(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "admin", "en", "/rules?kind=gas")
        expect(page.locator(".table.rules tbody tr")).to_have_count(2)
        file = page.get_by_label("File of rules")
        file.fill(CHANGED_RULES.replace("critical", "urgent"))
        page.get_by_role("textbox", name="Reason").fill("winter")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.locator(".rule-refusal")).to_contain_text("rules.yaml:12: rules[0].severity")
        file.fill(CHANGED_RULES)
        page.get_by_label("In force from").fill("2099-01-02T08:00")
        page.get_by_role("button", name="Show what changes").click()
        expect(page.locator(".rule-plan")).to_contain_text("1.5 → 1.6")
        page.get_by_role("button", name="Confirm the change").click()
        waiting = page.locator(".card", has_text="Waiting for their moment")
        expect(waiting).to_contain_text("in force from 2099-01-02 08:00:00")
        expect(file).to_have_value("")
        file.fill("half a th")
        waiting.get_by_role("button", name="Withdraw").click()
        expect(waiting).to_contain_text("No change waits.")
        expect(page.locator(".table.rule-sets").last).to_contain_text("withdrawn")
        expect(file).to_have_value("half a th")
        page.get_by_role("link", name="Gas pressure too low").first.click()
        expect(page.locator(".facts")).to_contain_text("now on (set 1)")
        expect(page.locator(".rule-text")).to_contain_text("limit: 1.5")
        version = page.locator(".facts a.id").first
        version.click()
        expect(page.locator(".facts")).to_contain_text("never")
        expect(page.locator(".rule-text")).to_contain_text("limit: 1.6")


def test_an_alert_leads_to_the_rule_as_it_was(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "guest", "zh", "/alerts?show=all")
        page.locator(".table.alerts td.main a[href^='/alerts/']").first.click()
        page.locator(".facts a[href^='/rules/']").click()
        expect(page.locator(".rule-text")).to_contain_text("preset: rules")
        page.goto(f"{city}/rules")
        expect(page.get_by_text("修改规则需要主管权限。")).to_be_visible()


def test_the_language_is_switched_and_kept(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "admin", "zh")
        page.click("form[action='/language'] button")
        expect(page).to_have_title(re.compile("Overview"))
        page.click("form[action='/logout'] button")
        expect(page.locator("button[type=submit]")).to_have_text("Sign in")
        page.goto(city)
        expect(page).to_have_url(f"{city}/login")


def test_on_a_phone_nothing_sticks_out(chromium: Browser, city: str) -> None:
    with browsing(chromium, width=390) as watched:
        page = watched.page
        sign_in(page, city, "guest", "en")
        for path in ("/", "/devices/water-02", "/alerts", "/cases", "/alerts?show=all"):
            page.goto(city + path)
            expect(page.locator(".gw-main")).to_be_visible()
            expect(page.locator(".gw-main .card, .gw-main .tile").first).to_be_visible()
            assert page.evaluate("document.documentElement.scrollWidth") == 390, path


def test_a_session_that_ends_ends_the_page(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "guest", "zh")
        token = next(c for c in page.context.cookies() if c.get("name") == "gridwarden_session")
        bearer = {"Authorization": f"Bearer {token.get('value')}"}
        assert httpx.post(f"{city}/api/v1/logout", headers=bearer).status_code == 204
        expect(page).to_have_url(re.compile("/login"), timeout=30_000)


@pytest.mark.parametrize(
    ("signed_in", "origin", "status"),
    [
        (False, "", 403),
        (True, "https://evil.example", 403),
        (True, "", 101),
    ],
)
def test_the_socket_is_closed_to_strangers_and_to_other_sites(
    city: str, signed_in: bool, origin: str, status: int
) -> None:
    who = {"name": "guest", "password": PASSWORD, "as": "token"}
    token = httpx.post(f"{city}/api/v1/login", json=who).json()["token"] if signed_in else ""
    host = city.removeprefix("http://")
    lines = [
        "GET /_nicegui_ws/socket.io/?EIO=4&transport=websocket HTTP/1.1",
        f"Host: {host}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        f"Origin: {origin or city}",
        f"Cookie: gridwarden_session={token}",
        "",
        "",
    ]
    address, _, port = host.partition(":")
    with socket.create_connection((address, int(port)), timeout=10) as line:
        line.sendall("\r\n".join(lines).encode())
        assert line.recv(1024).startswith(f"HTTP/1.1 {status} ".encode())


def test_pages_that_are_closed_leave_nothing_behind(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "guest", "zh")
        for path in ("/", "/alerts", "/cases", "/devices/gas-01") * 3:
            page.goto(city + path)
            expect(page.locator(".gw-main")).to_be_visible()
        expect_watching(page, city, at_least=1)
    page = chromium.new_page()
    expect_watching(page, city, at_most=0)
    page.close()


def expect_watching(page: Page, city: str, at_least: int = 0, at_most: int = 1_000) -> None:
    """Wait until so many pages are open as the server sees it."""
    number = -1
    for _ in range(120):
        text = httpx.get(f"{city}/metrics").text
        found = re.search(r"^gridwarden_watching (\d+)", text, re.MULTILINE)
        number = int(found[1]) if found else -1
        if at_least <= number <= at_most:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{number} pages are watched")


def test_a_case_is_shared_by_units_and_merged(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "op", "zh", "/cases")
        row = page.locator(".table.cases tr", has_text="城南安置房工地扬尘站")
        into = row.locator("a.id").inner_text()
        page.locator(".table.cases tr", has_text="沙河断面水质站").locator("a.id").click()
        page.get_by_text("联合处置：向多个单位派任务").click()
        page.get_by_label("任务内容").fill("排查排口")
        page.get_by_role("button", name="增加单位").click()
        for place, unit in enumerate(("水务局", "居委会")):
            page.get_by_label("协办单位").nth(place).fill(unit)
            page.get_by_label("完成时限").nth(place).fill("2036-11-24T09:00")
        page.get_by_role("button", name="派发任务").click()
        tasks = page.locator(".pair.task")
        expect(tasks).to_have_count(2)
        expect(tasks.first).to_contain_text("水务局 · 排查排口 · 2036-11-24 09:00:00")
        page.get_by_label("完成情况").first.fill("已封堵")
        tasks.first.get_by_role("button", name="完成").click()
        expect(tasks).to_have_count(1)
        page.get_by_text("并案", exact=True).click()
        page.get_by_label("并入案件（案件号）").fill(into)
        page.get_by_role("option", name=re.compile(into)).click()
        page.get_by_role("button", name="并入", exact=True).click()
        expect(page).to_have_url(f"{city}/cases/{into}")
        expect(page.locator(".trail li").first).to_contain_text("并入他案")


def test_what_is_half_typed_outlives_what_others_do(chromium: Browser, city: str) -> None:
    with browsing(chromium) as one, browsing(chromium) as other:
        mine, theirs = one.page, other.page
        for page in (mine, theirs):
            sign_in(page, city, "op", "zh", "/cases")
            page.locator(".table.cases tr", has_text="城南安置房工地扬尘站").locator("a.id").click()
        before = mine.locator(".trail li").count()
        mine.get_by_label("办理意见").first.fill("已通知工地")
        mine.get_by_text("联合处置：向多个单位派任务").click()
        mine.get_by_label("任务内容").fill("覆盖裸土")
        theirs.get_by_text("联合处置：向多个单位派任务").click()
        theirs.get_by_label("任务内容").fill("洒水")
        theirs.get_by_label("协办单位").fill("环卫所")
        theirs.get_by_role("button", name="派发任务").click()
        expect(mine.locator(".pair.task")).to_have_count(1)
        expect(mine.get_by_label("任务内容")).to_have_value("覆盖裸土")
        theirs.locator(".card.next button").first.click()
        expect(mine.locator(".trail li")).to_have_count(before + 2)
        expect(mine.get_by_label("办理意见").first).to_have_value("已通知工地")
        expect(mine.get_by_label("任务内容")).to_have_value("覆盖裸土")


def test_a_photo_is_added_to_a_case(chromium: Browser, city: str, tmp_path: Path) -> None:
    (tmp_path / "现场.png").write_bytes(PNG)
    (tmp_path / "lies.png").write_bytes(JPEG)
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "op", "en", "/cases")
        page.locator("a[href^='/cases/2']").first.click()
        expect(page.locator(".chain")).to_contain_text("The chain of evidence holds")
        page.locator(".upload button").click()
        expect(page.get_by_text("Pick a file first")).to_be_visible()
        page.set_input_files("#gw-file", tmp_path / "现场.png")
        page.locator(".upload button").click()
        expect(page.locator(".files img")).to_have_js_property("naturalWidth", 2)
        expect(page.locator(".files")).to_contain_text("现场.png")
        expect(page.locator(".trail")).to_contain_text("add a file")
        page.set_input_files("#gw-file", tmp_path / "lies.png")
        page.locator(".upload button").click()
        expect(page.get_by_text("said to be image/png, but its content is")).to_be_visible()


def test_every_figure_of_the_assessment_opens_its_cases(chromium: Browser, city: str) -> None:
    with browsing(chromium) as watched:
        page = watched.page
        sign_in(page, city, "op", "zh", "/cases")
        page.click(".gw-top nav a[href='/cases/assessment']")
        opened = page.locator("tr", has_text="立案数").first.locator("a")
        number = int(opened.inner_text())
        page.get_by_role("link", name="类别").click()
        expect(page.locator(".wide tbody")).to_contain_text("03-02")
        page.locator("tr", has_text="立案数").first.locator("a").click()
        expect(page.locator(".table.cases a.id")).to_have_count(number)
        page.goto(f"{city}/cases/assessment?month=October&by=moon")
        expect(page.locator(".none")).to_contain_text("write it as 2026-10")
