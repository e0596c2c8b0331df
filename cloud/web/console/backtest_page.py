"""The page that tries a rule with other numbers on what is stored, before anybody is told."""

from __future__ import annotations

from contextlib import suppress
from typing import TypedDict

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.core.model import Role
from cloud.core.rules import Direction, Rule
from cloud.errors import InvalidFileError
from cloud.web import backtest_models as models
from cloud.web.backtest_models import AskedBacktest, RuleChange, State
from cloud.web.console import actions, backtest_views, rule_form, rule_views
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from contract.errors import GridwardenError

DAYS = (1, 7, 30, 90)
USUAL = 7
NUMBERS = ("limit", "deadband", "on_delay_s", "off_delay_s")


async def show(screen: Screen, rule: str) -> None:
    """Build the page. rule: the one chosen at first; "" for the first."""
    w = screen.w
    with ui.element("main").classes("gw-main").props("id=main"):
        with ui.element("section").classes("card"):
            heading = render("h1.html", title=w("nav.backtest"))
            ui.html(heading, sanitize=False).classes("heading")
            ui.label(w("backtest.about")).classes("note")
            page = BacktestPage(screen, rule)
        page.results = ui.element("div").classes("backtest-results")
    screen.follow(page.update)
    await screen.start()


class Over(TypedDict):
    """Over what a backtest runs."""

    days: float
    device: str


class BacktestPage:
    """The form, and what came of it."""

    results: ui.element

    def __init__(self, screen: Screen, rule: str) -> None:
        self._screen = screen
        self._shown: object = None
        self._rules = {one.id: one for one in screen.console.services.in_force.rules}
        self._key = next((one.id for one in screen.console.services.backtests.latest()), "")
        self._may = screen.visitor.account.role.includes(Role.MANAGER)
        if self._may and self._rules:
            self._form(rule if rule in self._rules else next(iter(self._rules)))
        elif not self._may:
            ui.label(screen.w("backtest.takes_a_manager")).classes("none")
        with ui.element("div").classes("progress") as self._progress:
            self._bar = ui.linear_progress(0, show_value=False, size="8px")
            self._bar.props(f'instant-feedback aria-label="{screen.w("backtest.progress")}"')
            self._state = ui.label()
            if self._may:
                self._stop = ui.button(screen.w("backtest.cancel"), on_click=self._cancel)
                self._stop.props("no-caps outline dense")

    def _form(self, chosen: str) -> None:
        w = self._screen.w
        with ui.element("div").classes("form plan quarters"):
            self._rule = ui.select(
                {
                    key: f"{w.pick(r.title_zh, r.title_en)} · {key}"
                    for key, r in self._rules.items()
                },
                value=chosen,
                label=w("backtest.rule"),
                with_input=True,
                on_change=self._fill,
            ).classes("half")
            sensors = self._screen.snapshot.sensors.values()
            self._device = ui.select(
                {"": w("backtest.every_device"), **{s.id: f"{s.name} ({s.id})" for s in sensors}},
                value="",
                label=w("backtest.device"),
                with_input=True,
            )
            self._days = ui.select(
                {days: w("performance.days", n=days) for days in DAYS},
                value=USUAL,
                label=w("backtest.period"),
            )
            self._fields = {key: ui.number(w(f"backtest.{key}")) for key in NUMBERS}
            for element in (self._rule, self._device, self._days, *self._fields.values()):
                element.props("outlined dense stack-label")
        with ui.element("div").classes("buttons"):
            ui.button(w("backtest.run"), on_click=self._run).props("no-caps unelevated")
        with ui.expansion(w("backtest.file")).classes("apart"), ui.element("div").classes("form"):
            ui.label(w("backtest.file_about")).classes("note")
            self._file = rule_form.text_area(screen=self._screen)
            with ui.element("div").classes("buttons"):
                ui.button(w("backtest.run_file"), on_click=self._run_file).props("no-caps outline")
            self._refused = ui.html(sanitize=False)
        self._fill()

    def _fill(self) -> None:
        """Put the rule's own numbers into the fields; they stay beside them as a hint."""
        w = self._screen.w
        rule = self._rules[str(self._rule.value)]
        for key, field in self._fields.items():
            unit = "s" if key.endswith("_s") else w.unit(rule.unit)
            now = f"{getattr(rule, key):g} {unit}".strip()
            field.set_value(getattr(rule, key))
            field.props(f'hint="{w("backtest.now", value=now)}" suffix="{unit}"')

    async def _run(self) -> None:
        screen = self._screen
        rule = self._rules[str(self._rule.value)]
        numbers = {
            key: float(field.value)
            for key, field in self._fields.items()
            if field.value is not None and float(field.value) != getattr(rule, key)
        }
        if not numbers:
            screen.tell(screen.w("backtest.nothing_changed"))
            return
        try:
            change = RuleChange(rule=rule.id, **numbers)
        except ValueError:
            screen.tell(screen.w("backtest.below_zero"))
            return
        await self._begin(AskedBacktest(changes=(change,), **self._over()))

    async def _run_file(self) -> None:
        text = str(self._file.value or "")
        if not text.strip():
            self._screen.tell(self._screen.w("rules.no_file"))
            return
        await self._begin(AskedBacktest(rules=text, **self._over()))

    def _over(self) -> Over:
        return {
            "days": float(self._days.value or USUAL),
            "device": str(self._device.value or ""),
        }

    async def _begin(self, asked: AskedBacktest) -> None:
        screen = self._screen
        if self._refused.content:
            self._refused.set_content("")
        try:
            begun = await run_sync(
                actions.start_backtest, screen.console.services, screen.visitor.token, asked
            )
        except GridwardenError as error:
            if isinstance(error, InvalidFileError):
                self._refused.set_content(rule_views.refusal(error, screen.w))
            else:
                screen.tell(actions.explain(error, screen.w))
        else:
            self._key = begun.id
            await screen.tick()

    async def _cancel(self) -> None:
        screen = self._screen
        try:
            await run_sync(
                actions.cancel_backtest, screen.console.services, screen.visitor.token, self._key
            )
        except GridwardenError as error:
            screen.tell(actions.explain(error, screen.w))

    async def update(self, _: Snapshot, __: int) -> None:
        """Show how far it is, and draw its result once."""
        found: models.Backtest | None = None
        with suppress(GridwardenError):
            found = self._screen.console.services.backtests.get(self._key)
        self._progress.set_visibility(found is not None)
        if found is None or (found.id, found.state, found.done) == self._shown:
            return
        self._shown = (found.id, found.state, found.done)
        w = self._screen.w
        self._bar.set_value(found.done)
        self._state.set_text(
            w(f"backtest.state.{found.state}", by=found.by, percent=f"{100 * found.done:.0f}")
            + (f" {found.why}" if found.why else "")
        )
        running = found.state is State.RUNNING
        self._bar.set_visibility(running)
        if self._may:
            self._stop.set_visibility(running)
        self.results.clear()
        if found.result is not None:
            with self.results:
                self._draw(found, found.result)

    def _draw(self, found: models.Backtest, result: models.BacktestResult) -> None:
        w = self._screen.w
        with ui.element("section").classes("card performance"):
            ui.html(backtest_views.table(found, result, w), sanitize=False)
        for rule in result.rules:
            with ui.element("section").classes("card"):
                ui.html(render("h2.html", title=w("backtest.examples")), sanitize=False)
                ui.label(w("backtest.examples_about")).classes("note")
                with ui.element("div").classes("columns even"):
                    for side, title in ((rule.current, "current"), (rule.changed, "changed")):
                        if side is None:
                            ui.label(w(f"backtest.no_rule.{title}")).classes("none")
                            continue
                        with ui.element("div").classes("chart"):
                            self._examples(rule, side, w(f"backtest.{title}"))

    def _is_below(self, rule: models.BacktestRule) -> bool:
        known: Rule | None = self._rules.get(rule.rule)
        return known is not None and known.direction is Direction.BELOW

    def _examples(self, rule: models.BacktestRule, side: models.BacktestSide, title: str) -> None:
        w = self._screen.w
        ui.html(
            render(
                "h2.html", title=f"{title} · {w.number(side.limit, rule.unit)} {w.unit(rule.unit)}"
            ),
            sanitize=False,
        )
        if not side.examples:
            ui.label(w("backtest.no_alerts")).classes("none")
        for each in side.examples[: backtest_views.MOST_CHARTS]:
            until = w.moment(each.ended_ms) if each.ended_ms else w("backtest.to_the_end")
            ui.link(each.device_name, f"/devices/{each.device}")
            ui.label(f"{w.moment(each.began_ms)} – {until}").classes("note")
            below = self._is_below(rule)
            options = backtest_views.chart(each, rule, side, below=below, w=w)
            ui.echart(options).classes("plot small")
