"""The form that changes rules: a file, a moment, a reason; looked at, then confirmed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.applying import Wanted
from cloud.errors import InvalidFileError
from cloud.web import rule_models as models
from cloud.web.backtest_models import AskedBacktest
from cloud.web.console import actions, rule_views
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.queries import rules
from contract.errors import GridwardenError

TRIED_DAYS = 7
_READ = """
const field = document.getElementById('gw-rules-file');
if (!field.files.length) return '';
const text = await field.files[0].text();
field.value = '';
return text;
"""


def text_area(screen: Screen) -> ui.textarea:
    """Lay out where a file of rules is pasted, or taken from one that is picked."""
    area = ui.textarea(screen.w("rules.file")).props("outlined stack-label spellcheck=false")
    area.classes("rules-text")
    field = ui.element("input").props('type=file accept=".yaml,.yml,.json" id=gw-rules-file')
    field.props(f'aria-label="{screen.w("rules.pick")}"')

    async def read() -> None:
        text = str(await ui.run_javascript(_READ, timeout=10))
        if len(text) > models.LONGEST_TEXT:
            screen.tell(screen.w("rules.too_long", n=len(text), most=models.LONGEST_TEXT))
        elif text:
            area.set_value(text)

    field.on("change", read)
    return area


class RuleForm:
    """Nothing of it is drawn again by itself: what somebody types stays."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._wanted: Wanted | None = None
        w = screen.w
        with ui.element("div").classes("form rules-form"):
            self._text = text_area(screen)
            with ui.element("div").classes("pair"):
                self._reason = ui.input(w("rules.reason"))
                self._at = ui.input(w("rules.moment")).props("type=datetime-local")
            for element in (self._reason, self._at):
                element.props("outlined dense stack-label")
            ui.label(w("rules.moment_hint")).classes("note")
        with ui.element("div").classes("rules-buttons"):
            ui.button(w("rules.look"), on_click=self._look).props("no-caps unelevated")
            ui.button(w("rules.try"), on_click=self._try).props("no-caps outline")
        self._told = ui.html(sanitize=False)
        with ui.element("div").classes("rules-buttons") as self._confirming:
            ui.button(w("rules.confirm"), on_click=self._confirm).props("no-caps unelevated")
            ui.button(w("rules.not_yet"), on_click=self._forget).props("no-caps outline")
        self._confirming.set_visibility(False)
        for field in (self._text, self._reason, self._at):
            field.on_value_change(self._forget)  # what is confirmed is what was looked at

    def _forget(self) -> None:
        self._wanted = None
        self._confirming.set_visibility(False)
        self._told.set_content("")

    async def _look(self) -> None:
        screen, w = self._screen, self._screen.w
        text, reason = str(self._text.value or ""), str(self._reason.value or "").strip()
        if not text.strip() or not reason:
            screen.tell(w("rules.missing"))
            return
        self._forget()
        services = screen.console.services
        try:
            wanted = Wanted(
                by=screen.visitor.account.name,
                rules=await run_sync(rules.read, services, text),
                at_ms=self._moment(),
                note=reason,
            )
            plan = await run_sync(rules.plan, services, wanted)
        except GridwardenError as error:
            self._refuse(error)
            return
        self._wanted = replace(wanted, base=plan.base)
        soon = wanted.at_ms is None
        self._told.set_content(rule_views.plan(plan, w, soon=soon))
        self._confirming.set_visibility(True)

    async def _confirm(self) -> None:
        screen, wanted = self._screen, self._wanted
        if wanted is None:
            return
        act = partial(actions.change_rules, screen.console.services, screen.visitor.token, wanted)
        try:
            done = await run_sync(act)
        except GridwardenError as error:
            self._forget()
            self._refuse(error)
        else:
            screen.tell(screen.w("rules.applied", n=done.base), good=True)
            self._text.set_value("")
            self._reason.set_value("")
            self._at.set_value("")
            self._forget()
        await screen.refresh()

    async def _try(self) -> None:
        screen, text = self._screen, str(self._text.value or "")
        if not text.strip():
            screen.tell(screen.w("rules.no_file"))
            return
        asked = AskedBacktest(rules=text, days=TRIED_DAYS)
        services, token = screen.console.services, screen.visitor.token
        try:
            await run_sync(actions.start_backtest, services, token, asked)
        except GridwardenError as error:
            self._forget()
            self._refuse(error)
            return
        self._forget()
        self._told.set_content(render("rule_tried.html", w=screen.w, days=TRIED_DAYS))

    def _refuse(self, error: GridwardenError) -> None:
        w = self._screen.w
        if isinstance(error, InvalidFileError):
            self._told.set_content(rule_views.refusal(error, w))
        else:
            self._screen.tell(actions.explain(error, w))

    def _moment(self) -> int | None:
        if not self._at.value:
            return None
        at = datetime.fromisoformat(str(self._at.value)).replace(tzinfo=self._screen.w.zone)
        return round(at.timestamp() * 1000)
