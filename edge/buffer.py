"""Readings to disk before anything else: group commit over a store that lives in its own thread.

Readings are kept in memory until a commit holds them: `commit_every_s` at most, URGENT_S for urgent
ones. A store that fails is tried again and again; meanwhile the latest readings are kept.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from contract.clock import Clock
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import NOT_RUNNING, Reading
from edge.core.clock_trust import Doubt, Trust
from edge.core.numbering import Sent
from edge.core.settled import SettledClock
from edge.health import Health
from edge.pending import Pending, Taken
from edge.ports import Committed, Held, Loss, Store, Stored, TimeKeeper
from edge.store_schema import CorruptError

log = logging.getLogger(__name__)
T = TypeVar("T")

URGENT_S = 0.02
RETRY_S = 1.0
# A disk that has not answered for so long will not: better to start again.
HANGING_S = 60.0
MAX_PENDING = 100_000
# Brokers send no more before some are acknowledged (mosquitto: 20): so many do not wait for others.
MOST_UNACKNOWLEDGED = 16
NAME, CLOCK = "buffer", "clock"
DISK_FULL = "the disk is full: the oldest readings make room for the new, or there is none"


class OpenStore(Protocol):
    """Opens the store; `fresh` sets the present one aside, because it is damaged."""

    def __call__(self, *, fresh: bool) -> Store:
        """Raises: StorageError."""
        ...


class Buffer:
    """Takes readings, commits them in groups, and tells the uplink what is on disk."""

    def __init__(
        self,
        open_store: OpenStore,
        *,
        commit_every_s: float,
        clock: Clock,
        health: Health,
        max_pending: int = MAX_PENDING,
        keeper: TimeKeeper | None = None,
        hold_s: float = 0.0,
    ) -> None:
        self._open_store = open_store
        self._commit_every_s = commit_every_s
        self._clock, self._health = clock, health
        self._max_pending = max_pending
        self._settled = SettledClock()
        self._keeper = keeper
        self._trust = Trust(keeper.boot if keeper else "")
        self._hold_s, self._held_until_s = hold_s, math.inf
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="buffer")
        self._store: Store | None = None
        self._fresh = False  # begin a new file with the next job
        self._untidy = True  # there may be batches to be settled or moved over
        self._urgent, self._normal = Pending(), Pending()
        self._loss: Loss | None = None
        self._acknowledged = IntervalSet()
        self._to_delete = False
        self._busy_since_s: float | None = None
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.epoch = ""
        self.held: Held | None = None
        self.sent = Sent(1)
        self._known_ms = 0
        self._began_s = clock.monotonic_s()
        self._down_since_ms: int | None = None  # not told yet
        self.on_commit: Callable[[Sequence[Stored]], None] = _ignore
        self.on_older: Callable[[], None] = _nothing  # older batches may go now

    def put(
        self,
        readings: Sequence[Reading],
        *,
        urgent: bool,
        on_commit: Committed | None = None,
        heard: Sequence[bytes] = (),
    ) -> None:
        """Take readings; they are on disk within commit_every_s, urgent ones at once."""
        pending = self._urgent if urgent else self._normal
        pending.put(readings, on_commit, heard)
        if urgent or self._normal.promised >= MOST_UNACKNOWLEDGED:
            self._wake.set()
        if len(self._urgent) + len(self._normal) > self._max_pending:
            self._give_up_oldest()

    def acknowledge(self, numbers: IntervalSet) -> None:
        """Let go of batches that the cloud has."""
        for first, last in numbers:
            self._acknowledged.add(first, last)
            self._to_delete = True

    def connected(self) -> None:
        """There is a line to the cloud: what waits for the right time waits not much longer."""
        if self._held_until_s == math.inf:
            self._held_until_s = self._clock.monotonic_s() + self._hold_s

    def begin_anew(self) -> None:
        """Number everything that is held anew, in a new file and epoch."""
        self._acknowledged = IntervalSet()
        self.epoch = ""
        self._fresh = self._untidy = True
        self._wake.set()

    async def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        """Return batches to be sent, the oldest first. Raises: StorageError."""
        return await self._asked(lambda store: store.waiting(excluded, limit))

    async def latest_urgent(self, limit: int) -> list[Stored]:
        """Return the last urgent batches to be sent. Raises: StorageError."""
        return await self._asked(lambda store: store.latest_urgent(limit))

    async def _asked(self, question: Callable[[Store], T]) -> T:
        try:
            return await self._in_thread(question)
        except StorageError as error:
            self._tell_failure(error)
            raise

    async def heard(self) -> list[bytes]:
        """Return the keys of messages read before the agent started; none if the file fails."""
        try:
            return await self._asked(lambda store: store.heard())
        except StorageError:
            return []

    async def open(self) -> None:
        """Open the file now rather than at the first commit; a failure is told and tried again."""
        try:
            self.held = await self._in_thread(lambda store: store.figures())
            self._down_since_ms = self._known_ms or None
        except StorageError as error:
            self._tell_failure(error)

    async def reopen(self, open_store: OpenStore, *, commit_every_s: float) -> None:
        """Open the same file with other bounds; nothing held or pending is lost by that."""
        self._commit_every_s = commit_every_s
        await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, open_store)
        down_since_ms = self._down_since_ms
        await self.open()
        self._down_since_ms = down_since_ms  # it runs on

    def _exchange(self, open_store: OpenStore) -> None:
        store, self._store, self._open_store = self._store, None, open_store
        if store is not None:
            with suppress(StorageError):
                store.close()

    async def run(self) -> None:
        """Commit until stopped. What is pending then is for close()."""
        due_s = self._clock.monotonic_s() + self._commit_every_s
        while not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, due_s - self._clock.monotonic_s())):
                    await self._wake.wait()
                # Polls that end together are committed together.
                await asyncio.sleep(URGENT_S)
            self._wake.clear()
            pressed = self._normal.promised >= MOST_UNACKNOWLEDGED
            due = pressed or self._clock.monotonic_s() >= due_s
            committed = await self.commit(urgent_only=not due)
            if due:
                due_s = self._clock.monotonic_s() + self._commit_every_s
            if not committed and not self._stopping.is_set():
                await asyncio.sleep(RETRY_S)

    def stop(self) -> None:
        """Make run() return."""
        self._stopping.set()
        self._wake.set()

    async def close(self) -> None:
        """Commit what is pending, and close the file."""
        if not await self.commit():
            log.error("%d readings are lost", len(self._urgent) + len(self._normal))
        with suppress(StorageError):
            if self._store is not None:
                await self._in_thread(lambda store: store.close())
        self._thread.shutdown()

    async def commit(self, *, urgent_only: bool = False) -> bool:
        """Commit what is pending; return False if the disk would not take it."""
        doubt = self._look_at_clocks()
        hold = doubt is not None and self._clock.monotonic_s() < self._held_until_s
        tidy = self._untidy and not urgent_only and not hold
        if doubt is None:
            self._tell_downtime()
        pending = (self._urgent,) if urgent_only else (self._urgent, self._normal)
        if not (any(pending) or self._loss or tidy or (self._to_delete and not urgent_only)):
            return True
        taken = [each.take() for each in pending]
        loss, self._loss = self._loss, None
        self._to_delete = False
        try:
            done = await self._in_thread(self._job(taken, loss, doubt, hold=hold, tidy=tidy))
        except StorageError as error:
            for queue, back in zip(pending, taken, strict=True):
                queue.put_back(back)
            self._add_loss(loss)
            self._to_delete = True
            self._tell_failure(error)
            return False
        batches, self.held, older = done
        self._untidy = older or hold or (self._untidy and not tidy)
        if not urgent_only:
            self._trust.committed(self._monotonic_ms())
        self._tell_success()
        self.on_commit(batches)
        if older:
            self.on_older()
        for each in taken:
            each.keep_promises()
        return True

    def _job(
        self,
        taken: Sequence[Taken],
        loss: Loss | None,
        doubt: Doubt | None,
        *,
        hold: bool,
        tidy: bool,
    ) -> Callable[[Store], tuple[list[Stored], Held, bool]]:
        """Return what a commit does in the store's thread."""
        monotonic_ms = self._monotonic_ms()
        urgent, *rest = (self._trust.restamp(each.readings, monotonic_ms) for each in taken)
        normal = rest[0] if rest else []
        heard = [key for each in taken for key in each.heard]
        # A clock in doubt, or that has just jumped, is no reason to give anything up for its age.
        now_ms = self._clock.now_ms()
        if not self._settled.is_settled(now_ms, self._clock.monotonic_s()) or doubt is not None:
            now_ms = 0
        offset_ms = None if doubt else self._clock.now_ms() - monotonic_ms

        def job(store: Store) -> tuple[list[Stored], Held, bool]:
            older = tidy and _tidied(store, self._trust.boot, offset_ms)
            batches = store.commit(urgent, normal, now_ms, loss, heard, doubt, hold=hold)
            return batches, store.figures(), older

        return job

    def _tell_downtime(self) -> None:
        """Declare the time in which there was no agent, from the last reading on, once."""
        since_ms, self._down_since_ms = self._down_since_ms, None
        if since_ms is None:
            return
        running_ms = round((self._clock.monotonic_s() - self._began_s) * 1000)
        until_ms = self._clock.now_ms() - running_ms
        if until_ms > since_ms:
            self._add_loss(Loss(0, since_ms, until_ms, NOT_RUNNING))

    def _look_at_clocks(self) -> Doubt | None:
        self._trust.raise_floor(self._known_ms)
        doubt = self._trust.look(
            self._clock.now_ms(),
            self._monotonic_ms(),
            synchronised=self._keeper is None or self._keeper.synchronised(),
        )
        self._health.clock_synchronised = doubt is None
        if doubt is None:
            if self._health.clear_problem(CLOCK):
                log.info("the clock is synchronised")
        elif self._health.set_problem(CLOCK, "not synchronised"):
            log.warning("the clock is not synchronised; times are put right once it is")
        return doubt

    def _monotonic_ms(self) -> int:
        return round(self._clock.monotonic_s() * 1000)

    def alive(self) -> bool:
        """Whether the disk answers at all; a failure is an answer, too."""
        since_s = self._busy_since_s
        return since_s is None or self._clock.monotonic_s() - since_s < HANGING_S

    async def _in_thread(self, job: Callable[[Store], T]) -> T:
        acknowledged, self._acknowledged = self._acknowledged, IntervalSet()
        if self._fresh:  # what was acknowledged were numbers of the file that goes
            self.epoch, acknowledged = "", IntervalSet()
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._watched, job, acknowledged
        )

    def _watched(self, job: Callable[[Store], T], acknowledged: IntervalSet) -> T:
        """Runs in the buffer's thread, as everything does that touches the store."""
        self._busy_since_s = self._clock.monotonic_s()
        try:
            return self._with_store(job, acknowledged)
        finally:
            self._busy_since_s = None

    def _with_store(self, job: Callable[[Store], T], acknowledged: IntervalSet) -> T:
        if self._fresh and self._store is not None:
            with suppress(StorageError):
                self._store.close()
            self._store = None
        if self._store is None:
            self._store = self._open_store(fresh=self._fresh)
            self._fresh = False
            self.epoch = self._store.epoch
            self.sent = Sent(self._store.figures().next_seq)
            self._known_ms = self._store.known_ms()
        self._store.acknowledge(acknowledged)
        try:
            return job(self._store)
        except CorruptError:
            with suppress(StorageError):
                self._store.close()
            self._store, self._fresh, self._untidy = None, True, True
            raise

    def _tell_success(self) -> None:
        if self.held is not None and self.held.disk_full:
            if self._health.set_problem(NAME, DISK_FULL):
                log.error("the buffer: %s", DISK_FULL)
        elif self._health.clear_problem(NAME):
            log.warning("the buffer takes readings again")

    def _tell_failure(self, error: StorageError) -> None:
        if self._health.set_problem(NAME, str(error)):
            log.error("the buffer fails, readings are kept in memory: %s", error)

    def _give_up_oldest(self) -> None:
        """Only while the disk fails. A tenth at once: giving up one by one would be slow."""
        count = max(1, self._max_pending // 10)
        gone = self._normal.give_up(count)
        gone += self._urgent.give_up(count - len(gone))
        times = [reading.observed_ms for reading in gone]
        self._add_loss(Loss(len(gone), min(times), max(times), "disk failed"))

    def _add_loss(self, loss: Loss | None) -> None:
        if loss is not None:
            self._loss = loss.joined(self._loss) if self._loss else loss


def _tidied(store: Store, boot: str, offset_ms: int | None) -> bool:
    """Do some of what can wait; new readings go to disk also if that fails."""
    try:
        settled = store.settle(boot, offset_ms)
        return store.salvage() or settled
    except CorruptError:
        raise
    except StorageError as error:
        log.warning("older batches have to wait: %s", error)
        return False


def _nothing() -> None:
    """Nobody listens yet."""


def _ignore(_: Sequence[Stored]) -> None:
    """Nobody listens yet."""
