"""The page of devices that nobody has adopted."""

from __future__ import annotations

from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui
from nicegui.events import GenericEventArguments

from cloud import adoption
from cloud.core.model import Role
from cloud.web import models
from cloud.web.api.inbox import view
from cloud.web.console import actions, lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from contract.errors import GridwardenError
from contract.quantities import Kind

# A click on a button, with the kind that is chosen beside it.
CLICKS = """(event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const kind = button.closest("tr").querySelector("select");
  emit(button.dataset.act, button.dataset.id, kind ? kind.value : "");
}"""


async def show(screen: Screen) -> None:
    """Build the page."""
    with (
        ui.element("main").classes("gw-main").props("id=main"),
        ui.element("section").classes("card"),
    ):
        heading = render("h1.html", title=screen.w("nav.inbox"))
        ui.html(heading, sanitize=False).classes("heading")
        table = ui.html(sanitize=False)
        screen.follow(partial(_update, screen, table))
        _deciding(screen, table)
    await screen.start()


def _deciding(screen: Screen, table: ui.html) -> None:
    async def clicked(event: GenericEventArguments) -> None:
        what, who, kind = (str(each) for each in event.args)
        if what not in ("adopt", "refuse"):
            return
        sender, _, device = who.partition("/")
        try:
            await run_sync(
                partial(
                    actions.decide,
                    screen.console.services,
                    screen.visitor.token,
                    device,
                    sender,
                    adopt=what == "adopt",
                    kind=kind,
                )
            )
        except GridwardenError as error:
            screen.tell(actions.explain(error, screen.w))
        else:
            words = "inbox.adopting" if what == "adopt" else "inbox.refusing"
            screen.tell(screen.w(words), good=True)
        await screen.refresh()

    table.on("click", clicked, js_handler=CLICKS)


def _waiting(console: Console) -> list[models.Waiting]:
    with console.services.database.read() as connection:
        return [view(each) for each in adoption.waiters(connection)]


async def _update(screen: Screen, table: ui.html, snapshot: Snapshot, now_ms: int) -> None:
    load = partial(_waiting, screen.console)
    found = await screen.console.shared.get("inbox", snapshot.at_ms, load)
    may = screen.visitor.account.role.includes(Role.MANAGER)
    html = render(
        "inbox_table.html",
        w=screen.w,
        waiting=found,
        now_ms=now_ms,
        may=may,
        kinds=[kind.value for kind in Kind],
    )
    lists.put(table, html)
