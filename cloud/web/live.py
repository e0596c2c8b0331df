"""What is true right now, read once for everybody: one poller a process, idle while nobody looks.

Pages compare the snapshot they drew with the newest; streams follow a bounded ring of news.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from anyio.to_thread import run_sync

from cloud.web.news import News, differences
from cloud.web.services import Services
from cloud.web.snapshots import Snapshot, read
from contract.errors import StorageError

logger = logging.getLogger(__name__)

RING = 2_000


class Live:
    """Holds the newest snapshot, and the news between snapshots."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._snapshot = Snapshot()
        self._reading = asyncio.Lock()
        self._watched: Counter[str] = Counter()
        self._wanted = asyncio.Event()
        self._closing = asyncio.Event()
        self._moved = asyncio.Condition()
        self._ring: deque[News] = deque(maxlen=RING)
        self._last = 0

    @property
    def snapshot(self) -> Snapshot:
        """The newest; its at_ms says how new."""
        return self._snapshot

    @property
    def closed(self) -> bool:
        return self._closing.is_set()

    @property
    def last(self) -> int:
        """The number of the latest news."""
        return self._last

    @property
    def watchers(self) -> int:
        """How many pages and streams are open."""
        return self._watched.total()

    @contextmanager
    def watching(self, session: str) -> Iterator[None]:
        """Keep the poller going, and have it look whether the session (its hash) has ended."""
        self.watch(session)
        try:
            yield
        finally:
            self.unwatch(session)

    def watch(self, session: str) -> None:
        self._watched[session] += 1
        self._wanted.set()

    def unwatch(self, session: str) -> None:
        self._watched[session] -= 1
        if self._watched[session] <= 0:
            del self._watched[session]
        if not self._watched:
            self._wanted.clear()

    async def run(self) -> None:
        """Poll for as long as anybody looks; returns after close()."""
        while not self.closed:
            await self._wanted.wait()
            await self.refresh()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._services.settings.poll_s):
                    await self._closing.wait()

    async def refresh(self, *, within_s: float = 0.0) -> Snapshot:
        """Read what has changed, unless the snapshot is newer than that; return the newest."""
        async with self._reading:
            before = self._snapshot
            age_ms = self._services.clock.now_ms() - before.at_ms
            if before.at_ms and age_ms < within_s * 1000:
                return before
            try:
                after = await run_sync(read, self._services, before, frozenset(self._watched))
            except StorageError as error:
                logger.error("the console shows old data: %s", error)
                return before
            self._snapshot = after
            await self._tell(before, after)
            return after

    async def close(self) -> None:
        """End run() and all streams."""
        self._closing.set()
        self._wanted.set()
        async with self._moved:
            self._moved.notify_all()

    async def news_after(self, number: int, timeout_s: float) -> list[News] | None:
        """Return the news after that number, waiting for some; [] if there was none in time.

        None: some of them are forgotten, and the reader must start afresh.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._moved:
                await self._moved.wait_for(lambda: self._last > number or self.closed)
        oldest = self._ring[0].number if self._ring else self._last + 1
        if not oldest - 1 <= number <= self._last:
            return None
        return [news for news in self._ring if news.number > number]

    async def _tell(self, before: Snapshot, after: Snapshot) -> None:
        if not before.at_ms:
            return
        for event, data in differences(before, after):
            self._last += 1
            self._ring.append(News(number=self._last, event=event, data=data))
        async with self._moved:
            self._moved.notify_all()
