"""The page of cases, and what lists of alerts and cases share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial

from nicegui import ui

from cloud.alerts import Record
from cloud.cases.lists import Wanted
from cloud.core.case_steps import OPEN_STATES
from cloud.core.model import Role
from cloud.web import models
from cloud.web.console import actions, clicks, views
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries import alerts, cases
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording

# What the page of cases may show instead of what is open, by its word in the address.
SHOWN = {
    "due": Wanted(states=OPEN_STATES, by_due=True),
    "overdue": Wanted(overdue=True, by_due=True),
    "singled": Wanted(singled=True),
    "asked": Wanted(asked_for=True),
    "all": Wanted(),
}


async def show_cases(screen: Screen, show: str) -> None:
    """Build the page of cases: the open ones, the newest of all, or one of SHOWN."""
    heading = render(
        "case_switch.html", w=screen.w, shown=SHOWN, show=show if show in SHOWN else ""
    )
    actor = screen.visitor.account.actor
    with _page(), ui.element("section").classes("card"):
        ui.html(heading, sanitize=False).classes("heading")
        if show or actor.only_handles:
            table = ui.html(sanitize=False)
            wanted = SHOWN.get(show, SHOWN["due"])
            if actor.only_handles:
                wanted = replace(wanted, for_unit=actor.unit)
            screen.follow(partial(_some_cases, screen, table, wanted))
        else:
            screen.block("cases", _open_cases)
    await screen.start()


def may_acknowledge(screen: Screen) -> bool:
    """Whether to offer it to this reader; the action itself looks again."""
    return screen.visitor.account.role.includes(Role.OPERATOR)


def acknowledging(screen: Screen, table: ui.html) -> None:
    """Let the buttons in a table acknowledge."""

    async def acknowledge(alert: str, _: str) -> None:
        services, token = screen.console.services, screen.visitor.token
        act = partial(actions.acknowledge, services, token, alert)
        await clicks.attempt(screen, act, screen.w("alert.ACKED"))

    clicks.on_buttons(table, {"acknowledge": acknowledge})


def newest_alerts(
    console: Console, device: str = "", record: Record | None = None
) -> list[models.Alert]:
    """Read the newest alerts, of one device or of all, however they came to be known."""
    records = [record] if record else []
    with console.services.database.read() as connection:
        return alerts.page(connection, device=device, records=records, limit=views.NEWEST).items


def newest_cases(console: Console, device: str = "") -> list[models.Case]:
    """Read the newest cases, of one device or of all."""
    return wanted_cases(console, Wanted(device=device))


def wanted_cases(console: Console, wanted: Wanted) -> list[models.Case]:
    """Read as many cases as a page shows."""
    now_ms = console.services.clock.now_ms()
    with console.services.database.read() as connection:
        return cases.page(connection, wanted=wanted, now_ms=now_ms, limit=views.NEWEST).items


def _page() -> ui.element:
    return ui.element("main").classes("gw-main").props("id=main")


def _card(
    screen: Screen, what: str, everything: bool, show: str = "", records: Iterable[str] = ()
) -> ui.element:
    card = ui.element("section").classes("card")
    with card:
        heading = render(
            "switch.html",
            w=screen.w,
            what=what,
            everything=everything,
            show=show,
            records=list(records),
        )
        ui.html(heading, sanitize=False).classes("heading")
    return card


def _open_cases(snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    return views.case_table(snapshot.cases[: views.NEWEST], now_ms, w, empty=w("case.none"))


async def _some_cases(
    screen: Screen, table: ui.html, wanted: Wanted, snapshot: Snapshot, now_ms: int
) -> None:
    console = screen.console
    load = partial(wanted_cases, console, wanted)
    version = (snapshot.marks.cases, now_ms // 60_000)  # what is overdue changes with time alone
    found = await console.shared.get(("cases", wanted), version, load)
    put(table, views.case_table(found, now_ms, screen.w, empty=screen.w("case.none_at_all")))


def put(element: ui.html, html: str) -> None:
    if element.content != html:
        element.set_content(html)
