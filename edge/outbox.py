"""What to publish next: live before backlog, urgent before other, never past the window.

The backlog goes in the order of its numbers, so that the cloud has few holes to remember; only the
last urgent batches overtake it, once a connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from contract.clock import Clock
from contract.codec import decode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.messages import Ack
from edge.buffer import Buffer
from edge.core.window import Window
from edge.options import UplinkOptions
from edge.ports import Stored

MAX_LIVE = 512  # more of them wait on disk, as backlog
FETCH = 64
OVERTAKING = 64  # urgent batches of the backlog
RETRY_S = 1.0
BURST_S = 0.1  # the backlog's rate holds over such a stretch


class Outbox:
    """Chooses among live batches, in memory, and the backlog, on disk."""

    def __init__(self, buffer: Buffer, options: UplinkOptions, clock: Clock) -> None:
        self._buffer, self._clock = buffer, clock
        self._window = Window(options.window_batches, options.resend_after_s)
        self._reserve = options.window_batches // 4  # of the window, for live batches
        self._interval_s = 1 / options.backlog_batches_per_s
        self._backlog_due_s = 0.0
        self._urgent: deque[Stored] = deque()
        self._live: deque[Stored] = deque()
        self._backlog: deque[Stored] = deque()
        self._behind = True  # there may be batches on disk that are neither live nor in flight
        self._overtaking = True
        self._epoch = buffer.epoch
        self._changed = asyncio.Event()
        self._acked = asyncio.Event()

    def restart(self) -> None:
        """Begin anew, as a connection does: all that is held is to be sent."""
        self._window.clear()
        for queue in (self._urgent, self._live, self._backlog):
            queue.clear()
        self._behind = self._overtaking = True
        self._epoch = self._buffer.epoch
        self._changed.set()

    def look_behind(self) -> None:
        """There may be more to send of what is older."""
        self._behind = True
        self._changed.set()

    def add(self, batches: Sequence[Stored], *, live: bool) -> None:
        """Take batches just committed; they go out at once if there is a connection."""
        if self._epoch != self._buffer.epoch:
            self.restart()
        if not live:
            self._behind = True
            return
        for batch in batches:
            (self._urgent if batch.urgent else self._live).append(batch)
        while len(self._urgent) + len(self._live) > MAX_LIVE:
            (self._live or self._urgent).popleft()
            self._behind = True
        self._changed.set()

    def acknowledged(self, ack: Ack) -> None:
        """Take out what the cloud has."""
        self._window.acknowledged(ack.covers)
        self._backlog = deque(batch for batch in self._backlog if not ack.covers(batch.seq))
        self._changed.set()
        self._acked.set()

    def send_again(self, numbers: IntervalSet) -> None:
        """Send these again, if they are held, without waiting for their time."""
        self._window.take_out(frozenset(n for a, b in numbers for n in range(a, b + 1)))
        self._behind = True
        self._changed.set()

    async def next(self) -> Stored:
        """Wait for the next batch to be published; it counts as sent."""
        while True:
            self._changed.clear()
            if self._window.expire(self._clock.monotonic_s()):
                self._behind = True
            if self._overtaking:
                await self._overtake()
            batch = None
            if not self._awaits_answer:
                batch = self._next_live() or await self._next_backlog()
            if batch is not None:
                self._note_sent(batch)
                return batch
            with suppress(TimeoutError):
                async with asyncio.timeout(self._patience_s()):
                    await self._changed.wait()

    async def drained(self) -> None:
        """Wait until nothing is held that the cloud does not have."""
        while True:
            self._acked.clear()
            with suppress(StorageError):
                if not await self._buffer.waiting((), 1):
                    return
            await self._acked.wait()

    @property
    def _awaits_answer(self) -> bool:
        return not self._buffer.sent.is_answered and len(self._window) > 0

    def _note_sent(self, batch: Stored) -> None:
        self._window.sent(batch.seq, self._clock.monotonic_s())
        self._buffer.sent.note(batch.seq, batch.seq)
        if not batch.readings:
            for gap in decode_batch(batch.payload).batch.gaps:
                self._buffer.sent.note(gap.first_seq, gap.last_seq)

    async def _overtake(self) -> None:
        """Let the last urgent batches on disk go first, but not so many that they leave holes."""
        self._overtaking = False
        with suppress(StorageError):
            found = await self._buffer.latest_urgent(OVERTAKING)
            known = self._known()
            self._urgent.extendleft(b for b in reversed(found) if b.seq not in known)

    def _next_live(self) -> Stored | None:
        queue = self._urgent or self._live
        return queue.popleft() if queue and self._window.has_room() else None

    async def _next_backlog(self) -> Stored | None:
        now_s = self._clock.monotonic_s()
        if not self._may_send_backlog(now_s):
            return None
        if not self._backlog and self._behind:
            await self._fetch()
        while self._backlog:
            batch = self._backlog.popleft()
            if batch.seq not in self._window:
                self._backlog_due_s = max(self._backlog_due_s, now_s - BURST_S) + self._interval_s
                return batch
        return None

    async def _fetch(self) -> None:
        self._behind = False
        try:
            found = await self._buffer.waiting(self._known(), FETCH)
        except StorageError:
            self._behind = True
            self._backlog_due_s = self._clock.monotonic_s() + RETRY_S
            return
        known = self._known()  # more may have been committed and become live meanwhile
        self._backlog = deque(batch for batch in found if batch.seq not in known)
        self._behind = self._behind or len(found) == FETCH

    def _known(self) -> frozenset[int]:
        live = (batch.seq for queue in (self._urgent, self._live) for batch in queue)
        return self._window.numbers().union(live)

    def _may_send_backlog(self, now_s: float) -> bool:
        return self._window.has_room(self._reserve) and now_s >= self._backlog_due_s

    def _patience_s(self) -> float | None:
        """Return how long there is nothing to do unless something changes."""
        now_s = self._clock.monotonic_s()
        times = [self._window.next_expiry_s()]
        waits = (self._backlog or self._behind) and not self._awaits_answer
        if waits and self._window.has_room(self._reserve):
            times.append(self._backlog_due_s)
        return min((max(0.0, at - now_s) for at in times if at is not None), default=None)
