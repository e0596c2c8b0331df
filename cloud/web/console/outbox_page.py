"""The page of what other case systems refused, or could not be told."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui
from nicegui.events import GenericEventArguments

from cloud.cases import deliveries
from cloud.cases.deliveries import State
from cloud.core.model import Role
from cloud.web import models
from cloud.web.api.outbox import view
from cloud.web.console import actions, lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from contract.errors import GridwardenError

# A click on a button; giving up takes the reason that is written beside it.
CLICKS = """(event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const reason = button.closest("tr").querySelector("input");
  emit(button.dataset.act, button.dataset.id, reason ? reason.value : "");
}"""


async def show(screen: Screen) -> None:
    """Build the page."""
    with (
        ui.element("main").classes("gw-main").props("id=main"),
        ui.element("section").classes("card"),
    ):
        heading = render("h1.html", title=screen.w("nav.outbox"))
        ui.html(heading, sanitize=False).classes("heading")
        table = ui.html(sanitize=False)
        screen.follow(partial(_update, screen, table))
        _deciding(screen, table)
    await screen.start()


def _deciding(screen: Screen, table: ui.html) -> None:
    async def clicked(event: GenericEventArguments) -> None:
        what, number, reason = (str(each) for each in event.args)
        if what not in ("retry", "give-up") or not number.isdecimal():
            return
        reason = reason if what == "give-up" else ""
        work = partial(
            actions.decide_delivery,
            screen.console.services,
            screen.visitor.token,
            int(number),
            reason=None if what == "retry" else reason,
        )
        try:
            await run_sync(work)
        except GridwardenError as error:
            screen.tell(actions.explain(error, screen.w))
        else:
            words = "outbox.retried" if what == "retry" else "outbox.given_up"
            screen.tell(screen.w(words), good=True)
        await screen.refresh()

    table.on("click", clicked, js_handler=CLICKS)


Found = tuple[list[models.Delivery], dict[str, dict[str, int]]]


def _found(console: Console, unit: str) -> Found:
    with console.services.database.read() as connection:
        counts = deliveries.counts(connection, unit)
        items = [view(each) for each in deliveries.unfinished(connection, for_unit=unit)]
    systems: dict[str, dict[str, int]] = {}
    for (system, state), number in sorted(counts.items()):
        systems.setdefault(system, {each.name.lower(): 0 for each in State})
        systems[system][state.name.lower()] = number
    return items, systems


async def _update(screen: Screen, table: ui.html, snapshot: Snapshot, now_ms: int) -> None:
    unit = screen.visitor.account.actor.own_unit
    load = partial(_found, screen.console, unit)
    items, systems = await screen.console.shared.get(("outbox", unit), snapshot.at_ms, load)
    html = render(
        "outbox_table.html",
        w=screen.w,
        items=items,
        systems=systems,
        now_ms=now_ms,
        may=screen.visitor.account.role.includes(Role.MANAGER),
    )
    lists.put(table, html)
