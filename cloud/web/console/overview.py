"""The overview: figures, devices by kind with their live values, alerts, cases, gateways."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from nicegui import ui

from cloud.web.console import trends, views
from cloud.web.console.screen import Screen
from cloud.web.pages import render
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording


async def show(screen: Screen) -> None:
    """Build the page."""
    with ui.element("main").classes("gw-main").props("id=main"):
        screen.block("stats", views.stats, classes="stats")
        with ui.element("div").classes("columns"):
            devices = Devices(screen, ui.element("div").classes("devices"))
            with ui.element("aside"):
                _list(screen, "overview.alerts", "/alerts", views.alert_list)
                _list(screen, "overview.cases", "/cases", views.case_list)
                _list(screen, "overview.gateway", "", _gateways)
    screen.follow(devices.update)
    await devices.draw_curves(screen.snapshot, screen.now_ms)
    await screen.start()


class Devices:
    """The tiles, laid out anew when a device comes, goes, or changes its kind."""

    def __init__(self, screen: Screen, container: ui.element) -> None:
        self._screen = screen
        self._container = container
        self._shown: object = None
        self._curves: Mapping[str, str] = {}
        self._tiles: set[ui.html] = set()
        self._lay_out(screen.snapshot)

    async def update(self, snapshot: Snapshot, now_ms: int) -> None:
        """Follow the snapshot."""
        await self.draw_curves(snapshot, now_ms)
        if _layout(snapshot) != self._shown:
            self._lay_out(snapshot)
            await self._screen.tick()

    async def draw_curves(self, snapshot: Snapshot, now_ms: int) -> None:
        """Read the curves when another step has begun."""
        console = self._screen.console
        store, sensors = console.services.series_store, list(snapshot.sensors.values())
        version = (now_ms // trends.EVERY_MS, snapshot.marks.devices)
        load = partial(trends.trends, store, sensors, now_ms)
        self._curves = await console.shared.get("trends", version, load)

    def _lay_out(self, snapshot: Snapshot) -> None:
        self._shown = _layout(snapshot)
        self._screen.forget(self._tiles)
        self._tiles = set()
        self._container.clear()
        with self._container:
            for kind, sensors in views.by_kind(snapshot.sensors).items():
                heading = render("kind.html", w=self._screen.w, kind=kind, number=len(sensors))
                ui.html(heading, sanitize=False, tag="h2")
                with ui.element("div").classes("tiles"):
                    for sensor in sensors:
                        draw = partial(self._tile, sensor.id)
                        tile = self._screen.block(("tile", sensor.id), draw)
                        self._tiles.add(tile)
            if not snapshot.sensors:
                ui.label(self._screen.w("overview.no_devices")).classes("none card")

    def _tile(self, device: str, snapshot: Snapshot, now_ms: int, w: Wording) -> str:
        sensor = snapshot.sensors.get(device)
        curve = self._curves.get(device, "")
        return views.tile(sensor, snapshot, now_ms, w, curve) if sensor else ""


def _layout(snapshot: Snapshot) -> object:
    return [(sensor.id, sensor.kind) for sensor in snapshot.sensors.values()]


def _gateways(snapshot: Snapshot, _now_ms: int, w: Wording) -> str:
    return views.gateways(snapshot, w)


def _list(screen: Screen, title: str, href: str, draw: views.Draw) -> None:
    with ui.element("section").classes("card"):
        heading = render("heading.html", w=screen.w, title=screen.w(title), href=href)
        ui.html(heading, sanitize=False).classes("heading")
        screen.block(title, draw, classes="rows")
