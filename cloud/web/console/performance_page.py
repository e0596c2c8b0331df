"""The page of ISA-18.2's figures: how well alerts serve the people who answer them."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.core.performance import INTERVAL_MS, Figure, Flood, Performance
from cloud.performance import performance
from cloud.web import performance_models as models
from cloud.web.console.screen import Console, Screen
from cloud.web.console.views import alert_table
from cloud.web.models import Alert
from cloud.web.pages import render
from cloud.web.queries.alerts import some
from cloud.web.queries.performance import view
from cloud.web.wording import Wording

PERIODS = (1, 7, 30, 90)
USUAL = 30
MOST = 200  # alerts of a figure, the latest
_DAY_MS = 86_400_000
_PERCENT = {figure.name.lower() for figure in Figure if figure.value.endswith("%")}


async def show(screen: Screen, days: str, of: str = "") -> None:
    """Build the page for so many days; another number than the offered ones is the usual one.

    of: what to show the alerts of, as part_of() reads it.
    """
    wanted = int(days) if days in map(str, PERIODS) else USUAL
    found, alerts, now_ms = await run_sync(partial(_measured, screen.console, wanted, of))
    w = screen.w
    with ui.element("main").classes("gw-main").props("id=main"):
        if of:
            table = alert_table(
                alerts, now_ms, w, may_acknowledge=False, empty=w("performance.none"), most=MOST
            )
            title = title_of(found, of, w)
            html = render("performance_part.html", w=w, title=title, days=wanted, table=table)
        else:
            html = draw(found, wanted, w)
        ui.html(html, sanitize=False, tag="section").classes("card performance")
    await screen.start()


def title_of(found: models.Performance, of: str, w: Wording) -> str:
    """Say what the alerts are of."""
    what, _, which = of.partition(".")
    if what == "operator":
        return w("performance.of_operator", name=which or w("performance.nobody"))
    if what == "flood" and which:
        return w("performance.floods")
    known = {figure.key for figure in found.figures}
    return w(f"performance.{what}") if what in known else w("nav.performance")


def draw(found: models.Performance, days: int, w: Wording) -> str:
    """Draw the figures, the worst first within their order, and what they are made of."""
    return render(
        "performance.html",
        w=w,
        found=found,
        days=days,
        periods=PERIODS,
        values={figure.key: _value(figure) for figure in found.figures},
        flood_key=flood_key,
    )


def _value(figure: models.Figure) -> str:
    if figure.key in _PERCENT:
        return f"{figure.value:.1f} %"
    return f"{figure.value:.2f}" if figure.key == "rate" else f"{figure.value:.0f}"


def part_of(found: Performance, of: str) -> tuple[str, ...]:
    """Return the alerts of a figure ("rate"), of one of the floods or offenders, or of a person.

    of: a figure's key; "flood.<from_ms>.<operator>"; "top_ten.<n>" and "chattering.<n>" from 0;
    "operator.<name>".
    """
    what, _, which = of.partition(".")
    if what == "operator":
        return found.of_operator.get(which, ())
    if what == "flood" and which:
        return next((one.alerts for one in found.floods if flood_key(one) == which), ())
    listed = {"top_ten": found.top, "chattering": found.chattering}.get(what)
    if which:
        at = int(which) if which.isascii() and which.isdecimal() and len(which) < 6 else -1
        return listed[at].alerts if listed is not None and 0 <= at < len(listed) else ()
    return next((found.made_of[each] for each in Figure if each.name.lower() == what), ())


def flood_key(flood: Flood | models.Flood) -> str:
    """Return what a flood is called in an address."""
    return f"{flood.from_ms}.{flood.operator}"


def _measured(console: Console, days: int, of: str) -> tuple[models.Performance, list[Alert], int]:
    """Measure up to the end of the ten minutes that run, so that floods keep their addresses."""
    now_ms = console.services.clock.now_ms()
    until_ms = (now_ms // INTERVAL_MS + 1) * INTERVAL_MS
    with console.services.database.read() as connection:
        found = performance(connection, until_ms - days * _DAY_MS, until_ms)
        alerts = some(connection, part_of(found, of)[-MOST:]) if of else []
        return view(connection, found), alerts[::-1], now_ms
