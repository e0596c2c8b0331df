"""A device: what it is, what it says now, its chart with the limits, its alerts and cases."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from nicegui import ui

from cloud.completeness import midnight_ms, report
from cloud.core.schedule import cut_for, era_at
from cloud.core.statistics import Statistics
from cloud.ports import Stepped
from cloud.series.summaries import Subject, summarise
from cloud.web.console import charts, device_views, lists, summaries, views
from cloud.web.console.chosen import place
from cloud.web.console.screen import Screen
from cloud.web.limits import Limit, limits
from cloud.web.pages import render
from cloud.web.queries.devices import Sensor
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording
from contract.errors import StorageError
from contract.quantities import quantity_of, unit_of

COMPLETE_DAYS = 7
COMPLETE_EVERY_MS = 60_000


async def show(screen: Screen, device: str) -> None:
    """Build the page of a device that is there."""
    with ui.element("main").classes("gw-main").props("id=main"):
        screen.block(("head", device), partial(_head, device), classes="card head")
        with ui.element("section").classes("card"):
            _heading(screen, "device.values")
            screen.block(("values", device), partial(_values, screen, device))
        chart = Chart(screen, device)
        with ui.element("section").classes("card"):
            _heading(screen, "device.alerts")
            alerts = ui.html(sanitize=False)
            lists.acknowledging(screen, alerts)
            screen.follow(partial(_alerts, screen, device, alerts))
        with ui.element("section").classes("card"):
            _heading(screen, "device.cases")
            cases = ui.html(sanitize=False)
            screen.follow(partial(_cases, screen, device, cases))
        with ui.element("section").classes("card"):
            _heading(screen, "complete")
            complete = ui.html(sanitize=False)
            screen.follow(partial(_complete, screen, device, complete))
    screen.follow(chart.update)
    await screen.start()


class Chart:
    """One measurement over a window; the reader chooses both."""

    def __init__(self, screen: Screen, device: str) -> None:
        self._screen = screen
        self._device = device
        self._window = "1h"
        self._drawn: object = None
        w = screen.w
        sensor = screen.snapshot.sensors[device]
        names = sorted(sensor.series, key=lambda name: place(name, sensor.kind))
        self._measurement = names[0] if names else ""
        with ui.element("section").classes("card chart"):
            with ui.element("div").classes("heading"):
                ui.html(render("h2.html", title=w("chart")), sanitize=False)
                windows = {name: w(f"chart.{name}") for name in charts.WINDOWS_S}
                ui.toggle(windows, value=self._window, on_change=self._choose_window).props(
                    f'no-caps dense unelevated aria-label="{w("chart.window")}"'
                )
            if len(names) > 1:
                choice = {name: w.measurement(name) for name in names}
                ui.toggle(choice, value=self._measurement, on_change=self._choose).props(
                    f'no-caps dense unelevated aria-label="{w("device.measurement")}"'
                ).classes("measurements")
            self._chart = ui.echart({}).classes("plot")
            self._note = ui.label().classes("note")
            self._summary = ui.html(sanitize=False)

    async def update(self, snapshot: Snapshot, now_ms: int) -> None:
        """Draw again when another step has begun, or the reader chose otherwise."""
        sensor = snapshot.sensors.get(self._device)
        if sensor is None or self._measurement not in sensor.series:
            return
        w = self._screen.w
        frame = charts.frame(self._window, sensor.first_seen_ms, now_ms, charts.shift(w, now_ms))
        wanted = (self._measurement, *frame)
        if wanted == self._drawn:
            return
        self._drawn = wanted
        number = sensor.series[self._measurement]
        load = partial(self._screen.console.services.series_store.stepped, number, *frame)
        points: Stepped | None = None
        try:
            points = await self._screen.console.shared.get((number, self._window), frame, load)
        except StorageError:
            self._drawn = None  # try again at the next tick
        self._draw(snapshot, points, frame, now_ms)
        await self._summarise(sensor, frame)

    async def _summarise(self, sensor: Sensor, frame: tuple[int, int, int]) -> None:
        """Draw the statistics of the chart's time, read once for all who look at it."""
        from_ms, to_ms, _ = frame
        measurement = self._measurement
        services = self._screen.console.services
        subject = Subject(
            device=self._device,
            measurement=measurement,
            series=sensor.series[measurement],
            period_s=sensor.period_s,
        )
        until_ms = min(to_ms, self._screen.now_ms)
        load = partial(
            summarise,
            services.series_store,
            subject,
            from_ms,
            max(until_ms, from_ms + 1),
            zone=services.timezone,
            hours=services.hours,
        )
        found: Statistics | None = None
        with suppress(StorageError, ValueError):
            key = ("statistics", subject.series, self._window)
            found = await self._screen.console.shared.get(key, frame, load)
        if measurement == self._measurement:
            self._summary.set_content(
                summaries.summary(found, self._device, measurement, from_ms, to_ms, self._screen.w)
            )

    def _draw(
        self, snapshot: Snapshot, points: Stepped | None, frame: tuple[int, int, int], now_ms: int
    ) -> None:
        from_ms, to_ms, step_ms = frame
        w, measurement = self._screen.w, self._measurement
        sensor = snapshot.sensors[self._device]
        known = _limits(self._screen, self._device, snapshot, now_ms)
        options = charts.chart(
            points,
            measurement=measurement,
            unit=unit_of(measurement),
            limits=known.get(measurement, []),
            period_s=sensor.period_s,
            from_ms=from_ms,
            to_ms=to_ms,
            step_ms=step_ms,
            w=w,
        )
        self._chart.options.clear()
        self._chart.options.update(options)
        self._chart.update()
        self._note.set_text(_note(points, measurement, step_ms, w))

    async def _choose_window(self, event: object) -> None:
        self._window = str(getattr(event, "value", self._window))
        await self.update(self._screen.snapshot, self._screen.now_ms)

    async def _choose(self, event: object) -> None:
        self._measurement = str(getattr(event, "value", self._measurement))
        await self.update(self._screen.snapshot, self._screen.now_ms)


def _note(points: Stepped | None, measurement: str, step_ms: int, w: Wording) -> str:
    if points is None:
        return w("chart.failed")
    if not any(points.readings):
        return w("chart.empty")
    quantity = quantity_of(measurement)
    how = w(f"averaging.{quantity.averaging.value}")
    words = w("chart.step", step=w.duration(step_ms), how=how)
    return f"{words} · {w('chart.flagged')}" if any(points.excluded) else words


def _limits(screen: Screen, device: str, snapshot: Snapshot, now_ms: int) -> dict[str, list[Limit]]:
    sensor, services = snapshot.sensors[device], screen.console.services
    hours = cut_for(services.hours, services.in_force.rules)
    era = era_at(now_ms, services.timezone, hours)
    return limits(services.in_force, sensor.for_rules(), list(sensor.series), era)


def _head(device: str, snapshot: Snapshot, _now_ms: int, w: Wording) -> str:
    return device_views.head(snapshot.sensors[device], w)


def _values(screen: Screen, device: str, snapshot: Snapshot, now_ms: int, w: Wording) -> str:
    known = _limits(screen, device, snapshot, now_ms)
    return device_views.values(snapshot.sensors[device], snapshot, known, now_ms, w)


async def _alerts(
    screen: Screen, device: str, table: ui.html, snapshot: Snapshot, now_ms: int
) -> None:
    load = partial(lists.newest_alerts, screen.console, device)
    key = ("alerts", device)
    found = await screen.console.shared.get(key, snapshot.marks.alerts, load)
    html = views.alert_table(
        found[: views.OF_DEVICE],
        now_ms,
        screen.w,
        may_acknowledge=lists.may_acknowledge(screen),
        with_device=False,
        most=views.OF_DEVICE,
        empty=screen.w("alert.none_at_all"),
    )
    lists.put(table, html)


async def _cases(
    screen: Screen, device: str, table: ui.html, snapshot: Snapshot, now_ms: int
) -> None:
    load = partial(lists.newest_cases, screen.console, device)
    found = await screen.console.shared.get(("cases", device), snapshot.marks.cases, load)
    empty = screen.w("case.none_at_all")
    newest = found[: views.OF_DEVICE]
    html = views.case_table(newest, now_ms, screen.w, empty=empty, most=views.OF_DEVICE)
    lists.put(table, html)


async def _complete(
    screen: Screen, device: str, table: ui.html, _snapshot: Snapshot, now_ms: int
) -> None:
    """Show the last days; counted anew every so often, for all who look."""
    services = screen.console.services
    load = partial(
        report,
        services.database,
        services.series_store,
        services.timezone,
        device,
        from_ms=midnight_ms(now_ms, services.timezone, COMPLETE_DAYS - 1),
        to_ms=now_ms,
        now_ms=now_ms,
    )
    key = ("complete", device)
    found = await screen.console.shared.get(key, now_ms // COMPLETE_EVERY_MS, load)
    lists.put(table, device_views.completeness(found, screen.w))


def _heading(screen: Screen, title: str) -> None:
    ui.html(render("h2.html", title=screen.w(title)), sanitize=False).classes("heading")
