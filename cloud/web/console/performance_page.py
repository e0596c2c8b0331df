"""The page of ISA-18.2's figures: how well alerts serve the people who answer them."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.core.performance import Figure
from cloud.performance import performance
from cloud.web import performance_models as models
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries.performance import view
from cloud.web.wording import Wording

PERIODS = (1, 7, 30, 90)
USUAL = 30
_DAY_MS = 86_400_000
_PERCENT = {figure.name.lower() for figure in Figure if figure.value.endswith("%")}


async def show(screen: Screen, days: str) -> None:
    """Build the page for so many days; another number than the offered ones is the usual one."""
    wanted = int(days) if days in map(str, PERIODS) else USUAL
    found = await run_sync(partial(_measured, screen.console, wanted))
    with ui.element("main").classes("gw-main").props("id=main"):
        html = draw(found, wanted, screen.w)
        ui.html(html, sanitize=False, tag="section").classes("card performance")
    await screen.start()


def draw(found: models.Performance, days: int, w: Wording) -> str:
    """Draw the figures, the worst first within their order, and what they are made of."""
    return render(
        "performance.html",
        w=w,
        found=found,
        days=days,
        periods=PERIODS,
        values={figure.key: _value(figure) for figure in found.figures},
    )


def _value(figure: models.Figure) -> str:
    if figure.key in _PERCENT:
        return f"{figure.value:.1f} %"
    return f"{figure.value:.2f}" if figure.key == "rate" else f"{figure.value:.0f}"


def _measured(console: Console, days: int) -> models.Performance:
    now_ms = console.services.clock.now_ms()
    with console.services.database.read() as connection:
        return view(connection, performance(connection, now_ms - days * _DAY_MS, now_ms))
