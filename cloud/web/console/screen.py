"""One open page of one reader: its shell, its blocks, and the timer that keeps them true."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

from fastapi import Request
from nicegui import ui

from cloud.web import accounts
from cloud.web.accounts import LANGUAGES
from cloud.web.auth import Visitor
from cloud.web.console import views
from cloud.web.console.shared import Renderings, Shared
from cloud.web.console.views import Draw
from cloud.web.live import Live
from cloud.web.middleware import VISITOR
from cloud.web.pages import asset, render
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot
from cloud.web.wording import Wording
from contract.errors import StorageError

logger = logging.getLogger(__name__)

TICK_S = 1.0
LINKS = (
    ("overview", "/"),
    ("alerts", "/alerts"),
    ("cases", "/cases"),
    ("inbox", "/inbox"),
    ("maintenance", "/maintenance"),
    ("notifications", "/notifications"),
    ("assessment", "/cases/assessment"),
    ("performance", "/alerts/performance"),
    ("rules", "/rules"),
    ("backtest", "/rules/backtest"),
    ("outbox", "/outbox"),
)
HTML_LANG = {"zh": "zh-CN", "en": "en"}

Update = Callable[[Snapshot, int], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages share."""

    services: Services
    live: Live
    shared: Shared = field(default_factory=Shared)
    renderings: Renderings = field(default_factory=Renderings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of a page that is drawn again whenever it would look different."""

    element: ui.html
    key: Hashable
    draw: Draw


class Screen:
    """A page while it is open."""

    def __init__(self, console: Console, request: Request, active: str, title: str) -> None:
        visitor: Visitor = request.scope[VISITOR]
        self.console = console
        self.visitor = visitor
        self.w = Wording(language=visitor.account.language, zone=console.services.timezone)
        self._session = accounts.token_hash(visitor.token)
        self._blocks: list[Block] = []
        self._updates: list[Update] = []
        self._shell(request, active, title)
        console.live.watch(self._session)
        ui.context.client.on_delete(lambda: console.live.unwatch(self._session))

    @property
    def snapshot(self) -> Snapshot:
        return self.console.live.snapshot

    @property
    def now_ms(self) -> int:
        return self.console.services.clock.now_ms()

    def block(self, key: Hashable, draw: Draw, *, classes: str = "", tag: str = "div") -> ui.html:
        """Add a piece that follows the snapshot. Pieces of one key look the same to all readers."""
        element = ui.html(sanitize=False, tag=tag).classes(classes)
        self._blocks.append(Block(element=element, key=key, draw=draw))
        return element

    def forget(self, elements: set[ui.html]) -> None:
        """Stop following for pieces that are taken off the page."""
        self._blocks = [block for block in self._blocks if block.element not in elements]

    def follow(self, update: Update) -> None:
        """Call this at every tick, after the pieces."""
        self._updates.append(update)

    async def start(self) -> None:
        """Draw everything once, and keep it true from now on."""
        await self.tick()
        ui.timer(TICK_S, self.tick, immediate=False)

    async def tick(self) -> None:
        """Draw again what has changed."""
        snapshot, now_ms = self.snapshot, self.now_ms
        if snapshot.has_ended(self._session):
            ui.navigate.to("/login")
            return
        now_ms -= now_ms % 1000  # all readers see the same second
        for block in self._blocks:
            html = self.console.renderings.get(
                (snapshot.at_ms, now_ms),
                (self.w.language, block.key),
                lambda block=block: block.draw(snapshot, now_ms, self.w),  # type: ignore[misc]
            )
            if html != block.element.content:
                block.element.set_content(html)
        for update in self._updates:
            try:
                await update(snapshot, now_ms)
            except StorageError as error:  # what is shown stays, and is announced as old
                logger.error("a page could not be brought up to date: %s", error)

    async def refresh(self) -> None:
        """Read what has just changed, and draw it."""
        await self.console.live.refresh()
        await self.tick()

    def tell(self, words: str, *, good: bool = False) -> None:
        """Say something that passes."""
        ui.notify(
            words,
            color="positive" if good else "warning",
            icon="check" if good else "priority_high",
            textColor="white",
            position="top",
            timeout=4000,
        )

    def _shell(self, request: Request, active: str, title: str) -> None:
        w = self.w
        ui.page_title(f"{title or w(f'nav.{active}')} · {w('product')}")
        ui.colors(primary="#0b6e75", positive="#1b7f4d", warning="#8a6100", negative="#b3122f")
        ui.add_head_html(
            f'<script>document.documentElement.lang="{HTML_LANG[w.language]}"</script>'
            f'<link rel="stylesheet" href="{asset("console.css")}">'
        )
        ui.query("body").classes(f"gw gw-{w.language}")
        header = render(
            "header.html",
            w=w,
            links=LINKS,
            active=active,
            account=self.visitor.account,
            other=next(each for each in LANGUAGES if each != w.language),
            path=request.url.path,
        )
        ui.html(header, sanitize=False, tag="header").classes("gw-top")
        self.block("old", views.old, classes="gw-old")
