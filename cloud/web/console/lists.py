"""The page of cases, and what lists of alerts and cases share."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui
from nicegui.events import GenericEventArguments

from cloud.alerts import Record
from cloud.cases.lists import Wanted
from cloud.core.model import Role
from cloud.web import models
from cloud.web.console import actions, views
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries import alerts, cases
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording
from contract.errors import GridwardenError

# Clicks on the buttons inside a piece of HTML, as (what to do, to which).
CLICKS = """(event) => {
  const button = event.target.closest("[data-act]");
  if (button) emit(button.dataset.act, button.dataset.id);
}"""


async def show_cases(screen: Screen, *, everything: bool) -> None:
    """Build the page of cases: the open ones, or the newest of all."""
    with _page(), _card(screen, "cases", everything):
        if everything:
            table = ui.html(sanitize=False)
            screen.follow(partial(_all_cases, screen, table))
        else:
            screen.block("cases", _open_cases)
    await screen.start()


def may_acknowledge(screen: Screen) -> bool:
    """Whether to offer it to this reader; the action itself looks again."""
    return screen.visitor.account.role.includes(Role.OPERATOR)


def acknowledging(screen: Screen, table: ui.html) -> None:
    """Let the buttons in a table acknowledge."""

    async def clicked(event: GenericEventArguments) -> None:
        what, alert = event.args
        if what != "acknowledge":
            return
        try:
            await run_sync(
                actions.acknowledge, screen.console.services, screen.visitor.token, str(alert)
            )
        except GridwardenError as error:
            screen.tell(actions.explain(error, screen.w))
        else:
            screen.tell(screen.w("alert.ACKED"), good=True)
        await screen.refresh()

    table.on("click", clicked, js_handler=CLICKS)


def newest_alerts(
    console: Console, device: str = "", record: Record | None = None
) -> list[models.Alert]:
    """Read the newest alerts, of one device or of all, however they came to be known."""
    records = [record] if record else []
    with console.services.database.read() as connection:
        return alerts.page(connection, device=device, records=records, limit=views.NEWEST).items


def newest_cases(console: Console, device: str = "") -> list[models.Case]:
    """Read the newest cases, of one device or of all."""
    now_ms = console.services.clock.now_ms()
    with console.services.database.read() as connection:
        return cases.page(
            connection, wanted=Wanted(device=device), now_ms=now_ms, limit=views.NEWEST
        ).items


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


async def _all_cases(screen: Screen, table: ui.html, snapshot: Snapshot, now_ms: int) -> None:
    console = screen.console
    load = partial(newest_cases, console)
    found = await console.shared.get("cases", snapshot.marks.cases, load)
    put(table, views.case_table(found, now_ms, screen.w, empty=screen.w("case.none_at_all")))


def put(element: ui.html, html: str) -> None:
    if element.content != html:
        element.set_content(html)
