"""What is not a case yet: alerts that wait for a person at the gate, and a form to report with."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from cloud.cases.reports import SOURCES, Report
from cloud.core.case_roles import CaseRole
from cloud.web import models
from cloud.web.console import actions, clicks
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.queries import cases
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot


async def show(screen: Screen) -> None:
    """Build the page."""
    roles = screen.visitor.account.actor.roles
    with ui.element("main").classes("gw-main").props("id=main"):
        with ui.element("section").classes("card"):
            _heading(screen, "gate.waiting")
            table = ui.element("div").classes("form")
            page = GatePage(screen, table, may_decide=CaseRole.ACCEPTOR in roles)
            screen.follow(page.update)
        if CaseRole.COLLECTOR in roles:
            with ui.element("section").classes("card"):
                _heading(screen, "gate.report")
                with ui.element("div").classes("form"):
                    _report_form(screen)
    await screen.start()


class GatePage:
    """The alerts that wait, while the page is open."""

    def __init__(self, screen: Screen, table: ui.element, *, may_decide: bool) -> None:
        self._screen = screen
        self._table = table
        self._may_decide = may_decide
        self._shown: object = None

    async def update(self, snapshot: Snapshot, now_ms: int) -> None:
        """Draw again what has changed of the queue."""
        load = partial(_waiting, self._screen.console.services)
        version = (snapshot.marks.cases, snapshot.marks.alerts, now_ms // 5_000)
        found = await self._screen.console.shared.get("gate", version, load)
        shown = [(each.alert.id, each.why) for each in found]
        if shown != self._shown:
            self._shown = shown
            self._draw(found)

    def _draw(self, found: list[models.CaseWaiting]) -> None:
        w = self._screen.w
        self._table.clear()
        with self._table:
            if not found:
                ui.label(w("gate.none")).classes("none")
                return
            ui.label(w("gate.count", n=len(found)))
            note = ui.input(w("case.note")).props("outlined dense maxlength=4000")
            for each in found:
                with ui.element("div").classes("buttons"):
                    alert = each.alert
                    what = w.pick(alert.title, alert.title_en)
                    ui.link(f"{what} · {alert.device}", f"/devices/{alert.device}")
                    ui.label(f"{w(f'gate.{each.why}')} · {w.moment(each.since_ms)}")
                    if self._may_decide:
                        self._buttons(alert.id, note)

    def _buttons(self, alert: str, note: ui.input) -> None:
        w = self._screen.w
        for opens, look in ((True, "unelevated"), (False, "outline")):
            label = w("gate.confirm_it" if opens else "gate.refuse_it")
            decide = partial(self._decide, alert, note, opens)
            ui.button(label, on_click=decide).props(f"no-caps {look}")

    async def _decide(self, alert: str, note: ui.input, opens: bool) -> None:
        words = str(note.value or "")
        screen = self._screen
        act = partial(
            actions.confirm_alert,
            screen.console.services,
            screen.visitor.token,
            alert,
            opens=opens,
            note=words,
        )
        await clicks.attempt(screen, act, screen.w("gate.decided"))
        self._shown = None


def _report_form(screen: Screen) -> None:
    w = screen.w
    policy = screen.console.services.policy
    named = {code: f"{code} {w.pick(each.zh, each.en)}" for code, each in policy.categories.items()}
    style = "outlined dense"
    source = ui.select({each: w(f"gate.{each}") for each in SOURCES}, label=w("case.source"))
    category = ui.select(named, label=w("case.category"), with_input=True)
    address = ui.input(w("case.address"))
    latitude, longitude = ui.number(w("gate.latitude")), ui.number(w("gate.longitude"))
    keyword, area = ui.input(w("gate.keyword")), ui.input(w("gate.area"))
    pollution = ui.input(w("gate.pollution_source"))
    description = ui.textarea(w("case.description"))
    fields = (source, category, address, latitude, longitude, keyword, area, pollution, description)
    for each in fields:
        each.props(style)

    def clear() -> None:
        for each in fields:
            each.set_value(None)

    async def send() -> None:
        tags = {"keyword": keyword, "area": area, "pollution_source": pollution}
        report = Report(
            source=str(source.value or ""),
            category=str(category.value or ""),
            description=str(description.value or ""),
            address=str(address.value or ""),
            latitude=latitude.value,
            longitude=longitude.value,
            tags={key: str(each.value) for key, each in tags.items() if each.value},
        )
        act = partial(actions.file_report, screen.console.services, screen.visitor.token, report)
        await clicks.attempt(screen, act, w("gate.reported"), clear)

    with ui.element("div").classes("buttons"):
        ui.button(w("gate.send"), on_click=send).props("no-caps unelevated")


def _heading(screen: Screen, key: str) -> None:
    ui.html(render("h2.html", title=screen.w(key)), sanitize=False)


def _waiting(services: Services) -> list[models.CaseWaiting]:
    with services.database.read() as connection:
        return cases.at_the_gate(connection)
