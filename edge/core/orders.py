"""Which orders a gateway carries out: its own, in time, and each once."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from contract.clock import iso_utc
from contract.commands import LONGEST_MS, Order

AHEAD_MS = 60_000  # how far the cloud's clock may be ahead of ours
MOST_REMEMBERED = 2_000
COME_BEFORE = "it has come before: an order is carried out once"


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Orders that came, and may not come again: id -> when it expires, UTC milliseconds.

    since_ms: what was issued before is not remembered, and is therefore refused.
    forgotten_ms: likewise what expires by then, also if the clock should go back.
    """

    since_ms: int
    forgotten_ms: int = 0
    ids: dict[str, int] = {}

    def without_expired(self, now_ms: int) -> Memory:
        """Forget those that are refused for their age by now."""
        gone = [expires for expires in self.ids.values() if expires < now_ms]
        return Memory(
            since_ms=self.since_ms,
            forgotten_ms=max((self.forgotten_ms, *gone)),
            ids={name: expires for name, expires in self.ids.items() if expires >= now_ms},
        )

    def plus(self, order: Order) -> Memory:
        """Remember one more."""
        return msgspec.structs.replace(self, ids={**self.ids, order.id: order.expires_ms})


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """The gateway's name and clock. clock_sure: whether the clock can be believed."""

    gateway: str
    now_ms: int
    clock_sure: bool


def why_not(order: Order, now: Now, memory: Memory) -> str:
    """Return why a genuine order is refused; "" if it is to be carried out."""
    told = now.now_ms
    if order.gateway != now.gateway:
        return f"it is for {order.gateway}, this is {now.gateway}"
    if order.id in memory.ids:
        return COME_BEFORE
    if not now.clock_sure:
        return "this gateway's clock is not sure, so it cannot tell whether the order has expired"
    if order.expires_ms <= order.issued_ms:
        return "it expires before it is issued"
    if order.expires_ms - order.issued_ms > LONGEST_MS:
        return f"it is good for longer than {LONGEST_MS // 60_000} minutes"
    if order.expires_ms < told or order.expires_ms <= memory.forgotten_ms:
        return f"it expired at {iso_utc(order.expires_ms)}; here it is {iso_utc(told)}"
    if order.issued_ms > told + AHEAD_MS:
        return f"it is from the future, {iso_utc(order.issued_ms)}; here it is {iso_utc(told)}"
    if order.issued_ms < memory.since_ms:
        return "it was issued before this gateway began to remember what came; issue it anew"
    if len(memory.ids) >= MOST_REMEMBERED:
        return f"{MOST_REMEMBERED} orders came within their hour; wait until they expire"
    return ""
