"""The page of the assessment: a month's figures, whole and in groups, each with its cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.assessment import Assessment, assess, month
from cloud.cases.formulas import load_versions
from cloud.core.assessment import By, Figure, Form, Formula, Group
from cloud.errors import InvalidError
from cloud.web import models
from cloud.web.console.screen import Console, Screen
from cloud.web.console.views import case_table
from cloud.web.pages import render
from cloud.web.queries import cases
from cloud.web.wording import Wording

NOTHING = "—"
MONTHS = 13  # to choose from
MOST = 200  # cases of a figure
SOURCES = {
    "alert": ("传感器告警", "Sensor alert"),
    "phone": ("电话", "Phone"),
    "app": ("App", "App"),
    "message": ("消息", "Message"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address says. key: None for the whole. figure: "" for all figures."""

    month: str = ""
    by: By = By.UNIT
    figure: str = ""
    key: str | None = None

    def link(self, **changed: str) -> str:
        """Return the address of the same with something changed."""
        words = {"month": self.month, "by": self.by.value} | changed
        return "?" + urlencode(words)


def asked_of(month_name: str, by: str, figure: str, key: str | None) -> Asked:
    """Read an address; what it cannot mean is left out."""
    known = {each.value: each for each in By}
    return Asked(month=month_name, by=known.get(by, By.UNIT), figure=figure, key=key)


async def show(screen: Screen, asked: Asked) -> None:
    """Build the page: the figures of a month, or the cases of one of them."""
    w = screen.w
    unit = screen.visitor.account.actor.own_unit
    html = await run_sync(partial(_drawn, screen.console, asked, unit, w))
    with ui.element("main").classes("gw-main").props("id=main"):
        ui.html(html, sanitize=False, tag="section").classes("card performance")
    await screen.start()


def _drawn(console: Console, asked: Asked, unit: str, w: Wording) -> str:
    services = console.services
    now_ms = services.clock.now_ms()
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(services.timezone).date()
    wanted = Asked(
        month=asked.month or f"{today:%Y-%m}", by=asked.by, figure=asked.figure, key=asked.key
    )
    with services.database.read() as connection:
        try:
            found = assess(
                connection,
                month(wanted.month, services.timezone),
                services.formulas or load_versions(),
                (wanted.by,),
                unit,
            )
        except InvalidError as error:
            return render("assessment_none.html", w=w, problem=str(error), months=months(today))
        formula, figure = figure_of(found, wanted)
        if formula is None or figure is None:
            return _figures(found, wanted, w, months(today, wanted.month))
        named = (figure.of or figure.cases)[-MOST:]
        rows = cases.some(connection, named, now_ms)
    return _cases(formula, figure, rows, wanted, now_ms, w)


def figure_of(found: Assessment, asked: Asked) -> tuple[Formula | None, Figure | None]:
    """Return the figure that is asked for, of the whole or of a group; None for all of them."""
    formulas = {formula.key: formula for formula in found.formulas.figures}
    groups = {group.key: group for group in found.groups[asked.by]}
    group = found.total if asked.key is None else groups.get(asked.key)
    formula = formulas.get(asked.figure)
    return formula, group.figures[formula.key] if formula and group else None


def months(today: date, also: str = "") -> list[str]:
    """Return the months to choose from, this one first."""
    named = [f"{today:%Y-%m}"]
    first = today.replace(day=1)
    while len(named) < MONTHS:
        first = (first - timedelta(days=1)).replace(day=1)
        named.append(f"{first:%Y-%m}")
    return named if not also or also in named else [*named, also]


def spelt(formula: Formula, value: float | None) -> str:
    """Return a figure's value as people read it."""
    if value is None:
        return NOTHING
    match formula.form:
        case Form.COUNT:
            return f"{value:.0f}"
        case Form.SHARE:
            return f"{100 * value:.1f} %"
        case Form.MEAN:
            return f"{value:.2f}"


def change(formula: Formula, now: float | None, then: float | None, w: Wording) -> str:
    """Return the change since another period: counts in percent, shares in percentage points."""
    if now is None or then is None:
        return NOTHING
    match formula.form:
        case Form.COUNT:
            return f"{100 * (now - then) / then:+.1f} %" if then else NOTHING
        case Form.SHARE:
            return w("assessment.points", n=f"{100 * (now - then):+.1f}")
        case Form.MEAN:
            return f"{now - then:+.2f}"


def group_name(by: By, key: str, w: Wording) -> str:
    """Return what a group is called."""
    if by is By.CATEGORY:
        return w.category(key)
    if by is By.SOURCE:
        return w.pick(*SOURCES.get(key, (key, key)))
    return key or w("assessment.none")


def _figures(found: Assessment, asked: Asked, w: Wording, named: list[str]) -> str:
    def then(group: Group, formula: Formula) -> str:
        now = found.total.figures[formula.key].value
        return change(formula, now, group.figures[formula.key].value, w)

    return render(
        "assessment.html",
        w=w,
        asked=asked,
        months=named,
        groupings=tuple(By),
        found=found,
        formulas=found.formulas.figures,
        spelt=spelt,
        then=then,
        name=partial(group_name, asked.by, w=w),
    )


def _cases(
    formula: Formula,
    figure: Figure,
    rows: list[models.Case],
    asked: Asked,
    now_ms: int,
    w: Wording,
) -> str:
    counted = set(figure.cases)
    inside = [case for case in rows if case.id in counted]
    outside = [case for case in rows if case.id not in counted]
    return render(
        "assessment_cases.html",
        w=w,
        asked=asked,
        title=w.pick(formula.title.zh, formula.title.en),
        group="" if asked.key is None else group_name(asked.by, asked.key, w),
        value=spelt(formula, figure.value),
        figure=figure,
        inside=case_table(inside, now_ms, w, empty=w("assessment.no_cases"), most=MOST),
        outside=case_table(outside, now_ms, w, empty="", most=MOST) if outside else "",
    )
