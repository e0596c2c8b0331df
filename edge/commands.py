"""Orders from the cloud: believed only if signed, carried out once, every one of them audited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from contract.clock import Clock
from contract.commands import (
    Configure,
    Done,
    NotGenuineError,
    Order,
    Reply,
    Status,
    What,
    claimed_id,
    verify,
)
from contract.errors import ConfigError, DecodeError, StorageError, TransportError
from edge.carry_out import NotKept
from edge.core.orders import COME_BEFORE, Now, why_not
from edge.order_book import OrderBook
from edge.ports import NotAllowed

log = logging.getLogger(__name__)

WAITING = 32  # orders; more are refused
WORKERS = 3  # a device that does not answer must not hold up the others
MAX_REASON = 1_000


class Commands:
    """Judges orders one after another, and carries them out beside each other.

    key: None: this gateway takes none. sure: whether the clock can be believed.
    do: carries one out. answer: sends a reply.
    """

    def __init__(
        self,
        gateway: str,
        key: bytes | None,
        *,
        book: OrderBook,
        clock: Clock,
        sure: Callable[[], bool],
        do: Callable[[What], Awaitable[Sequence[Done]]],
        answer: Callable[[Reply], None],
    ) -> None:
        self._gateway, self.key = gateway, key
        self._book, self._clock, self._sure = book, clock, sure
        self._do, self._answer = do, answer
        self._arrived: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self._todo: asyncio.Queue[Order] = asyncio.Queue(WAITING)
        self._changes: asyncio.Queue[Order] = asyncio.Queue(1)
        self._changing = False

    def take(self, payload: bytes) -> None:
        """Take what came, to be judged in its turn."""
        try:
            self._arrived.put_nowait(payload)
        except asyncio.QueueFull:
            log.warning("more than %d orders wait; one more is refused", WAITING)
            order = claimed_id(payload)
            reason = f"{WAITING} orders wait already"
            self._reply(order, "refused", reason, repeated=self._came_before(order))

    async def run(self) -> None:
        """Judge and carry out until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(WORKERS):
                tasks.create_task(self._work(self._todo), name=f"orders {number}")
            tasks.create_task(self._work(self._changes), name="orders of change")
            while True:
                await self._judge(await self._arrived.get())

    async def _judge(self, payload: bytes) -> None:
        try:
            if self.key is None:
                raise NotGenuineError("this gateway takes no orders: it has no commands.key_file")
            order = verify(payload, self.key)
        except DecodeError as error:
            await self._refuse_unread(claimed_id(payload), str(error))
            return
        try:
            reason = await asyncio.to_thread(self._admit, order)
        except StorageError as error:
            reason = f"it cannot be written down: {error}"
        if not reason:
            reason = self._enqueue(order)
        if reason:
            await self._conclude(order, "refused", reason)

    def _admit(self, order: Order) -> str:
        """Return why an order is refused; else remember it first, so that it comes only once."""
        now_ms = self._clock.now_ms()
        memory = self._book.memory().without_expired(now_ms)
        now = Now(gateway=self._gateway, now_ms=now_ms, clock_sure=self._sure())
        reason = why_not(order, now, memory)
        if not reason:
            self._book.remember(memory.plus(order))
            self._book.note(order.id, order.by, _spell(order.what), "accepted", "")
        return reason

    def _enqueue(self, order: Order) -> str:
        of_change = isinstance(order.what, Configure)
        if of_change and self._changing:
            return "another configuration has yet to prove itself"
        try:
            (self._changes if of_change else self._todo).put_nowait(order)
        except asyncio.QueueFull:
            return f"{WAITING} orders wait already"
        if of_change:
            self._changing = True
            self._reply(order.id, "accepted", "it is checked, and must do well for settle_s")
        return ""

    async def _work(self, orders: asyncio.Queue[Order]) -> None:
        while True:
            order = await orders.get()
            try:
                await self._carry_out(order)
            finally:
                if isinstance(order.what, Configure):
                    self._changing = False

    async def _carry_out(self, order: Order) -> None:
        log.info("%s by %s: %s", _spell(order.what), order.by or "the cloud", order.id)
        try:
            done = await self._do(order.what)
        except NotKept as error:
            await self._conclude(order, "refused", str(error), [error.done])
        except (NotAllowed, ConfigError, ValueError) as error:
            await self._conclude(order, "refused", str(error))
        except (TransportError, StorageError) as error:
            await self._conclude(order, "failed", str(error))
        else:
            await self._conclude(order, "done", "", done)

    async def _conclude(
        self, order: Order, status: Status, reason: str, done: Sequence[Done] = ()
    ) -> None:
        await self._note(order.id, order.by, _spell(order.what), status, reason)
        self._reply(order.id, status, reason, done)

    async def _refuse_unread(self, order: str, reason: str) -> None:
        log.warning("an order was refused: %s", reason)
        await self._note(order, "", "?", "refused", reason)
        self._reply(order, "refused", reason, repeated=self._came_before(order))

    def _came_before(self, order: str) -> bool:
        """Whether this is the id of an order that was taken: a forger must not unsay its end."""
        try:
            return order in self._book.memory().ids
        except StorageError:
            return False

    async def _note(self, order: str, by: str, what: str, outcome: str, reason: str) -> None:
        try:
            await asyncio.to_thread(self._book.note, order, by, what, outcome, reason)
        except StorageError as error:
            log.error("order %s, %s, is not in the audit: %s", order, outcome, error)

    def _reply(
        self,
        order: str,
        status: Status,
        reason: str,
        done: Sequence[Done] = (),
        *,
        repeated: bool = False,
    ) -> None:
        if reason:
            log.info("order %s: %s: %s", order or "(no id)", status, reason)
        for part, each in enumerate(done or (None,), start=1):
            self._answer(
                Reply(
                    id=order,
                    at_ms=self._clock.now_ms(),
                    status=status,
                    reason=reason[:MAX_REASON],
                    part=part,
                    parts=max(1, len(done)),
                    done=each,
                    repeated=repeated or reason == COME_BEFORE,
                )
            )


def _spell(what: What) -> str:
    """Say what is asked for in a line; of a configuration not the text."""
    if isinstance(what, Configure):
        return f"configure with {len(what.yaml)} characters"
    told = msgspec.to_builtins(what)
    return " ".join(f"{value}" if key == "do" else f"{key}={value}" for key, value in told.items())
