"""The forms of a case that are no next step: tasks for several units, merging, splitting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import sqlalchemy as sa
from nicegui import ui

from cloud.cases import matters, tasks
from cloud.core.case_roles import Actor
from cloud.core.case_steps import Step
from cloud.web import models
from cloud.web.console import actions, case_views, clicks
from cloud.web.console.case_form import moment
from cloud.web.console.screen import Screen
from cloud.web.pages import render

STYLE = "outlined dense"
Act = Callable[[sa.Connection, Actor, int], object]


class ApartForm(Protocol):
    """A form of this card while it is laid out."""

    def update(self, case: models.CaseDetail) -> None:
        """Offer what can be chosen now; what is filled in stays."""


class Apart:
    """The card with these forms; without any of them it is not shown."""

    case: models.CaseDetail  # as it is now: what is sent names its version

    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self._offered: dict[str, object] = {}
        self._forms: dict[str, ApartForm] = {}

    def place(self) -> None:
        """Build the card, empty."""
        with ui.element("section").classes("card apart") as self._card:
            title = render("h2.html", title=self.screen.w("case.apart"))
            ui.html(title, sanitize=False)
            self._places = {name: ui.element("div") for name in FORMS}

    def update(self, case: models.CaseDetail) -> None:
        """Lay out anew the forms that are about other things now; what is typed in others stays."""
        self.case = case
        actor = self.screen.visitor.account.actor
        steps, mine = case_views.apart(case, actor), case_views.to_finish(case, actor)
        offered: dict[str, object] = {
            "case.finish": tuple(task.id for task in mine),
            "case.invite": Step.INVITE in steps,
            "case.merge": Step.MERGE in steps,
            "case.split": Step.SPLIT in steps and len(case.alerts) > 1,
        }
        self._card.set_visibility(bool(steps or mine))
        for name, about in offered.items():
            if self._offered.get(name) == about:
                continue
            self._offered[name] = about
            self._places[name].clear()
            self._forms.pop(name, None)
            if about:
                self._section(name)
        for form in self._forms.values():
            form.update(case)

    def _section(self, name: str) -> None:
        with self._places[name]:
            section = ui.expansion(self.screen.w(name), value=name == "case.finish").classes(
                "w-full"
            )
        with section, ui.element("div").classes("form"):
            self._forms[name] = FORMS[name](self)


class Finishing:
    """The tasks that this person's unit has to do."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart
        w = apart.screen.w
        for task in case_views.to_finish(apart.case, apart.screen.visitor.account.actor):
            with ui.element("div").classes("pair task"):
                ui.label(case_views.task_line(task, w))
                note = ui.input(w("case.finish_note")).props(f"{STYLE} maxlength=4000")
                done = partial(self._finish, task.id, note)
                ui.button(w("case.finish_do"), on_click=done).props("no-caps unelevated")

    def update(self, case: models.CaseDetail) -> None:
        """Nothing in it depends on what else becomes of the case."""

    async def _finish(self, task: int, note: ui.input) -> None:
        case, words = self._apart.case, _text(note)
        await _do(
            self._apart.screen,
            lambda c, actor, now_ms: tasks.finish(c, case.id, task, actor, words, now_ms),
            Step.TASK_DONE,
        )


class Inviting:
    """One task for several units, each with its own due time."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart
        w = apart.screen.w
        self._what = ui.textarea(w("case.invite_what")).props(f"{STYLE} autogrow maxlength=4000")
        self._list = ui.element("div").classes("form")
        self._rows: list[tuple[ui.input, ui.input]] = []
        self._add()
        with ui.element("div").classes("buttons"):
            ui.button(w("case.invite_do"), on_click=self._send).props("no-caps unelevated")
            ui.button(w("case.invite_more"), on_click=self._add).props("no-caps outline")

    def update(self, case: models.CaseDetail) -> None:
        """Nothing in it depends on what else becomes of the case."""

    def _add(self) -> None:
        w = self._apart.screen.w
        with self._list, ui.element("div").classes("pair"):
            unit = ui.input(w("case.invite_unit")).props(f"{STYLE} maxlength=200")
            due = ui.input(w("case.invite_due"))
            due.props(f"{STYLE} type=datetime-local stack-label")
        self._rows.append((unit, due))

    async def _send(self) -> None:
        case, what, zone = self._apart.case, _text(self._what), self._apart.screen.w.zone
        wanted = [(_text(unit), moment(_text(due), zone)) for unit, due in self._rows]
        wanted = [(unit, due_ms) for unit, due_ms in wanted if unit]
        if not what or not wanted:
            self._apart.screen.tell(self._apart.screen.w("case.invite_needs"))
            return

        def invite(connection: sa.Connection, actor: Actor, now_ms: int) -> None:
            for done, (unit, due_ms) in enumerate(wanted):  # each counts the version up
                version = case.version + done
                tasks.invite(connection, case.id, unit, what, due_ms, actor, version, now_ms)

        await _do(self._apart.screen, invite, Step.INVITE)


class Merging:
    """Another case that this one becomes part of."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart
        w, case = apart.screen.w, apart.case
        others = [each for each in apart.screen.snapshot.cases if each.id != case.id]
        others.sort(key=lambda each: each.asset != case.asset)  # what is likely stands first
        named = {
            each.id: " · ".join(
                part
                for part in (each.id, w.pick(each.title, each.title_en), each.device_name)
                if part
            )
            for each in others
        }
        self._into = ui.select(
            named,
            label=w("case.merge_into"),
            with_input=True,
            new_value_mode="add-unique",
            key_generator=lambda typed: typed,
        ).props(STYLE)
        self._note = ui.input(w("case.note")).props(f"{STYLE} maxlength=4000")
        with ui.element("div").classes("buttons"):
            ui.button(w("case.merge_do"), on_click=self._merge).props("no-caps outline")

    def update(self, case: models.CaseDetail) -> None:
        """Nothing in it depends on what else becomes of the case."""

    async def _merge(self) -> None:
        case, into, note = self._apart.case, str(self._into.value or "").strip(), _text(self._note)
        if not into:
            self._apart.screen.tell(self._apart.screen.w("case.merge_needs"))
            return
        await _do(
            self._apart.screen,
            lambda c, actor, now_ms: matters.merge(
                c, case.id, into, actor, case.version, note, now_ms
            ),
            Step.MERGE,
            partial(ui.navigate.to, f"/cases/{into}"),
        )


class Splitting:
    """What of this case becomes a case of its own."""

    def __init__(self, apart: Apart) -> None:
        self._apart = apart
        w = apart.screen.w
        categories = apart.screen.console.services.policy.categories
        named = {code: f"{code} {w.pick(each.zh, each.en)}" for code, each in categories.items()}
        self._alerts = ui.select(
            self._choice(apart.case), label=w("case.split_alerts"), multiple=True
        )
        self._category = ui.select(
            named, label=w("case.split_category"), with_input=True, clearable=True
        )
        self._asset = ui.input(w("case.split_asset"))
        self._note = ui.input(w("case.note")).props("maxlength=4000")
        for each in (self._alerts, self._category, self._asset, self._note):
            each.props(STYLE)
        with ui.element("div").classes("buttons"):
            ui.button(w("case.split_do"), on_click=self._split).props("no-caps outline")

    def update(self, case: models.CaseDetail) -> None:
        """Offer the alerts that the case has now; those that are picked stay so."""
        choice = self._choice(case)
        if choice != self._alerts.options:
            picked = [each for each in self._alerts.value or () if each in choice]
            self._alerts.set_options(choice, value=picked)

    def _choice(self, case: models.CaseDetail) -> dict[str, str]:
        w = self._apart.screen.w
        return {
            alert.id: f"{w.pick(alert.title, alert.title_en)} · {w.moment(alert.began_ms)}"
            for alert in case.alerts
        }

    async def _split(self) -> None:
        case, services = self._apart.case, self._apart.screen.console.services
        moved = [str(each) for each in self._alerts.value or ()]
        category, asset = str(self._category.value or ""), _text(self._asset)
        note = _text(self._note)
        if not moved or not (category or asset):
            self._apart.screen.tell(self._apart.screen.w("case.split_needs"))
            return
        await _do(
            self._apart.screen,
            lambda c, actor, now_ms: matters.split(
                c,
                case.id,
                moved,
                category,
                asset,
                actor,
                case.version,
                note,
                now_ms,
                services.timezone,
            ),
            Step.SPLIT,
        )


FORMS: dict[str, Callable[[Apart], ApartForm]] = {
    "case.finish": Finishing,
    "case.invite": Inviting,
    "case.merge": Merging,
    "case.split": Splitting,
}


async def _do(
    screen: Screen, act: Act, step: Step, then: Callable[[], object] = lambda: None
) -> None:
    done = screen.w("case.taken", step=screen.w.case_step(step.value))
    work = partial(actions.in_case, screen.console.services, screen.visitor.token, act)
    await clicks.attempt(screen, work, done, then)


def _text(field: ui.input | ui.textarea) -> str:
    return str(field.value or "").strip()
