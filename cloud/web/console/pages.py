"""The console's addresses."""

from __future__ import annotations

from fastapi import FastAPI, Request
from nicegui import ui

from cloud.web.console import (
    alert_list,
    alert_page,
    assessment_page,
    backtest_page,
    case_page,
    device_page,
    gate_page,
    inbox_page,
    lists,
    maintenance_page,
    outbox_page,
    overview,
    performance_page,
    rules_page,
)
from cloud.web.console.notifications_page import show as show_notifications
from cloud.web.console.screen import Console, Screen
from cloud.web.live import Live
from cloud.web.pages import render
from cloud.web.services import Services

FRESH_S = 2.0  # a page starts from what was read this recently
RECONNECT_S = 10.0


def mount(app: FastAPI, services: Services, live: Live) -> None:
    """Put the console in front of the application. Once a process: NiceGUI is global."""
    console = Console(services, live)

    async def open_screen(request: Request, active: str, title: str = "") -> Screen:
        await live.refresh(within_s=FRESH_S)
        return Screen(console, request, active, title)

    @ui.page("/")
    async def _overview(request: Request) -> None:
        screen = await open_screen(request, "overview")
        await overview.show(screen)

    @ui.page("/devices/{device}")
    async def _device(request: Request, device: str) -> None:
        screen = await open_screen(request, "overview", device)
        if device in screen.snapshot.sensors:
            await device_page.show(screen, device)
        else:
            _missing(screen)

    @ui.page("/alerts")
    async def _alerts(
        request: Request, show: str = "", group: str = "", flood: int | None = None
    ) -> None:
        screen = await open_screen(request, "alerts")
        await alert_list.show(screen, tab=show or "active", group=group, flood=flood)

    @ui.page("/alerts/performance")
    async def _performance(request: Request, days: str = "", of: str = "") -> None:
        screen = await open_screen(request, "performance")
        await performance_page.show(screen, days, of)

    @ui.page("/alerts/{alert}")
    async def _alert(request: Request, alert: str) -> None:
        screen = await open_screen(request, "alerts", alert)
        if not await alert_page.show(screen, alert):
            _missing(screen)

    @ui.page("/rules")
    async def _rules(request: Request, kind: str = "") -> None:
        await rules_page.show(await open_screen(request, "rules"), kind)

    @ui.page("/rules/{rule}/versions/{version}")
    async def _rule(request: Request, rule: str, version: str) -> None:
        screen = await open_screen(request, "rules", rule)
        if not await rules_page.show_version(screen, rule, version):
            _missing(screen)

    @ui.page("/rules/backtest")
    async def _backtest(request: Request, rule: str = "") -> None:
        await backtest_page.show(await open_screen(request, "backtest"), rule)

    @ui.page("/maintenance")
    async def _maintenance(request: Request, show: str = "") -> None:
        screen = await open_screen(request, "maintenance")
        await maintenance_page.show(screen, everything=show == "all")

    @ui.page("/cases")
    async def _cases(request: Request, show: str = "") -> None:
        screen = await open_screen(request, "cases")
        await lists.show_cases(screen, show)

    @ui.page("/cases/gate")
    async def _gate(request: Request) -> None:
        await gate_page.show(await open_screen(request, "cases"))

    @ui.page("/cases/assessment")
    async def _assessment(
        request: Request,
        month: str = "",
        by: str = "",
        figure: str = "",
        key: str | None = None,
        since: str = "",
        until: str = "",
        skip: str = "",
    ) -> None:
        screen = await open_screen(request, "assessment")
        asked = assessment_page.asked_of(month, by, figure, key, since, until, skip)
        await assessment_page.show(screen, asked)

    @ui.page("/cases/{case}")
    async def _case(request: Request, case: str) -> None:
        screen = await open_screen(request, "cases", case)
        if not await case_page.show(screen, case):
            _missing(screen)

    @ui.page("/inbox")
    async def _inbox(request: Request) -> None:
        await inbox_page.show(await open_screen(request, "inbox"))

    @ui.page("/outbox")
    async def _outbox(request: Request) -> None:
        await outbox_page.show(await open_screen(request, "outbox"))

    @ui.page("/notifications")
    async def _notifications(request: Request) -> None:
        await show_notifications(await open_screen(request, "notifications"))

    @ui.page("/{path:path}")
    async def _nothing(request: Request) -> None:
        _missing(await open_screen(request, "", "404"))

    ui.run_with(
        app,
        title="Gridwarden",
        dark=False,
        tailwind=False,
        reconnect_timeout=RECONNECT_S,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )


def _missing(screen: Screen) -> None:
    ui.context.client.status_code = 404
    ui.html(render("missing.html", w=screen.w), sanitize=False, tag="main").classes("gw-main")
