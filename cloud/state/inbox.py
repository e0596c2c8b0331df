"""The inbox: devices that nobody has adopted, and their readings, bounded.

Held in memory by intake, the only one that adds to it and takes from it; people write down what
they decide (cloud/adoption.py), and intake follows. After a transaction that failed, load() again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
import sqlalchemy as sa
import zstandard

from cloud.core.waiting import Bounds, Standing, State
from cloud.state import schema
from contract.messages import DeviceBirth
from contract.readings import Reading

DAY_MS = 86_400_000
MOST_REFUSED = 10_000  # then the oldest refusals are forgotten, and those devices wait again
MOST_MEASUREMENTS = 50  # of a device, that are shown

Key = tuple[str, str]  # device, sender

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Reading]).decode


@dataclass(slots=True)
class Waiting:
    """A device of the inbox, as intake remembers it."""

    state: State
    readings: int = 0
    dropped: int = 0
    measurements: set[str] = field(default_factory=set)
    told: DeviceBirth | None = None
    stored: bool = True  # whether it has a row
    spoke: bool = False  # since the last flush
    retold: bool = False  # by a birth, since the last flush


class Inbox:
    """Who waits, who was refused, and how much of them is kept."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._known: dict[Key, Waiting] = {}
        self._waiting: Counter[str] = Counter()  # devices by sender
        self._readings = 0
        self._moved = False  # whether flush() has anything to write

    @classmethod
    def load(cls, connection: sa.Connection, bounds: Bounds) -> Inbox:
        """Read what waits."""
        inbox = cls(bounds)
        for row in connection.execute(sa.select(schema.inbox)):
            one = Waiting(
                state=State(row.state),
                readings=row.readings,
                dropped=row.dropped,
                measurements=set(row.measurements),
                told=msgspec.convert(row.told, DeviceBirth) if row.told else None,
            )
            inbox._enter((row.device, row.sender), one)
        return inbox

    def __contains__(self, key: Key) -> bool:
        return key in self._known

    def is_refused(self, device: str, sender: str) -> bool:
        """Whether somebody refused this device from this sender."""
        known = self._known.get((device, sender))
        return known is not None and known.state in (State.REFUSED, State.REFUSING)

    def standing(self, device: str, sender: str) -> Standing | str:
        """Say whether an unknown device may wait, entering it, or why not."""
        known = self._known.get((device, sender))
        if known is None:
            if len(self._known) - self._refused() >= self._bounds.waiting_devices:
                return f"unknown device, and the inbox is full: {self._bounds.waiting_devices} wait"
            if self._waiting[sender] >= self._bounds.waiting_devices_of_sender:
                most = self._bounds.waiting_devices_of_sender
                return f"unknown device, and {most} of {sender or 'such devices'} wait already"
            self._enter((device, sender), Waiting(State.WAITING, stored=False))
            self._moved = True
        elif known.state in (State.REFUSED, State.REFUSING):
            return f"device {device} was refused; see gridwarden cloud inbox"
        return Standing.WAITS

    def introduce(self, told: DeviceBirth, sender: str) -> Standing | str:
        """Have a device wait that its gateway's birth names, with what it says of it."""
        standing = self.standing(told.id, sender)
        if isinstance(standing, Standing):
            known = self._known[told.id, sender]
            known.spoke = known.retold = known.retold or known.told != told
            known.told = told
            self._moved = True
        return standing

    def keep(
        self, connection: sa.Connection, sender: str, readings: Sequence[Reading], now_ms: int
    ) -> int:
        """Keep readings of devices that wait; return how many older ones had to make room."""
        by_device: dict[str, list[Reading]] = defaultdict(list)
        for reading in readings:
            by_device[reading.device].append(reading)
        dropped = 0
        for device, told in by_device.items():
            known = self._known[device, sender]
            most = min(self._bounds.waiting_readings_of_device, self._bounds.waiting_readings)
            dropped += self._count_dropped(known, len(told) - most)
            told = told[-most:]
            _insert(connection, device, sender, told, now_ms)
            known.readings += len(told)
            known.spoke = self._moved = True
            known.measurements.update(each.measurement for each in told)
            self._readings += len(told)
            dropped += self._make_room(connection, device, sender)
        return dropped

    def flush(self, connection: sa.Connection, now_ms: int) -> None:
        """Write down who spoke. What people decided meanwhile is left as it is."""
        table = schema.inbox
        moved, self._moved = self._moved, False
        for (device, sender), known in self._known.items() if moved else ():
            if not known.spoke and known.stored:
                continue
            row: dict[str, object] = {
                "last_ms": now_ms,
                "readings": known.readings,
                "dropped": known.dropped,
                "measurements": sorted(known.measurements)[:MOST_MEASUREMENTS],
            }
            of = (table.c.device == device) & (table.c.sender == sender)
            if known.stored:
                connection.execute(table.update().where(of).values(**row))
            else:
                fresh = {"device": device, "sender": sender, "state": known.state.value}
                connection.execute(
                    table.insert().values(**fresh, **row, first_ms=now_ms, decided_by="")
                )
            if known.retold:
                undecided = of & (table.c.state == State.WAITING.value)
                told = msgspec.to_builtins(known.told)
                connection.execute(table.update().where(undecided).values(told=told))
            known.spoke, known.retold, known.stored = False, False, True

    def release(self, connection: sa.Connection, device: str, sender: str) -> list[Reading]:
        """Take a device out of the inbox; return its readings as they came."""
        table = schema.inbox_readings
        of = (table.c.device == device) & (table.c.sender == sender)
        rows = connection.scalars(sa.select(table.c.data).where(of).order_by(table.c.id)).all()
        self._leave(connection, (device, sender))
        return [reading for data in rows for reading in _decode(_inflate(data))]

    def drop(self, connection: sa.Connection, device: str, sender: str) -> int:
        """Take a device out of the inbox, and its readings away; return how many."""
        known = self._known.get((device, sender))
        self._leave(connection, (device, sender))
        return known.readings if known else 0

    def refuse(self, connection: sa.Connection, device: str, sender: str) -> int:
        """Take a device's readings away, and have it stay refused; return how many."""
        known = self._known[device, sender]
        lost = known.readings
        self._readings -= lost
        self._waiting[sender] -= known.state is State.WAITING
        known.readings, known.state = 0, State.REFUSED
        _delete(connection, schema.inbox_readings, device, sender)
        table = schema.inbox
        connection.execute(
            table.update()
            .where(table.c.device == device, table.c.sender == sender)
            .values(state=State.REFUSED.value, readings=0)
        )
        return lost

    def senders_of(self, device: str) -> list[str]:
        """Return who brought a device that waits or was refused."""
        return [sender for name, sender in self._known if name == device]

    def forget_old(self, connection: sa.Connection, now_ms: int) -> int:
        """Drop what has waited for too long; return how many readings that were."""
        oldest_ms = now_ms - round(self._bounds.waiting_days * DAY_MS)
        table = schema.inbox_readings
        lost = 0
        for row in connection.execute(
            sa.select(table.c.device, table.c.sender, sa.func.sum(table.c.readings).label("n"))
            .where(table.c.received_ms < oldest_ms)
            .group_by(table.c.device, table.c.sender)
        ).all():
            lost += self._lose(self._known[row.device, row.sender], row.n)
        connection.execute(table.delete().where(table.c.received_ms < oldest_ms))
        self._forget_silent(connection, oldest_ms)
        return lost

    def _forget_silent(self, connection: sa.Connection, oldest_ms: int) -> None:
        table = schema.inbox
        silent = connection.execute(
            sa.select(table.c.device, table.c.sender).where(
                table.c.state == State.WAITING.value, table.c.last_ms < oldest_ms
            )
        ).all()
        refused = connection.execute(
            sa.select(table.c.device, table.c.sender)
            .where(table.c.state == State.REFUSED.value)
            .order_by(table.c.decided_ms.desc())
            .offset(MOST_REFUSED)
        ).all()
        for row in (*silent, *refused):
            self._leave(connection, (row.device, row.sender))

    def _make_room(self, connection: sa.Connection, device: str, sender: str) -> int:
        """Drop the oldest of a device, and the oldest of all, until the bounds are kept."""
        table = schema.inbox_readings
        mine = (table.c.device == device) & (table.c.sender == sender)
        known = self._known[device, sender]
        dropped = 0
        while known.readings > self._bounds.waiting_readings_of_device:
            dropped += self._drop_oldest(connection, mine)
        while self._readings > self._bounds.waiting_readings:
            dropped += self._drop_oldest(connection, sa.true())
        return dropped

    def _drop_oldest(self, connection: sa.Connection, of: sa.ColumnElement[bool]) -> int:
        table = schema.inbox_readings
        row = connection.execute(
            sa.select(table.c.id, table.c.device, table.c.sender, table.c.readings)
            .where(of)
            .order_by(table.c.id)
            .limit(1)
        ).one()
        connection.execute(table.delete().where(table.c.id == row.id))
        return self._lose(self._known[row.device, row.sender], row.readings)

    def _lose(self, known: Waiting, readings: int) -> int:
        known.readings -= readings
        self._readings -= readings
        return self._count_dropped(known, readings)

    def _count_dropped(self, known: Waiting, readings: int) -> int:
        readings = max(0, readings)
        known.dropped += readings
        if readings:
            known.spoke = self._moved = True
        return readings

    def _enter(self, key: Key, one: Waiting) -> None:
        self._known[key] = one
        self._readings += one.readings
        self._waiting[key[1]] += one.state is State.WAITING

    def _leave(self, connection: sa.Connection, key: Key) -> None:
        known = self._known.pop(key, None)
        if known:
            self._readings -= known.readings
            self._waiting[key[1]] -= known.state is State.WAITING
        _delete(connection, schema.inbox_readings, *key)
        _delete(connection, schema.inbox, *key)

    def _refused(self) -> int:
        return len(self._known) - self._waiting.total()


def has_decisions(connection: sa.Connection) -> bool:
    """Whether people have decided what intake has not done yet."""
    decided = (State.ADOPTING.value, State.REFUSING.value)
    query = sa.select(schema.inbox.c.device).where(schema.inbox.c.state.in_(decided)).limit(1)
    return connection.scalar(query) is not None


def _insert(
    connection: sa.Connection, device: str, sender: str, readings: list[Reading], now_ms: int
) -> None:
    connection.execute(
        schema.inbox_readings.insert().values(
            device=device,
            sender=sender,
            received_ms=now_ms,
            readings=len(readings),
            data=zstandard.ZstdCompressor(level=3).compress(_encode(readings)),
        )
    )


def _inflate(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data)


def _delete(connection: sa.Connection, table: sa.Table, device: str, sender: str) -> None:
    connection.execute(table.delete().where(table.c.device == device, table.c.sender == sender))
