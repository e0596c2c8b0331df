"""An alert: where it stands, what can be done with it, and what has happened to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import sqlalchemy as sa
from nicegui import ui

from cloud import alert_desk, alerts
from cloud.alert_desk import Person
from cloud.core.alert_policy import HOUR_S
from cloud.core.isa_18_2 import State
from cloud.core.model import Role
from cloud.errors import NotFoundError
from cloud.web import models
from cloud.web.console import actions, alert_views, clicks, lists
from cloud.web.console.notifications_page import of_alert, told_table
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.queries import alerts as queries
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot

HOURS = (1, 2, 4, 8, 24, 72, 168, 720)
Act = Callable[[sa.Connection, Person], object]


async def show(screen: Screen, alert: str) -> bool:
    """Build the page; False if there is no such alert."""
    try:
        found = await _load(screen, alert, screen.snapshot)
    except NotFoundError:
        return False
    page = AlertPage(screen, found)
    screen.follow(page.update)
    await screen.start()
    return True


class AlertPage:
    """The page of one alert while it is open."""

    def __init__(self, screen: Screen, alert: models.AlertDetail) -> None:
        self._screen = screen
        self._alert = alert
        self._offered: object = None
        w = screen.w
        with ui.element("main").classes("gw-main").props("id=main"):
            self._head = ui.html(sanitize=False).classes("card head")
            with ui.element("div").classes("columns even"):
                with ui.element("section").classes("card next"):
                    ui.html(render("h2.html", title=w("alert.action")), sanitize=False)
                    self._form = ui.element("div").classes("form")
                with ui.element("section").classes("card"):
                    ui.html(render("h2.html", title=w("alert.history")), sanitize=False)
                    self._history = ui.html(sanitize=False)
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("told.of_alert")), sanitize=False)
                self._told = ui.html(sanitize=False)

    async def update(self, snapshot: Snapshot, now_ms: int) -> None:
        """Draw again what has changed of the alert."""
        self._alert = alert = await _load(self._screen, self._alert.id, snapshot)
        lists.put(self._head, alert_views.head(alert, self._screen.w))
        lists.put(self._history, alert_views.history(alert, self._screen.w))
        told = await of_alert(self._screen, alert.id, snapshot)
        lists.put(self._told, told_table(told, now_ms, self._screen.w, of_alert=True))
        shelved = alert.hold is not None and alert.hold.kind == "shelved"
        offered = (alert.state, alert.assignee, shelved)
        if offered != self._offered:
            self._offered = offered
            self._offer(alert, shelved)

    def _offer(self, alert: models.AlertDetail, shelved: bool) -> None:
        """Lay out what this person may do with the alert as it stands."""
        w, account = self._screen.w, self._screen.visitor.account
        self._form.clear()
        with self._form:
            if not account.role.includes(Role.OPERATOR):
                ui.label(w("case.nothing_next")).classes("none")
                return
            text = ui.textarea(w("alert.text")).props("outlined autogrow dense maxlength=1000")
            over = alert.state == State.NORM
            with ui.element("div").classes("buttons"):
                if alert.state in (State.UNACK, State.RTNUN):
                    self._button("alert.acknowledge", partial(self._acknowledge, text), first=True)
                self._button("alert.comment", partial(self._comment, text))
                if not over:
                    mine = alert.assignee == account.name
                    to = "" if mine else account.name
                    words = "alert.give_back" if mine else "alert.take"
                    self._button(words, partial(self._do, self._assigning(to), text))
            if shelved:
                with ui.element("div").classes("buttons"):
                    self._button("alert.unshelve", partial(self._do, self._unshelving(), text))
            elif not over:
                self._shelving(text, account.role)

    def _shelving(self, text: ui.textarea, role: Role) -> None:
        w, policy = self._screen.w, self._screen.console.services.alerts
        most_h = policy.shelve_s.get(role, 0) / HOUR_S
        choices = {hours: w("time.h", n=hours) for hours in HOURS if hours <= most_h}
        if not choices:
            return
        with ui.element("div").classes("buttons"):
            hours = ui.select(choices, value=next(iter(choices)), label=w("alert.shelve_for"))
            hours.props("outlined dense options-dense").classes("hours")
            self._button("alert.shelve", partial(self._shelve, text, hours))
        ui.label(w("alert.shelve_hint", hours=f"{most_h:g}")).classes("none")

    def _button(self, key: str, click: Callable[[], object], *, first: bool = False) -> None:
        button = ui.button(self._screen.w(key), on_click=click)
        button.props("no-caps unelevated" if first else "no-caps outline")

    async def _acknowledge(self, text: ui.textarea) -> None:
        alert, note = self._alert.id, str(text.value or "")
        await self._do(partial(_acknowledged, alert, note), text)

    async def _comment(self, text: ui.textarea) -> None:
        alert, words = self._alert.id, str(text.value or "").strip()
        if not words:
            self._screen.tell(self._screen.w("alert.needs_words"))
            return
        await self._do(lambda c, by: alert_desk.comment(c, alert, words, by), text)

    async def _shelve(self, text: ui.textarea, hours: ui.select) -> None:
        alert, reason = self._alert.id, str(text.value or "").strip()
        if not reason:
            self._screen.tell(self._screen.w("alert.needs_reason"))
            return
        services, for_s = self._screen.console.services, float(hours.value) * HOUR_S
        rules, policy = services.in_force.by_id, services.alerts
        await self._do(
            lambda c, by: alert_desk.shelve(c, alert, reason, for_s, by, rules, policy), text
        )

    def _assigning(self, to: str) -> Act:
        policy = self._screen.console.services.alerts
        return lambda c, by: alert_desk.assign(c, self._alert.id, to, by, policy)

    def _unshelving(self) -> Act:
        services = self._screen.console.services
        rules, policy = services.in_force.by_id, services.alerts
        return lambda c, by: alert_desk.unshelve(c, self._alert.id, by, rules, policy)

    async def _do(self, act: Act, text: ui.textarea) -> None:
        screen = self._screen
        services, token = screen.console.services, screen.visitor.token
        work = partial(actions.at_the_desk, services, token, act)
        await clicks.attempt(screen, work, screen.w("alert.done"), partial(text.set_value, ""))


def _acknowledged(alert: str, note: str, connection: sa.Connection, by: Person) -> None:
    by.scope.require_alert(connection, alert)
    alerts.acknowledge(connection, alert, by.name, by.at_ms, note)


async def _load(screen: Screen, alert: str, snapshot: Snapshot) -> models.AlertDetail:
    """Read an alert again when any has changed."""
    version = (snapshot.marks.cases, snapshot.marks.alerts)
    load = partial(_read, screen.console.services, alert)
    return await screen.console.shared.get(("alert", alert), version, load)


def _read(services: Services, alert: str) -> models.AlertDetail:
    with services.database.read() as connection:
        return queries.one(connection, alert)
