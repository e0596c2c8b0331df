"""Readings to disk before anything else: group commit over a store that lives in its own thread.

Readings are kept in memory until a commit holds them: `commit_every_s` at most, URGENT_S for urgent
ones. A store that fails is tried again and again; meanwhile the latest readings are kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Protocol, TypeVar

from contract.clock import Clock
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import Reading
from edge.core.settled import SettledClock
from edge.health import Health
from edge.pending import Pending
from edge.ports import Committed, Held, Loss, Store, Stored
from edge.store import CorruptError

log = logging.getLogger(__name__)
T = TypeVar("T")

URGENT_S = 0.02
RETRY_S = 1.0
# A disk that has not answered for so long will not: better to start again.
HANGING_S = 60.0
MAX_PENDING = 100_000
# Brokers send no more before some are acknowledged (mosquitto: 20): so many do not wait for others.
MOST_UNACKNOWLEDGED = 16
NAME = "buffer"


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
    ) -> None:
        self._open_store = open_store
        self._commit_every_s = commit_every_s
        self._clock, self._health = clock, health
        self._max_pending = max_pending
        self._settled = SettledClock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="buffer")
        self._store: Store | None = None
        self._damaged = False
        self._urgent, self._normal = Pending(), Pending()
        self._loss: Loss | None = None
        self._acknowledged = IntervalSet()
        self._to_delete = False
        self._busy_since_s: float | None = None
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self.epoch = ""
        self.held: Held | None = None
        self.on_commit: Callable[[Sequence[Stored]], None] = _ignore

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

    async def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        """Return batches to be sent, urgent ones first, then the oldest. Raises: StorageError."""
        try:
            return await self._in_thread(lambda store: store.waiting(excluded, limit))
        except StorageError as error:
            self._tell_failure(error)
            raise

    async def heard(self) -> list[bytes]:
        """Return the keys of messages read before the agent started; none if the file fails."""
        try:
            return await self._in_thread(lambda store: store.heard())
        except StorageError as error:
            self._tell_failure(error)
            return []

    async def open(self) -> None:
        """Open the file now rather than at the first commit; a failure is told and tried again."""
        try:
            self.held = await self._in_thread(lambda store: store.figures())
        except StorageError as error:
            self._tell_failure(error)

    async def reopen(self, open_store: OpenStore, *, commit_every_s: float) -> None:
        """Open the same file with other bounds; nothing held or pending is lost by that."""
        self._commit_every_s = commit_every_s
        await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, open_store)
        await self.open()

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
        pending = (self._urgent,) if urgent_only else (self._urgent, self._normal)
        if not (any(pending) or self._loss or (self._to_delete and not urgent_only)):
            return True
        taken = [each.take() for each in pending]
        urgent, normal = taken[0].readings, [] if urgent_only else taken[1].readings
        heard = [key for each in taken for key in each.heard]
        loss, self._loss = self._loss, None
        self._to_delete = False
        # A clock that has just jumped is no reason to give anything up for its age.
        now_ms = self._clock.now_ms()
        if not self._settled.is_settled(now_ms, self._clock.monotonic_s()):
            now_ms = 0

        def job(store: Store) -> tuple[list[Stored], Held]:
            return store.commit(urgent, normal, now_ms, loss, heard), store.figures()

        try:
            batches, self.held = await self._in_thread(job)
        except StorageError as error:
            for queue, back in zip(pending, taken, strict=True):
                queue.put_back(back)
            self._add_loss(loss)
            self._to_delete = True
            self._tell_failure(error)
            return False
        if self._health.clear_problem(NAME):
            log.warning("the buffer takes readings again")
        self.on_commit(batches)
        for each in taken:
            each.keep_promises()
        return True

    def alive(self) -> bool:
        """Whether the disk answers at all; a failure is an answer, too."""
        since_s = self._busy_since_s
        return since_s is None or self._clock.monotonic_s() - since_s < HANGING_S

    async def _in_thread(self, job: Callable[[Store], T]) -> T:
        acknowledged, self._acknowledged = self._acknowledged, IntervalSet()
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
        if self._store is None:
            self._store = self._open_store(fresh=self._damaged)
            self._damaged = False
            self.epoch = self._store.epoch
        self._store.acknowledge(acknowledged)
        try:
            return job(self._store)
        except CorruptError:
            with suppress(StorageError):
                self._store.close()
            self._store, self._damaged = None, True
            raise

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
        if loss is None or self._loss is None:
            self._loss = self._loss or loss
            return
        self._loss = Loss(
            self._loss.readings + loss.readings,
            min(self._loss.first_ms, loss.first_ms),
            max(self._loss.last_ms, loss.last_ms),
            loss.reason,
        )


def _ignore(_: Sequence[Stored]) -> None:
    """Nobody listens yet."""
