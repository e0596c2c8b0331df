"""The pages of rules: what is in force, what waits, what was; and a rule as an alert names it."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from cloud.core.model import Role
from cloud.errors import NotFoundError
from cloud.web.console import actions, clicks, lists, rule_views
from cloud.web.console.rule_form import RuleForm
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.queries import rules
from cloud.web.snapshots import Snapshot

NEWEST = 30


async def show(screen: Screen, kind: str) -> None:
    """Build the page. kind: only rules for this kind of device; "" for all."""
    page = RulesPage(screen, kind if kind in rule_views.KINDS else "")
    screen.follow(page.update)
    await screen.start()


async def show_version(screen: Screen, rule: str, version: str) -> bool:
    """Build the page of a rule as it was; False if there is no such version."""
    w = screen.w
    load = partial(rules.version, screen.console.services, rule, version)
    try:
        found = await screen.console.shared.get(("rule", rule, version), None, load)
    except NotFoundError:
        return False
    with ui.element("main").classes("gw-main").props("id=main"):
        ui.html(rule_views.version(found, w), sanitize=False).classes("card head")
        with ui.element("section").classes("card"):
            ui.html(render("h2.html", title=w("rules.text")), sanitize=False)
            ui.html(render("rule_text.html", text=found.text), sanitize=False)
    await screen.start()
    return True


class RulesPage:
    """The page while it is open. Its form is not drawn again; only the tables are."""

    def __init__(self, screen: Screen, kind: str) -> None:
        self._screen = screen
        self._kind = kind
        self._may = screen.visitor.account.role.includes(Role.MANAGER)
        w = screen.w
        with ui.element("main").classes("gw-main").props("id=main"):
            with ui.element("section").classes("card"):
                self._heading = ui.html(sanitize=False).classes("heading")
                self._table = ui.html(sanitize=False)
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("rules.upcoming")), sanitize=False)
                self._upcoming = ui.html(sanitize=False)
                clicks.on_buttons(self._upcoming, {"withdraw": self._withdraw})
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("rules.change")), sanitize=False)
                if self._may:
                    ui.label(w("rules.change_about")).classes("note")
                    RuleForm(screen)
                else:
                    ui.label(w("rules.takes_a_manager")).classes("none")
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("rules.history")), sanitize=False)
                self._history = ui.html(sanitize=False)

    async def update(self, _: Snapshot, now_ms: int) -> None:
        """Draw again what has changed of the sets."""
        console, w = self._screen.console, self._screen.w
        services, shared = console.services, console.shared
        changed = await shared.get("newest rules", now_ms, partial(rules.mark_of_sets, services))
        load = partial(rules.book, services, self._kind)
        book = await shared.get(("rules", self._kind), changed, load)
        sets = await shared.get("sets", changed, partial(rules.sets, services, NEWEST))
        lists.put(self._heading, rule_views.heading(book, self._kind, w))
        lists.put(self._table, rule_views.in_force(book, w))
        lists.put(self._upcoming, rule_views.upcoming(book, w, may=self._may))
        lists.put(self._history, rule_views.history(sets, w))

    async def _withdraw(self, number: str, _: str) -> None:
        services, token = self._screen.console.services, self._screen.visitor.token
        act = partial(actions.withdraw_rules, services, token, int(number))
        await clicks.attempt(self._screen, act, self._screen.w("rules.withdrawn"))
