"""The page of alerts: those that are active, held, or all; a group, or a flood."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from nicegui import ui

from cloud.alerts import Record
from cloud.web import models
from cloud.web.console import alert_views, lists, views
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries import alerts
from cloud.web.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts to list, the newest first."""

    group: str
    flood: int | None
    record: Record | None


async def show(screen: Screen, *, tab: str, group: str = "", flood: int | None = None) -> None:
    """Build the page. group, flood: only of that, whatever their state."""
    w, may = screen.w, lists.may_acknowledge(screen)
    tab = tab if tab in alert_views.TABS else "active"
    part = bool(group) or flood is not None
    with ui.element("main").classes("gw-main").props("id=main"):
        screen.block("floods", alert_views.flood_banner)
        with ui.element("section").classes("card"):
            if part:
                title = w("alerts.of_group" if group else "alerts.of_flood")
                ui.html(render("h1.html", title=title), sanitize=False).classes("heading")
            else:
                key = ("alert_tabs", tab)
                screen.block(
                    key, lambda snapshot, _, w: alert_views.tabs(snapshot, tab, w)
                ).classes("heading")
            if part or tab not in ("active", "held"):
                table = ui.html(sanitize=False)
                record = None if part else alert_views.RECORDS.get(tab)
                screen.follow(partial(_update, screen, table, Wanted(group, flood, record)))
            else:
                table = screen.block(
                    ("alerts", tab, may), partial(alert_views.open_table, tab, may)
                )
            lists.acknowledging(screen, table)
    await screen.start()


async def _update(
    screen: Screen, table: ui.html, wanted: Wanted, snapshot: Snapshot, now_ms: int
) -> None:
    console, w = screen.console, screen.w
    load = partial(_newest, console, wanted)
    found = await console.shared.get(("alerts", wanted), snapshot.marks.alerts, load)
    may, empty = lists.may_acknowledge(screen), w("alert.none_at_all")
    lists.put(table, views.alert_table(found, now_ms, w, may_acknowledge=may, empty=empty))


def _newest(console: Console, wanted: Wanted) -> list[models.Alert]:
    records = [wanted.record] if wanted.record else []
    with console.services.database.read() as connection:
        return alerts.page(
            connection,
            group=wanted.group,
            flood=wanted.flood,
            records=records,
            limit=views.NEWEST,
        ).items
