"""A case: where it stands, what may come next, its trail and its evidence."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from cloud.core.case_roles import Actor
from cloud.core.case_steps import OPEN_STATES, State
from cloud.errors import NotFoundError
from cloud.web import models
from cloud.web.console import actions, case_views, clicks, lists, views
from cloud.web.console.case_apart import Apart
from cloud.web.console.case_form import Form
from cloud.web.console.case_upload import upload
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.queries import cases
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot

PRIMARY = ("accept", "approve", "dispatch", "handle", "verify", "close")  # the way forward


async def show(screen: Screen, case: str) -> bool:
    """Build the page; False if there is no such case."""
    try:
        found = await _load(screen, case, screen.snapshot)
    except NotFoundError:
        return False
    page = CasePage(screen, found)
    screen.follow(page.update)
    await screen.start()
    return True


class CasePage:
    """The page of one case while it is open."""

    def __init__(self, screen: Screen, case: models.CaseDetail) -> None:
        self._screen = screen
        self._case = case
        self._offered: object = None
        self._filling: Form | None = None
        self._apart = Apart(screen)
        w = screen.w
        with ui.element("main").classes("gw-main").props("id=main"):
            self._head = ui.html(sanitize=False).classes("card head")
            with ui.element("div").classes("columns even"):
                with ui.element("section").classes("card next"):
                    ui.html(render("h2.html", title=w("case.next")), sanitize=False)
                    self._form = ui.element("div").classes("form")
                with ui.element("section").classes("card"):
                    ui.html(render("h2.html", title=w("case.trail")), sanitize=False)
                    self._trail = ui.html(sanitize=False)
            self._apart.place()
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("case.files")), sanitize=False)
                self._files = ui.html(sanitize=False)
                self._adding = upload(screen, case.id)
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("case.alerts")), sanitize=False)
                self._alerts = ui.html(sanitize=False)
                lists.acknowledging(screen, self._alerts)

    async def update(self, snapshot: Snapshot, now_ms: int) -> None:
        """Draw again what has changed of the case."""
        self._case = case = await _load(self._screen, self._case.id, snapshot)
        w = self._screen.w
        lists.put(self._head, case_views.head(case, w))
        lists.put(self._trail, case_views.trail(case, w))
        lists.put(self._files, case_views.files(case, w))
        self._adding.set_visibility(case.may_add_files)
        table = views.alert_table(
            case.alerts,
            now_ms,
            w,
            may_acknowledge=lists.may_acknowledge(self._screen),
            empty=w("alert.none_at_all"),
        )
        lists.put(self._alerts, table)
        self._apart.update(case)
        offered = [step.step for step in case.next_steps]
        offered = [*offered, str(case.request is not None)]
        if offered != self._offered:
            self._offered = offered
            self._offer(case)

    def _offer(self, case: models.CaseDetail) -> None:
        """Lay out the buttons of the steps that may come next."""
        w = self._screen.w
        self._form.clear()
        with self._form:
            if not case.next_steps:
                ended = State(case.state) not in OPEN_STATES
                ui.label(w("case.ended" if ended else "case.nothing_next")).classes("none")
                self._filling = None
                return
            form = Form(case, w)
            if self._filling:
                form.take_over(self._filling)
            self._filling = form
            with ui.element("div").classes("buttons"):
                for step in case.next_steps:
                    forward = step.step in PRIMARY
                    label = w.pick(step.label, step.label_en)
                    ui.button(
                        w("case.ask", step=label) if step.asks else label,
                        on_click=partial(self._take, step.step, form),
                    ).props("no-caps unelevated" if forward else "no-caps outline")

    async def _take(self, step: str, form: Form) -> None:
        screen, case = self._screen, self._case
        given = form.given(screen.w.zone)
        missing = case_views.missing(case, step, given, screen.w)
        if missing:
            screen.tell(missing)
            return
        act = partial(
            actions.take_step,
            screen.console.services,
            screen.visitor.token,
            case.id,
            step,
            case.version,
            given,
        )
        done = screen.w("case.taken", step=screen.w.case_step(step))
        await clicks.attempt(screen, act, done, form.clear)


async def _load(screen: Screen, case: str, snapshot: Snapshot) -> models.CaseDetail:
    """Read a case again when any case or alert has changed."""
    actor = screen.visitor.account.actor
    version = (snapshot.marks.cases, snapshot.marks.alerts)
    load = partial(_read, screen.console.services, case, actor)
    return await screen.console.shared.get(("case", case, actor), version, load)


def _read(services: Services, case: str, actor: Actor) -> models.CaseDetail:
    with services.database.read() as connection:
        return cases.one(connection, case, actor, services.clock.now_ms())
