"""The cloud's line: admit → commit → evaluate → alert, in one transaction; → case by the outbox.

One thread owns a Line. take() either commits everything the messages said, or raises and leaves
the database as it was; then the Line's memory is worthless, and a new one is loaded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from cloud import alerts
from cloud.core.accepted import Accepted, admit_columns
from cloud.core.admit import DOUBTED_AHEAD_MS, Admission, admit
from cloud.core.columns import Columns, concatenate
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionEvent, Series
from cloud.core.rules import RuleSet
from cloud.series import hot
from cloud.state import ledger, schema
from cloud.state.database import Database
from cloud.state.registry import Registry, told_state
from cloud.state.upsert import count, upsert
from contract import codec, messages, topics
from contract.clock import Clock
from contract.columnar import columnar
from contract.errors import DecodeError
from contract.messages import Ack, Birth, State
from contract.quality import Quality

SNAPSHOT_EVERY_S = 5.0


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


class _Work:
    """What one transaction has gathered so far."""

    def __init__(self, connection: sa.Connection, now_ms: int) -> None:
        self.connection = connection
        self.now_ms = now_ms
        self.columns: list[Columns] = []
        self.touched: dict[tuple[str, str], list[int]] = defaultdict(list)  # the numbers seen
        self.bound: list[Series] = []
        self.counts: Counter[str] = Counter()


class Line:
    """Intake's memory and hands: the registry, the sets of batch numbers, the rule engine."""

    def __init__(self, database: Database, rules: RuleSet, zone: ZoneInfo, clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock
        self._engine = Engine(rules.rules, zone)
        self._block = 0
        self._snapshot_s = -SNAPSHOT_EVERY_S
        self._accepted = Accepted()
        with database.write() as connection:
            self._registry = Registry.load(connection)
            self._batches = ledger.BatchLedger()
            self._restore(connection)

    def take(self, received: Sequence[Message]) -> Taken:
        """Commit what the messages say, and tell what to acknowledge.

        Raises: StorageError if it could not be committed; nothing was, and this Line is spent.
        """
        now_ms = self._clock.now_ms()
        with self._database.write() as connection:
            work = _Work(connection, now_ms)
            for message in received:
                self._admit(work, message)
            columns = _doubted(concatenate(work.columns), now_ms)
            if len(columns):
                self._block = hot.append(connection, columns, now_ms)
            events: list[ConditionEvent] = [
                *self._engine.bind(work.bound),
                *self._engine.evaluate(_believable(columns, now_ms)),
            ]
            changes = self._alert(connection, events)
            self._batches.save(connection, work.touched, now_ms)
            count(connection, work.counts)
            if self._clock.monotonic_s() - self._snapshot_s >= SNAPSHOT_EVERY_S:
                self._save(connection)
        acks = tuple(
            (gateway, Ack.of(epoch, self._batches.have(gateway, epoch), numbers))
            for (gateway, epoch), numbers in sorted(work.touched.items())
        )
        self._batches.forget()
        return Taken(
            acks=acks,
            readings=len(columns),
            duplicates=work.counts["batches_duplicate"],
            rejected=work.counts["readings_rejected"] + work.counts["messages_rejected"],
            alerts=changes,
        )

    def refuse(self, message: Message, reason: str) -> None:
        """Quarantine a message that take() cannot bear, on a Line that is fresh."""
        with self._database.write() as connection:
            count(connection, {"messages_rejected": 1})
            ledger.quarantine(
                connection, message.topic, message.payload, reason, self._clock.now_ms()
            )

    def save(self) -> None:
        """Snapshot the rule engine, so that a restart replays nothing. Raises: StorageError."""
        with self._database.write() as connection:
            self._save(connection)

    def _admit(self, work: _Work, message: Message) -> None:
        """Sort one message; what cannot be read is quarantined whole, and nothing else is lost."""
        try:
            topic = topics.parse(message.topic)
            if topic.kind == "data":
                self._data(work, topic.gateway, message)
            elif topic.kind == "birth":
                self._birth(work, topic.gateway, message)
            elif topic.kind == "state":
                state = messages.decode(message.payload, State)
                told_state(work.connection, topic.gateway, state, work.now_ms)
        except (DecodeError, ValueError) as error:
            work.counts["messages_rejected"] += 1
            ledger.quarantine(
                work.connection, message.topic, message.payload, str(error), work.now_ms
            )

    def _data(self, work: _Work, gateway: str, message: Message) -> None:
        pack = codec.read_pack(message.payload)
        batch = pack.batch
        have = self._batches.load(work.connection, gateway, batch.epoch)
        work.touched[gateway, batch.epoch].append(batch.seq)
        if batch.seq in have:
            work.counts["batches_duplicate"] += 1
            return
        told = columnar(pack)
        columns = admit_columns(told, gateway, self._accepted) if told else None
        if columns is None:
            columns = self._look_closer(work, gateway, message, pack)
        work.columns.append(columns)
        self._batches.add(gateway, batch, len(columns))
        ledger.record_gaps(work.connection, gateway, batch, work.now_ms)
        work.counts["batches_stored"] += 1
        work.counts["readings_stored"] += len(columns)

    def _look_closer(
        self, work: _Work, gateway: str, message: Message, pack: codec.Pack
    ) -> Columns:
        """Admit a batch reading by reading, and set aside what cannot be."""
        admission = admit(
            codec.resolve(pack),
            gateway=gateway,
            have=self._batches.have(gateway, pack.batch.epoch),
            owner_of=self._registry.owner_of,
        )
        work.counts["readings_rejected"] += len(admission.rejected)
        ledger.quarantine_records(
            work.connection, message.topic, message.payload, admission.rejected, work.now_ms
        )
        return self._number(work, gateway, admission)

    def _number(self, work: _Work, gateway: str, admission: Admission) -> Columns:
        readings = admission.readings
        numbers, new = self._registry.number(work.connection, gateway, readings, work.now_ms)
        work.bound += new
        self._accepted.learn(gateway, readings, numbers)
        return Columns(
            series=numbers,
            observed_ms=np.array([r.observed_ms for r in readings], np.int64),
            value=np.array([np.nan if r.value is None else r.value for r in readings], np.float64),
            quality=np.array([int(r.quality) for r in readings], np.uint16),
        )

    def _birth(self, work: _Work, gateway: str, message: Message) -> None:
        birth = messages.decode(message.payload, Birth)
        if birth.gateway != gateway:
            raise DecodeError(f"birth says it is {birth.gateway!r}, but came from {gateway!r}")
        owners = [self._registry.owner_of(device.id) for device in birth.devices]
        changed, refused = self._registry.born(work.connection, birth, work.now_ms)
        work.bound += changed
        if owners != [self._registry.owner_of(device.id) for device in birth.devices]:
            self._accepted.forget()
        for device in refused:
            owner = self._registry.owner_of(device)
            ledger.audit(
                work.connection,
                who=gateway,
                action="device.refused",
                subject=device,
                note=f"belongs to gateway {owner}",
                at_ms=work.now_ms,
            )

    def _alert(self, connection: sa.Connection, events: Sequence[ConditionEvent]) -> int:
        """Write down what became of the conditions; the time is as near the commit as can be."""
        return len(alerts.apply(connection, events, self._rules, self._clock.now_ms()))

    def _restore(self, connection: sa.Connection) -> None:
        """Bring the engine to where it was at the last commit: the snapshot, then the blocks.

        What the blocks made true was committed with them. Rules may have changed since: alerts
        that no rule watches any more return.
        """
        self._engine.bind(self._registry.all_series())
        saved = connection.execute(sa.select(schema.engine_snapshot)).one_or_none()
        if saved:
            with suppress(DecodeError):  # of another version of this program: replay what there is
                self._engine.restore(saved.data)
                self._block = saved.block
        for block in hot.blocks_after(connection, self._block):
            self._engine.evaluate(_believable(block.columns, block.committed_ms))
            self._block = block.id
        active = alerts.active_conditions(connection)
        self._alert(connection, self._engine.adopt(active, self._clock.now_ms()))

    def _save(self, connection: sa.Connection) -> None:
        upsert(
            connection,
            schema.engine_snapshot,
            {
                "id": 1,
                "block": self._block,
                "rules": self._rules.fingerprint,
                "data": self._engine.snapshot(),
            },
        )
        self._snapshot_s = self._clock.monotonic_s()


def _doubted(columns: Columns, now_ms: int) -> Columns:
    """Mark what claims to be from the future."""
    ahead = columns.observed_ms > now_ms + DOUBTED_AHEAD_MS
    columns.quality[ahead] |= np.uint16(Quality.CLOCK_UNSURE)
    return columns


def _believable(columns: Columns, now_ms: int) -> Columns:
    """Leave out what claims to be from the future: it would make all that follows look late."""
    ahead = columns.observed_ms > now_ms + DOUBTED_AHEAD_MS
    return columns.take(~ahead) if ahead.any() else columns
