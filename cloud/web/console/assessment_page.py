"""The page of the assessment: a month's figures, whole and in groups, each with its cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from anyio.to_thread import run_sync
from nicegui import ui

from cloud.assessment import Assessment, Period, between, month
from cloud.core.assessment import By, Compared, Figure, Formula, Group
from cloud.core.assessment_text import NOTHING, SOURCES, change, spelt
from cloud.errors import InvalidError
from cloud.web import models
from cloud.web.console.screen import Console, Screen
from cloud.web.console.views import case_table
from cloud.web.pages import render
from cloud.web.queries import assessment, cases
from cloud.web.wording import Wording

MONTHS = 13  # to choose from
MOST = 200  # cases of a figure
DIGITS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the address says. key: None for the whole. figure: "" for all figures.

    since, until: days, of a period that is no month; it ends before the last. skip: so many of a
    figure's cases come before those that are shown.
    """

    month: str = ""
    since: str = ""
    until: str = ""
    by: By = By.UNIT
    figure: str = ""
    key: str | None = None
    skip: int = 0

    def link(self, **changed: str) -> str:
        """Return the address of the same with something changed."""
        of_month = {"month": self.month}
        period = {"since": self.since, "until": self.until} if self.since else of_month
        if "month" in changed:
            period = {}
        return "?" + urlencode(period | {"by": self.by.value} | changed)


def asked_of(
    month_name: str,
    by: str,
    figure: str,
    key: str | None,
    since: str = "",
    until: str = "",
    skip: str = "",
) -> Asked:
    """Read an address; what it cannot mean is left out. A month goes before a period."""
    known = {each.value: each for each in By}
    if month_name:
        since = until = ""
    return Asked(
        month=month_name,
        since=since,
        until=until,
        by=known.get(by, By.UNIT),
        figure=figure,
        key=key,
        skip=int(skip) if skip.isdecimal() and len(skip) < 9 else 0,
    )


def period_of(asked: Asked, today: date, zone: ZoneInfo) -> Period:
    """Return the period that is asked for; days left open are today. Raises: InvalidError."""
    if not asked.since:
        return month(asked.month or f"{today:%Y-%m}", zone)
    begins, ends = (_day_ms(text or f"{today}", zone) for text in (asked.since, asked.until))
    return between(begins, ends, zone)


def _day_ms(text: str, zone: ZoneInfo) -> int:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InvalidError(f"day {text!r}: write it as 2026-10-01") from None
    return round(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)


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
    now_ms, today = services.clock.now_ms(), assessment.today(services)
    asked = asked if asked.since else replace(asked, month=asked.month or f"{today:%Y-%m}")
    try:
        period = period_of(asked, today, services.timezone)
        found = assessment.assessed(services, period, asked.by, unit, comparing=not asked.figure)
    except InvalidError as error:
        return render("assessment_none.html", w=w, problem=str(error), months=months(today))
    formula, figure = figure_of(found, asked)
    if formula is None or figure is None:
        return _figures(found, asked, w, months(today, asked.month), now_ms)
    shown = ordered(figure)[asked.skip : asked.skip + MOST]
    with services.database.read() as connection:
        rows = cases.some(connection, shown, now_ms)
    return _cases(found, formula, figure, rows, asked, now_ms, w)


def figure_of(found: Assessment, asked: Asked) -> tuple[Formula | None, Figure | None]:
    """Return the figure that is asked for, of the whole or of a group; None for all of them."""
    formulas = {formula.key: formula for formula in found.formulas.figures}
    groups = {group.key: group for group in found.groups[asked.by]}
    group = found.total if asked.key is None else groups.get(asked.key)
    formula = formulas.get(asked.figure)
    return formula, group.figures[formula.key] if formula and group else None


def ordered(figure: Figure) -> list[str]:
    """Return all cases of a figure, those that count first."""
    counted = set(figure.cases)
    return [*figure.cases, *(case for case in figure.of if case not in counted)]


def months(today: date, also: str = "") -> list[str]:
    """Return the months to choose from, this one first."""
    named = [f"{today:%Y-%m}"]
    first = today.replace(day=1)
    while len(named) < MONTHS:
        first = (first - timedelta(days=1)).replace(day=1)
        named.append(f"{first:%Y-%m}")
    return named if not also or also in named else [*named, also]


def group_name(by: By, key: str, w: Wording) -> str:
    """Return what a group is called."""
    if by is By.CATEGORY:
        return w.category(key)
    if by is By.SOURCE:
        label = SOURCES.get(key)
        return w.pick(label.zh, label.en) if label else key
    return key or w("assessment.none")


def _figures(found: Assessment, asked: Asked, w: Wording, named: list[str], now_ms: int) -> str:
    def then(compared: Compared, formula: Formula, group: Group | None = None) -> str:
        now = (group or found.total).value(formula.key)
        by, key = (asked.by, group.key) if group else (None, "")
        before = compared.value(formula.key, by, key)
        return change(formula, now, before, w("assessment.points"), DIGITS)

    return render(
        "assessment.html",
        w=w,
        asked=asked,
        months=named,
        groupings=tuple(By),
        found=found,
        formulas=found.formulas.figures,
        spelt=partial(spelt, digits=DIGITS),
        then=then,
        nothing=NOTHING,
        going_on=found.period.until_ms > now_ms,
        name=partial(group_name, asked.by, w=w),
    )


def _cases(
    found: Assessment,
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
    every = len(ordered(figure))

    def page(skip: int) -> str:
        group = {} if asked.key is None else {"key": asked.key}
        return asked.link(figure=asked.figure, skip=str(skip), **group)

    return render(
        "assessment_cases.html",
        w=w,
        asked=asked,
        period=found.period.name,
        title=w.pick(formula.title.zh, formula.title.en),
        group="" if asked.key is None else group_name(asked.by, asked.key, w),
        value=spelt(formula, figure.value, DIGITS),
        figure=figure,
        every=every,
        first=asked.skip + 1,
        last=asked.skip + len(rows),
        before=page(max(0, asked.skip - MOST)) if asked.skip else "",
        after=page(asked.skip + MOST) if asked.skip + MOST < every else "",
        inside=case_table(inside, now_ms, w, empty="", most=MOST) if inside else "",
        outside=case_table(outside, now_ms, w, empty="", most=MOST) if outside else "",
    )
