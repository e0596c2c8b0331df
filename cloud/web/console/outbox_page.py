"""The page of what other case systems refused, or could not be told."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from cloud.cases import deliveries
from cloud.cases.deliveries import State
from cloud.cases.outbox import Rejected, rejected
from cloud.core.model import Role
from cloud.web import models
from cloud.web.api.outbox import view
from cloud.web.console import actions, clicks, lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot

REJECTED_EVERY_MS = 10_000  # what the ledger refuses is rare, and looked for through everything


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
    async def decide(number: str, reason: str | None, done: str) -> None:
        if not number.isdecimal():
            return
        services, token = screen.console.services, screen.visitor.token
        act = partial(actions.decide_delivery, services, token, int(number), reason=reason)
        await clicks.attempt(screen, act, screen.w(done))

    async def retry(number: str, _: str) -> None:
        await decide(number, None, "outbox.retried")

    async def give_up(number: str, reason: str) -> None:
        await decide(number, reason, "outbox.given_up")

    clicks.on_buttons(table, {"retry": retry, "give-up": give_up})


Found = tuple[list[models.Delivery], dict[str, dict[str, int]]]


def _rejected(console: Console) -> list[Rejected]:
    with console.services.database.read() as connection:
        return rejected(connection)


def _found(console: Console, unit: str) -> Found:
    with console.services.database.read() as connection:
        counts = deliveries.counts(connection, unit)
        items = [view(each) for each in deliveries.unfinished(connection, for_unit=unit)]
    systems: dict[str, dict[str, int]] = {}
    for (system, state), number in sorted(counts.items()):
        systems.setdefault(system, {each.name.lower(): 0 for each in State})
        systems[system][state.name.lower()] = number
    return items, systems


async def _refused(screen: Screen, unit: str, now_ms: int) -> list[Rejected]:
    """Read what the ledger refused: alerts of every unit, so that no one unit is shown them."""
    if unit:
        return []
    seldom = now_ms // REJECTED_EVERY_MS
    return await screen.console.shared.get("rejected", seldom, partial(_rejected, screen.console))


async def _update(screen: Screen, table: ui.html, snapshot: Snapshot, now_ms: int) -> None:
    unit = screen.visitor.account.actor.own_unit
    load = partial(_found, screen.console, unit)
    items, systems = await screen.console.shared.get(("outbox", unit), snapshot.at_ms, load)
    html = render(
        "outbox_table.html",
        w=screen.w,
        items=items,
        systems=systems,
        rejected=await _refused(screen, unit, now_ms),
        now_ms=now_ms,
        may=screen.visitor.account.role.includes(Role.MANAGER),
    )
    lists.put(table, html)
