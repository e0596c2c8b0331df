"""The page of who was told what, with channels that are dead; and the same of one alert."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from nicegui import ui

from cloud.core.rota import How
from cloud.core.telling import Why
from cloud.notify.messages import reason, say
from cloud.web import notify_models as models
from cloud.web.console import lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries import notifications
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording

NEWEST = 200
Told = tuple[list[models.Notification], list[models.NotifyChannel]]


async def show(screen: Screen) -> None:
    """Build the page."""
    with (
        ui.element("main").classes("gw-main").props("id=main"),
        ui.element("section").classes("card"),
    ):
        heading = render("h1.html", title=screen.w("nav.notifications"))
        ui.html(heading, sanitize=False).classes("heading")
        table = ui.html(sanitize=False)
    screen.follow(partial(_update, screen, table))
    await screen.start()


async def _update(screen: Screen, table: ui.html, snapshot: Snapshot, now_ms: int) -> None:
    load = partial(_read, screen.console)
    found, channels = await screen.console.shared.get("notifications", snapshot.at_ms, load)
    w = screen.w
    channel_rows = render("notify_channels.html", w=w, channels=channels, now_ms=now_ms)
    lists.put(table, channel_rows + told_table(found, now_ms, w))


def told_table(
    found: Sequence[models.Notification], now_ms: int, w: Wording, *, of_alert: bool = False
) -> str:
    """Draw messages as a table. of_alert: all of one alert, so that it need not be said."""
    rows = [(each, say(each.what, w.language), why_words(each.why, w)) for each in found]
    return render("told.html", w=w, rows=rows, now_ms=now_ms, of_alert=of_alert)


def why_words(why: models.Why, w: Wording) -> str:
    """Return in words why somebody was told."""
    told = Why(how=How(why.how), route=why.route, step=why.step - 1, rota=why.rota)
    return reason(told, w.language)


async def of_alert(screen: Screen, alert: str, snapshot: Snapshot) -> list[models.Notification]:
    """Read who was told of an alert."""

    def load() -> list[models.Notification]:
        with screen.console.services.database.read() as connection:
            return notifications.page(connection, alert=alert, limit=NEWEST).items

    return await screen.console.shared.get(("told", alert), snapshot.at_ms, load)


def _read(console: Console) -> Told:
    with console.services.database.read() as connection:
        found = notifications.page(connection, limit=NEWEST).items
        return found, notifications.channels(connection)
