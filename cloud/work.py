"""What goes into a transaction of the Line, what it gathers, and what it did."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.core.columns import Columns
from cloud.core.model import Series
from contract.messages import Ack
from contract.readings import Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What came from the broker."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What a transaction did, for the gateways and the log."""

    acks: tuple[tuple[str, Ack], ...]
    readings: int
    duplicates: int
    rejected: int
    alerts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Readings that a device told of itself. message: None for those that waited in the inbox."""

    readings: Sequence[Reading]
    message: Message | None = None


class Work:
    """What one transaction has gathered so far."""

    def __init__(self, connection: sa.Connection, now_ms: int) -> None:
        self.connection = connection
        self.now_ms = now_ms
        self.columns: list[Columns] = []
        self.touched: dict[tuple[str, str], list[int]] = defaultdict(list)  # the numbers seen
        self.bound: list[Series] = []
        self.fresh: set[int] = set()  # series that this transaction made
        self.said: list[Said] = []
        self.alerts = 0  # changes of them that time has brought
        self.counts: Counter[str] = Counter()
