"""The cloud's line: admit → commit → evaluate → alert, in one transaction; → case by the outbox.

One thread owns a Line. take() either commits everything the messages said, or raises and leaves
the database as it was; then the Line's memory is worthless, and a new one is loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from cloud import alerts, condition_log
from cloud.alert_duties import Duties
from cloud.core.accepted import Accepted, admit_columns
from cloud.core.admit import DOUBTED_AHEAD_MS, admit
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.columns import Columns, concatenate
from cloud.core.evaluate import Engine
from cloud.core.model import ConditionEvent
from cloud.core.rule_changes import DatedSet
from cloud.core.rules import RuleSet
from cloud.core.successions import engine_of
from cloud.core.waiting import BOUNDS, Bounds
from cloud.desk import Desk
from cloud.gatehouse import Gatehouse
from cloud.hindsight import REACH_MS, Hindsight
from cloud.series import hot
from cloud.standing_rules import StandingRules, close_alerts
from cloud.state import inbox, ledger, schema
from cloud.state.database import Database
from cloud.state.registry import told_state
from cloud.state.upsert import count, upsert
from cloud.voices import Past, Voices, hot_past
from cloud.work import Message, Taken, Work
from contract import codec, messages, topics
from contract.clock import Clock
from contract.columnar import columnar
from contract.errors import DecodeError
from contract.messages import Ack, State
from contract.quality import Quality
from contract.readings import Reading

__all__ = ["Line", "Message", "Taken"]

SNAPSHOT_EVERY_S = 5.0
PRUNE_EVERY_S = 3_600.0
SETTLE_EVERY_S = 1.0  # what people decide is looked for this often


class Line:
    """Intake's memory and hands: the registry, the sets of batch numbers, the rule engine."""

    def __init__(
        self,
        database: Database,
        rules: RuleSet,
        zone: ZoneInfo,
        clock: Clock,
        bounds: Bounds = BOUNDS,
        past: Past | None = None,
        policy: AlertPolicy = POLICY,
    ) -> None:
        self._database = database
        self._zone = zone
        self._clock = clock
        self._policy = policy
        self._block = 0
        self._snapshot_s = -SNAPSHOT_EVERY_S
        self._accepted = Accepted()
        self._owned = 0
        self._settled_s = -SETTLE_EVERY_S
        self._pruned_s = -PRUNE_EVERY_S
        self._begun_s = clock.monotonic_s()
        with database.write() as connection:
            self._gatehouse = Gatehouse.load(connection, bounds)
            self._registry = self._gatehouse.registry
            self._standing = StandingRules.load(connection, rules, clock.now_ms())
            self._engine = self._engine_of(self._standing.history.current)
            past = past or hot_past(database)
            voices = Voices(past)
            self._hindsight = Hindsight(
                database,
                self._standing.history,
                zone,
                clock,
                past,
                self._registry.series_of,
                policy,
            )
            self._hindsight.load(connection)
            self._desk = Desk(self._gatehouse, voices, self._number, self._commit)
            self._batches = ledger.BatchLedger()
            self._duties = Duties.load(connection, self._standing.current, policy)
            self._restore(connection)
            self._follow_files(connection, rules)

    def take(self, received: Sequence[Message]) -> Taken:
        """Commit what the messages say, and tell what to acknowledge.

        Raises: StorageError if it could not be committed; nothing was, and this Line is spent.
        """
        now_ms = self._clock.now_ms()
        with self._database.write() as connection:
            work = Work(connection, now_ms)
            self._settle(work)
            for message in received:
                self._admit(work, message)
            self._desk.hear(work)
            columns = _doubted(concatenate(work.columns), now_ms)
            self._accepted.flag(columns)
            if len(columns):
                self._block = hot.append(connection, columns, now_ms)
                work.counts["readings_late"] += self._gatehouse.history.late(
                    columns, self._registry.device_of_series, now_ms
                )
            changes = work.alerts + self._evaluate(work, _believable(columns, now_ms))
            self._note_late(connection, now_ms)
            self._hindsight.heard(connection, columns, now_ms)
            self._batches.save(connection, work.touched, now_ms)
            self._gatehouse.flush(connection, now_ms)
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

    def is_settled(self) -> bool:
        """Whether nothing waits that people have decided, or is due. Raises: StorageError."""
        if self._clock.monotonic_s() - self._settled_s < SETTLE_EVERY_S:
            return True
        if self._engine.is_timed() and self._may_pass_time():
            return False
        with self._database.read() as connection:
            if inbox.has_decisions(connection):
                return False
            now_ms = self._clock.now_ms()
            if self._standing.has_news(connection, now_ms):
                return False
            return not self._duties.is_due(connection, now_ms)

    def has_history(self, *, busy: bool) -> bool:
        """Whether late readings wait to be looked at now. busy: messages wait to be taken."""
        return self._hindsight.is_due(busy=busy)

    def look_back(self) -> bool:
        """Evaluate a bounded piece of what came late; return whether a pass came to its end.

        Raises: StorageError; this Line is spent then.
        """
        return self._hindsight.turn(self._engine, self._save)

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

    def _admit(self, work: Work, message: Message) -> None:
        """Sort one message; what cannot be read is quarantined whole, and nothing else is lost."""
        try:
            device = topics.parse_device(message.topic)
            if device is not None:
                self._desk.spoken(work, device, message)
                return
            topic = topics.parse(message.topic)
            if topic.kind == "data":
                self._data(work, topic.gateway, message)
            elif topic.kind == "birth":
                self._desk.born(work, topic.gateway, message)
                self._duties.heard(topic.gateway, online=True, now_ms=work.now_ms)
            elif topic.kind == "state":
                state = messages.decode(message.payload, State)
                told_state(work.connection, topic.gateway, state, work.now_ms)
                history = self._gatehouse.history
                history.state(work.connection, topic.gateway, state.online, work.now_ms)
                if state.online:
                    self._duties.told(topic.gateway, state.health, work.now_ms)
                self._duties.heard(topic.gateway, online=state.online, now_ms=work.now_ms)
        except (DecodeError, ValueError) as error:
            work.counts["messages_rejected"] += 1
            ledger.quarantine(
                work.connection, message.topic, message.payload, str(error), work.now_ms
            )

    def _data(self, work: Work, gateway: str, message: Message) -> None:
        pack = codec.read_pack(message.payload)
        batch = pack.batch
        have = self._batches.load(work.connection, gateway, batch.epoch)
        work.touched[gateway, batch.epoch].append(batch.seq)
        if batch.seq in have:
            work.counts["batches_duplicate"] += 1
            return
        self._follow_owners()
        told = columnar(pack)
        columns = admit_columns(told, gateway, self._accepted) if told else None
        if columns is None:
            columns = self._look_closer(work, gateway, message, pack)
        work.columns.append(columns)
        self._batches.add(gateway, batch, len(columns))
        ledger.record_gaps(work.connection, gateway, batch, work.now_ms)
        work.counts["batches_stored"] += 1
        work.counts["readings_stored"] += len(columns)

    def _follow_owners(self) -> None:
        """What was accepted of a gateway is not, once its devices may be another's."""
        if self._owned != self._registry.owned:
            self._owned = self._registry.owned
            self._accepted.forget()

    def _look_closer(self, work: Work, gateway: str, message: Message, pack: codec.Pack) -> Columns:
        """Admit a batch reading by reading; what waits or cannot be is set aside."""
        admission = admit(
            codec.resolve(pack),
            have=self._batches.have(gateway, pack.batch.epoch),
            standing_of=partial(self._gatehouse.standing, gateway),
        )
        self._desk.set_aside(work, gateway, message, admission)
        columns = self._columns(work, gateway, admission.readings)
        self._accepted.learn(gateway, admission.readings, columns.series)
        return columns

    def _settle(self, work: Work) -> None:
        """Do what people have decided, and what is due of alerts, at most once a second."""
        if self._clock.monotonic_s() - self._settled_s >= SETTLE_EVERY_S:
            self._settled_s = self._clock.monotonic_s()
            self._desk.settle(work)
            self._standing.look(work.connection)
            work.alerts += len(self._duties.step(work.connection, work.now_ms))
            self._prune(work)

    def _prune(self, work: Work) -> None:
        """Forget what was found so long ago that no pass over history looks at it again."""
        kept_ms = self._hindsight.kept_from_ms(work.now_ms)
        if kept_ms is None or self._clock.monotonic_s() - self._pruned_s < PRUNE_EVERY_S:
            return
        if not condition_log.prune(work.connection, kept_ms - REACH_MS):
            self._pruned_s = self._clock.monotonic_s()

    def _number(self, work: Work, sender: str, readings: Sequence[Reading]) -> NDArray[np.int32]:
        numbers, new = self._registry.number(work.connection, sender, readings, work.now_ms)
        work.bound += new
        work.fresh.update(series.id for series in new)
        return numbers

    def _columns(self, work: Work, sender: str, readings: Sequence[Reading]) -> Columns:
        return Columns(
            series=self._number(work, sender, readings),
            observed_ms=np.array([r.observed_ms for r in readings], np.int64),
            value=np.array([np.nan if r.value is None else r.value for r in readings], np.float64),
            quality=np.array([int(r.quality) for r in readings], np.uint16),
        )

    def _commit(self, work: Work, sender: str, readings: Sequence[Reading]) -> None:
        """Store readings that came otherwise than in a batch."""
        work.counts["readings_stored"] += len(readings)
        work.columns.append(self._columns(work, sender, readings))

    def _evaluate(self, work: Work, columns: Columns) -> int:
        """Find what readings and time make so; return how many alerts it changed.

        What was read before rules' moment is evaluated with those before them.
        """
        connection, changes = work.connection, 0
        events: list[ConditionEvent] = [*self._engine.bind(work.bound)]
        for one in self._standing.due(work.now_ms):
            before = columns.observed_ms < one.from_ms
            events += self._engine.evaluate(columns.take(before))
            changes += self._alert(connection, events)
            columns, events = columns.take(~before), []
            changes += self._change_rules(connection, one, work.now_ms)
        events += self._engine.evaluate(columns)
        events += self._pass_time(work.now_ms)
        return changes + self._alert(connection, events)

    def _change_rules(self, connection: sa.Connection, one: DatedSet, now_ms: int) -> int:
        """Evaluate with another set from now on; its memory is saved in the same transaction."""
        lag_ms = round(self._policy.lag_s * 1000)
        told = self._engine.advance(one.from_ms - lag_ms) if self._may_pass_time() else []
        changes = self._alert(connection, told)
        before = self._standing.current
        self._standing.take(connection, one, now_ms)
        engine = self._engine_of(one)
        engine.bind(self._registry.all_series())
        ended = engine.succeed(self._engine)
        closed = close_alerts(connection, (before, one), ended, now_ms, self._policy)
        self._engine = engine
        self._duties.change(one.rules)
        self._hindsight.change(self._standing.history)
        self._snapshot_s = -SNAPSHOT_EVERY_S  # so that no restart replays across the change
        return changes + len(closed)

    def _follow_files(self, connection: sa.Connection, files: RuleSet) -> None:
        """Take what the files say now, and what has become due since the last stop."""
        now_ms = self._clock.now_ms()
        self._standing.follow_files(connection, files, self._zone, now_ms)
        due = self._standing.due(now_ms)
        for one in due:
            self._change_rules(connection, one, now_ms)
        if due:
            self._note_late(connection, now_ms)
            self._save(connection)

    def _engine_of(self, one: DatedSet) -> Engine:
        return engine_of(self._standing.history, one, self._zone)

    def _alert(self, connection: sa.Connection, events: Sequence[ConditionEvent]) -> int:
        """Write down what became of the conditions; the time is as near the commit as can be."""
        now_ms = self._clock.now_ms()
        changes = alerts.apply(connection, events, self._standing.current, now_ms, self._policy)
        condition_log.append(connection, events, changes)
        return len(changes)

    def _may_pass_time(self) -> bool:
        return self._clock.monotonic_s() - self._begun_s >= self._policy.start_rest_s

    def _pass_time(self, now_ms: int) -> list[ConditionEvent]:
        """Find what silence has made so; not before what waited for a restart has come."""
        if not self._may_pass_time():
            return []
        return self._engine.advance(now_ms - round(self._policy.lag_s * 1000))

    def _note_late(self, connection: sa.Connection, now_ms: int) -> None:
        """Have the devices wait for the historical pass whose readings came too late."""
        late: dict[str, int] = {}
        for series, at_ms in self._engine.belated().items():
            device = self._registry.device_of_series(series).id
            late[device] = min(at_ms, late.get(device, at_ms))
        self._hindsight.note(connection, late, now_ms)

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
        self._engine.belated()  # noted when they were committed
        active = alerts.active_conditions(connection)
        self._alert(connection, self._engine.adopt(active, self._clock.now_ms()))

    def _save(self, connection: sa.Connection) -> None:
        self._gatehouse.history.flush(connection)
        upsert(
            connection,
            schema.engine_snapshot,
            {
                "id": 1,
                "block": self._block,
                "rules": self._standing.current.fingerprint,
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
