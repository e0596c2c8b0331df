"""The page of maintenance: what is held or will be, why, and until when."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from nicegui import ui

from cloud import alert_desk, hold_rows
from cloud.alert_desk import Plan
from cloud.core.model import Role
from cloud.web import models
from cloud.web.console import actions, alert_views, clicks, lists
from cloud.web.console.screen import Console, Screen
from cloud.web.pages import render
from cloud.web.queries.alerts import hold_view
from cloud.web.snapshots import Snapshot

NEWEST = 200


async def show(screen: Screen, *, everything: bool) -> None:
    """Build the page. everything: also what has ended."""
    w = screen.w
    with ui.element("main").classes("gw-main").props("id=main"):
        with ui.element("section").classes("card"):
            heading = render(
                "switch.html", w=w, what="maintenance", everything=everything, show="", records=()
            )
            ui.html(heading, sanitize=False).classes("heading")
            table = ui.html(sanitize=False)
            screen.follow(partial(_update, screen, table, everything))
            _ending(screen, table)
        if screen.visitor.account.role.includes(Role.MANAGER):
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("hold.plan")), sanitize=False)
                Planning(screen)
    await screen.start()


class Planning:
    """The form that plans a window."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        w = screen.w
        with ui.element("div").classes("form plan"):
            self._about = ui.select(_choices(screen), label=w("hold.about"), with_input=True)
            rules = {rule.id: rule.id for rule in screen.console.services.in_force.rules}
            self._rule = ui.select(
                {"": w("hold.any_rule"), **rules},
                value="",
                label=w("hold.by.rule"),
                with_input=True,
            )
            now = w.local(screen.now_ms)
            self._from = ui.input(w("hold.from"), value=f"{now:%Y-%m-%dT%H:%M}")
            until = now + timedelta(hours=2)
            self._until = ui.input(w("hold.until"), value=f"{until:%Y-%m-%dT%H:%M}")
            for field in (self._from, self._until):
                field.props("type=datetime-local")
            self._reason = ui.input(w("hold.reason")).classes("wide")
            for element in (self._about, self._rule, self._from, self._until, self._reason):
                element.props("outlined dense stack-label")
        ui.label(w("hold.hint")).classes("none")
        with ui.element("div").classes("buttons"):
            ui.button(w("hold.do_plan"), on_click=self._plan).props("no-caps unelevated")

    async def _plan(self) -> None:
        screen, w = self._screen, self._screen.w
        what, _, which = str(self._about.value or "").partition(":")
        reason = str(self._reason.value or "").strip()
        if not (which or self._rule.value) or not reason:
            screen.tell(w("hold.missing"))
            return
        tag, _, value = which.partition("=") if what == "tag" else ("", "", "")
        from_ms, until_ms = self._moment(self._from), self._moment(self._until)
        plan = Plan(
            device=which if what == "device" else "",
            gateway=which if what == "gateway" else "",
            tag=tag,
            tag_value=value,
            rule=str(self._rule.value or ""),
            from_ms=screen.now_ms if from_ms is None else from_ms,
            until_ms=until_ms,
            reason=reason,
        )
        services = screen.console.services
        rules = services.in_force.by_id
        act = partial(
            actions.at_the_desk,
            services,
            screen.visitor.token,
            lambda c, by: alert_desk.plan(c, plan, by, rules),
        )
        await clicks.attempt(screen, act, w("hold.planned"), partial(self._reason.set_value, ""))

    def _moment(self, field: ui.input) -> int | None:
        if not field.value:
            return None
        at = datetime.fromisoformat(str(field.value)).replace(tzinfo=self._screen.w.zone)
        return round(at.timestamp() * 1000)


def _choices(screen: Screen) -> dict[str, str]:
    """Return what a window can be about: devices, gateways, and values of tags."""
    w, snapshot = screen.w, screen.snapshot
    found = {
        f"device:{each.id}": f"{w('hold.by.device')} {each.name} ({each.id})"
        for each in snapshot.sensors.values()
    }
    found |= {f"gateway:{g.id}": f"{w('hold.by.gateway')} {g.id}" for g in snapshot.gateways}
    tags = {pair for each in snapshot.sensors.values() for pair in each.tags.items()}
    return found | {f"tag:{tag}={value}": f"{tag}={value}" for tag, value in sorted(tags)}


def _ending(screen: Screen, table: ui.html) -> None:
    services = screen.console.services
    rules, policy = services.in_force.by_id, services.alerts

    async def end(hold: str, _: str) -> None:
        act = partial(
            actions.at_the_desk,
            services,
            screen.visitor.token,
            lambda c, by: alert_desk.end_hold(c, hold, by, rules, policy),
        )
        await clicks.attempt(screen, act, screen.w("hold.is.ended"))

    clicks.on_buttons(table, {"end": end})


def _holds(console: Console, everything: bool) -> list[models.Hold]:
    with console.services.database.read() as connection:
        page = hold_rows.page(connection, ended=None if everything else False, limit=NEWEST)
    return [hold_view(hold) for hold in page.holds]


async def _update(
    screen: Screen, table: ui.html, everything: bool, snapshot: Snapshot, now_ms: int
) -> None:
    load = partial(_holds, screen.console, everything)
    found = await screen.console.shared.get(("holds", everything), snapshot.at_ms, load)
    may = screen.visitor.account.role.includes(Role.MANAGER)
    lists.put(table, alert_views.holds_table(found, now_ms, screen.w, may=may))
