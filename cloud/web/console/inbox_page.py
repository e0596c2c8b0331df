"""The page of devices that nobody has adopted."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from cloud import adoption
from cloud.core.model import Role
from cloud.web import models
from cloud.web.api.inbox import view
from cloud.web.console import actions, clicks, lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from contract.quantities import Kind


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
    async def decide(who: str, kind: str, *, adopt: bool) -> None:
        sender, _, device = who.partition("/")
        act = partial(
            actions.decide,
            screen.console.services,
            screen.visitor.token,
            device,
            sender,
            adopt=adopt,
            kind=kind,
        )
        await clicks.attempt(screen, act, screen.w("inbox.adopting" if adopt else "inbox.refusing"))

    handlers = {"adopt": partial(decide, adopt=True), "refuse": partial(decide, adopt=False)}
    clicks.on_buttons(table, handlers)


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
