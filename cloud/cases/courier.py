"""Tells one other case system what happens to cases, and asks it how they stand there.

Claim, call, mark: no transaction is open while the network is waited for. A kill between call and
mark leaves a claim that runs out; the next attempt is told that there was one before it, so that
the adapter looks first, or the other side knows the message's id.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.cases import deliveries, links
from cloud.cases.deliveries import Delivery, State
from cloud.core.backoff import backoff_ms
from cloud.core.case_message import Link, Told
from cloud.errors import RetryLater
from cloud.ports import OtherCaseSystem
from cloud.state import schema
from cloud.state.database import Database, retrying
from contract.clock import Clock
from contract.errors import RejectedError, TransportError

log = logging.getLogger("gridwarden.cases")

AT_ONCE = 100  # then it looks whether it should stop
PATIENCE = 3  # failures one after the other, of whatever case, before all wait
LONGEST_PAUSE_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one call of work() did. more: whether there is something left to do now."""

    told: int = 0
    dead: int = 0
    failed: int = 0
    skipped: int = 0
    more: bool = False


class Courier:
    """One thread's. claim_ms: after which a claim has run out; longer than any call takes."""

    def __init__(
        self,
        name: str,
        system: OtherCaseSystem,
        database: Database,
        clock: Clock,
        draw: Callable[[], float],
        *,
        claim_ms: int = 120_000,
        poll_ms: int = 300_000,
    ) -> None:
        self._name = name
        self._system = system
        self._database = database
        self._clock = clock
        self._draw = draw
        self._claim_ms = claim_ms
        self._poll_ms = poll_ms
        self._failures = 0
        self._paused_until_ms = 0

    def work(self) -> Round:
        """Tell what is due. Raises: StorageError; what was done before is done."""
        self._feed()
        done: Counter[str] = Counter()
        for _ in range(AT_ONCE):
            paused = self._clock.now_ms() < self._paused_until_ms
            claimed = None if paused else self._claim()
            if claimed is None:
                return _round(done, more=False)
            done[self._deliver(claimed)] += 1
        return _round(done, more=True)

    def poll(self) -> int:
        """Ask how cases stand there, if it is time; return how many stand otherwise than before.

        Raises: StorageError. That the other side cannot be reached is logged, and asked again.
        """
        now_ms = self._clock.now_ms()
        table = schema.case_systems
        with self._database.write() as connection:
            mine = sa.and_(table.c.name == self._name, table.c.polled_ms <= now_ms - self._poll_ms)
            started = connection.execute(sa.update(table).where(mine).values(polled_ms=now_ms))
            asked = links.open_links(connection, self._name) if started.rowcount else []
        if not asked:
            return 0
        try:
            found = self._system.statuses(asked)
        except (TransportError, RejectedError) as error:
            log.warning("case system %s: status not read: %s", self._name, error)
            return 0
        with self._database.write() as connection:
            return links.take_status(connection, self._name, found, self._clock.now_ms())

    @retrying
    def _feed(self) -> None:
        while True:
            with self._database.read() as connection:
                if not deliveries.has_news(connection, self._name):
                    return
            with self._database.write() as connection:
                deliveries.feed(connection, self._name, self._clock.now_ms())

    @retrying
    def _claim(self) -> Delivery | None:
        now_ms = self._clock.now_ms()
        with self._database.read() as connection:
            found = deliveries.due(connection, self._name, now_ms)
        if found is None:
            return None
        with self._database.write() as connection:
            return deliveries.claim(connection, found, now_ms + self._claim_ms)

    def _deliver(self, claimed: Delivery) -> str:
        with self._database.write() as connection:
            now_ms = self._clock.now_ms()
            link, given_up = links.link_of(connection, self._name, claimed.case, now_ms)
            if given_up:
                deliveries.finish(connection, claimed, State.GIVEN_UP, now_ms, given_up)
                return "skipped"
        try:
            told = self._system.tell(claimed.message, link, again=claimed.attempts > 1)
        except RejectedError as error:
            return self._refused(claimed, error)
        except TransportError as error:
            return self._failed(claimed, error)
        return self._told(claimed, link, told)

    @retrying
    def _told(self, claimed: Delivery, link: Link, told: Told) -> str:
        self._failures = 0
        with self._database.write() as connection:
            links.remember(connection, self._name, link.case, told)
            if told.unfinished:
                deliveries.postpone(connection, claimed, self._clock.now_ms(), "")
                return "told"
            deliveries.finish(connection, claimed, State.DONE, self._clock.now_ms(), told.note)
        return "told"

    @retrying
    def _refused(self, claimed: Delivery, error: RejectedError) -> str:
        self._failures = 0
        log.error("case system %s refused %s: %s", self._name, claimed.message.id, error)
        with self._database.write() as connection:
            now_ms = self._clock.now_ms()
            deliveries.finish(connection, claimed, State.DEAD, now_ms, str(error))
        return "dead"

    @retrying
    def _failed(self, claimed: Delivery, error: TransportError) -> str:
        now_ms = self._clock.now_ms()
        self._failures += 1
        wait_ms = backoff_ms(claimed.attempts, self._draw())
        if isinstance(error, RetryLater):
            wait_ms = max(wait_ms, round(error.after_s * 1000))
        with self._database.write() as connection:
            deliveries.postpone(connection, claimed, now_ms + wait_ms, str(error))
        if self._failures >= PATIENCE:  # it is not this case: spare the others their time-outs
            over = self._failures - PATIENCE + 1
            pause_ms = backoff_ms(over, self._draw(), longest_ms=LONGEST_PAUSE_MS)
            self._paused_until_ms = now_ms + pause_ms
            log.warning("case system %s fails, all wait: %s", self._name, error)
        return "failed"


def _round(done: Counter[str], *, more: bool) -> Round:
    return Round(
        told=done["told"],
        dead=done["dead"],
        failed=done["failed"],
        skipped=done["skipped"],
        more=more,
    )
