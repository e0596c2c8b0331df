"""The pass over history: what came late is evaluated as if it had come in time.

Which devices wait, and from when on, is in the state database; so a restart forgets none, and a
pass that was cut short begins again. It runs in the thread of the line, a bounded piece a turn,
and puts its result into effect in one transaction, together with the live engine's memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from cloud import condition_log
from cloud.core.admit import DOUBTED_AHEAD_MS
from cloud.core.alert_policy import POLICY, AlertPolicy
from cloud.core.columns import Columns
from cloud.core.evaluate import Engine
from cloud.core.hindsight import Replay
from cloud.core.model import Series
from cloud.core.rule_changes import RuleHistory
from cloud.core.successions import Engines
from cloud.reconciling import Reconciliation, tell_of, untold
from cloud.state import schema
from cloud.state.database import Database
from cloud.state.upsert import count, upsert_all
from cloud.voices import Past
from contract.clock import Clock

QUIET_S = 5.0  # a backlog comes in a thousand batches: wait until it has come
LONGEST_S = 60.0  # but no longer than this
READINGS_A_TURN = 200_000
DEVICES_A_TURN = 50
STALE_MS = 3_600_000  # a series that has said nothing for so long wakes nobody
DAY_MS = 86_400_000
REACH_MS = 8 * DAY_MS  # no rule looks further back than this
SHARE = 4  # of the time, one part in so many while there are messages to take

SeriesOf = Callable[[str], Sequence[Series]]


@dataclass(slots=True)
class _Waiting:
    """A device with late readings. again_ms: the earliest since its pass began.

    passed_on: whether those that are compared with it wait as well, or it is such a one itself.
    """

    from_ms: int
    queued_ms: int
    queued_s: float
    touched_s: float
    again_ms: int | None = None
    passed_on: bool = False


@dataclass(slots=True)
class _Study:
    """The pass that is under way, over some devices: read up to before at_ms."""

    replays: dict[str, Replay]
    series: dict[str, list[int]]
    reads: dict[str, list[int]]  # the same, and the series that a device is compared with
    first_ms: dict[str, int]  # from when on a device's replay must have readings
    at_ms: int
    step_ms: int
    newest_ms: dict[int, int] = field(default_factory=dict)


class Hindsight:
    """Which devices wait for the pass, and the pass itself."""

    def __init__(
        self,
        database: Database,
        history: RuleHistory,
        zone: ZoneInfo,
        clock: Clock,
        past: Past,
        series_of: SeriesOf,
        policy: AlertPolicy = POLICY,
    ) -> None:
        self._database = database
        self._history = history
        self._zone = zone
        self._clock = clock
        self._past = past
        self._series_of = series_of
        self._policy = policy
        self._waiting: dict[str, _Waiting] = {}
        self._untold: set[int] = set()  # series where something holds that nobody was told
        self._study: _Study | None = None
        self._rested_s = -LONGEST_S  # not before this, while there are messages to take

    def change(self, history: RuleHistory) -> None:
        """Take the rules as they have come into force; a pass under way begins again."""
        self._history = history
        self._study = None

    def load(self, connection: sa.Connection) -> None:
        """Read who waits."""
        now_s = self._clock.monotonic_s()
        for row in connection.execute(sa.select(schema.hindsight)):
            self._waiting[row.device] = _Waiting(row.from_ms, row.queued_ms, now_s, now_s)
        self._untold = untold(connection)

    def note(self, connection: sa.Connection, late: Mapping[str, int], now_ms: int) -> None:
        """Have devices wait whose earliest late readings are of these times."""
        now_s = self._clock.monotonic_s()
        changed = []
        for device, from_ms in late.items():
            known = self._waiting.get(device)
            if known is None:
                known = self._waiting[device] = _Waiting(from_ms, now_ms, now_s, now_s)
                changed.append(device)
            elif from_ms < known.from_ms:
                known.from_ms = from_ms
                changed.append(device)
            known.touched_s = now_s
            known.passed_on = False
            if self._study and device in self._study.replays:
                known.again_ms = min(from_ms, known.again_ms or from_ms)
        queue(connection, {device: self._waiting[device].from_ms for device in changed}, now_ms)

    def heard(self, connection: sa.Connection, readings: Columns, now_ms: int) -> None:
        """Have that told which was told to nobody because its series had long said nothing."""
        if self._untold:
            fresh = readings.series[readings.observed_ms >= now_ms - STALE_MS]
            speaking = self._untold & set(fresh.tolist())
            if speaking:
                tell_of(connection, speaking, now_ms)
                self._untold -= speaking

    def kept_from_ms(self, now_ms: int) -> int | None:
        """Return from when on the record is whole, so that passes may begin; None for always."""
        days = self._policy.record_days
        return now_ms - round(days * DAY_MS) if days else None

    def is_due(self, *, busy: bool) -> bool:
        """Whether there is something to do now. busy: whether there are messages to take."""
        now_s = self._clock.monotonic_s()
        if busy and now_s < self._rested_s:
            return False
        return self._study is not None or bool(self._due(now_s))

    def turn(self, live: Engine, save: Callable[[sa.Connection], None]) -> bool:
        """Do a bounded piece; return whether a pass came to its end.

        Args:   live: takes over what the pass found. save: keeps live's memory, in the same
                transaction.
        Raises: StorageError; then the line's memory is spent.
        """
        began_s = perf_counter()
        if self._study is None:
            devices = self._due(self._clock.monotonic_s())[:DEVICES_A_TURN]
            self._pass_on(devices, live)
            self._study = self._begin(devices, live)
        study = self._study
        end_ms = self._clock.now_ms() + DOUBTED_AHEAD_MS + 1
        until_ms = min(study.at_ms + study.step_ms, end_ms)
        self._feed(study, until_ms)
        if until_ms == end_ms:
            self._finish(study, live, save)
            self._study = None
        took_s = perf_counter() - began_s
        self._rested_s = self._clock.monotonic_s() + (SHARE - 1) * took_s
        return self._study is None

    def _due(self, now_s: float) -> list[str]:
        """Return the devices whose pass may begin, those of the longest stretches last."""
        due = [
            device
            for device, one in self._waiting.items()
            if now_s - one.touched_s >= QUIET_S or now_s - one.queued_s >= LONGEST_S
        ]
        return sorted(due, key=lambda device: -self._waiting[device].from_ms)

    def _pass_on(self, devices: Sequence[str], live: Engine) -> None:
        """Have those wait as well that are compared with devices, from the same times on."""
        changed: dict[str, int] = {}
        for device in devices:
            one = self._waiting[device]
            others = set() if one.passed_on else live.compared_with(device)
            one.passed_on = True
            for other in others:
                known = self._waiting.setdefault(other, replace(one))
                known.from_ms = changed[other] = min(known.from_ms, one.from_ms)
        if changed:
            with self._database.write() as connection:
                queue(connection, changed, self._clock.now_ms())

    def _begin(self, devices: Sequence[str], live: Engine) -> _Study:
        replays: dict[str, Replay] = {}
        numbers: dict[str, list[int]] = {}
        reads: dict[str, list[int]] = {}
        heard_ms = live.heard_ms(devices)
        first_ms, per_ms = dict[str, int](), 0.0
        with self._database.read() as connection:
            for device in devices:
                series = self._series_of(device)
                others = map(self._series_of, sorted(live.references_of(device)))
                compared = [one for each in others for one in each]
                numbers[device] = [one.id for one in series]
                reads[device] = [one.id for one in (*series, *compared)]
                replay = self._replay(connection, device, series, compared, heard_ms)
                replays[device], first_ms[device] = replay
                period_s = series[0].device.period_s if series else None
                per_ms += len(reads[device]) / (1000 * (period_s or 60.0))
        return _Study(
            replays=replays,
            series=numbers,
            reads=reads,
            first_ms=first_ms,
            at_ms=min(first_ms.values()),
            step_ms=max(round(READINGS_A_TURN / max(per_ms, 1e-9)), 1),
        )

    def _replay(
        self,
        connection: sa.Connection,
        device: str,
        series: Sequence[Series],
        compared: Sequence[Series],
        heard_ms: Mapping[int, int],
    ) -> tuple[Replay, int]:
        """Return a device's replay, and from when on it must have readings.

        heard_ms: by series, where time has not yet told the silence since.
        """
        numbers = [one.id for one in series]
        engines = Engines(self._history, self._zone, frozenset({device}), [*series, *compared])
        late_ms = self._waiting[device].from_ms
        reach_ms = min(engines.reach_ms(late_ms), REACH_MS)
        kept_ms = self.kept_from_ms(self._clock.now_ms())
        if kept_ms is not None:
            late_ms = max(late_ms, kept_ms)
        from_ms = min([late_ms - reach_ms, *(heard_ms.get(number, late_ms) for number in numbers)])
        raised = condition_log.raised_before(connection, numbers, from_ms)
        # The record does not tell when a further level was over: such a condition is seen whole.
        while rising := [pair for pair in raised if self._has_levels(pair[0])]:
            begun = condition_log.begun_before(connection, rising, from_ms)
            begun += [raised[pair].event.observed_ms for pair in rising]
            from_ms = min(begun) - reach_ms
            raised = condition_log.raised_before(connection, numbers, from_ms)
        record = condition_log.since(connection, numbers, from_ms)
        engine, *later = engines.since(from_ms)
        lag_ms = round(self._policy.lag_s * 1000)
        return Replay(engine, late_ms, raised, record, later, self._history, lag_ms), from_ms

    def _has_levels(self, rule: str) -> bool:
        found = (one.rules.by_id.get(rule) for one in self._history.sets)
        return any(known is not None and known.higher for known in found)

    def _feed(self, study: _Study, until_ms: int) -> None:
        every = sorted({number for numbers in study.reads.values() for number in numbers})
        readings = self._past(every, study.at_ms, until_ms).by_series_and_time()
        for device, replay in study.replays.items():
            mine = _of(readings, study.reads[device], study.first_ms[device])
            replay.feed(mine, until_ms)
            for number in study.series[device]:
                at_ms = mine.observed_ms[mine.series == number]
                if len(at_ms):
                    study.newest_ms[number] = int(at_ms.max())
        study.at_ms = until_ms

    def _finish(self, study: _Study, live: Engine, save: Callable[[sa.Connection], None]) -> None:
        """Put what was found into effect, in one transaction."""
        now_ms = self._clock.now_ms()
        stale = {
            number
            for numbers in study.series.values()
            for number in numbers
            if study.newest_ms.get(number, 0) < now_ms - STALE_MS
        }
        with self._database.write() as connection:
            reconciliation = Reconciliation(connection, self._history, now_ms, self._policy)
            for device, replay in study.replays.items():
                replay.pass_time(live.watermark_ms)
                reconciliation.settle(replay, study.series[device], stale)
                live.take_over(replay.engine)
            self._leave(connection, list(study.replays), now_ms)
            count(connection, reconciliation.counts | {"history_passes": len(study.replays)})
            save(connection)
            self._untold = untold(connection)

    def _leave(self, connection: sa.Connection, devices: Sequence[str], now_ms: int) -> None:
        """Take devices out of the queue, but for what came in since their pass began."""
        gone = schema.hindsight.c.device.in_(devices)
        connection.execute(sa.delete(schema.hindsight).where(gone))
        again: dict[str, int] = {}
        now_s = self._clock.monotonic_s()
        for device in devices:
            one = self._waiting.pop(device)
            if one.again_ms is not None:
                self._waiting[device] = _Waiting(one.again_ms, now_ms, now_s, now_s)
                again[device] = one.again_ms
        queue(connection, again, now_ms)


def queue(connection: sa.Connection, late: Mapping[str, int], now_ms: int) -> None:
    """Write down which devices have late readings, from when on; an earlier time stays."""
    table = schema.hindsight
    there = sa.select(table.c.device, table.c.from_ms).where(table.c.device.in_(late))
    known = {row.device: row.from_ms for row in connection.execute(there)} if late else {}
    earliest = {device: min(at_ms, known.get(device, at_ms)) for device, at_ms in late.items()}
    rows = [
        {"device": device, "from_ms": from_ms, "queued_ms": now_ms}
        for device, from_ms in sorted(earliest.items())
    ]
    upsert_all(connection, schema.hindsight, rows, keep=("queued_ms",))


def _of(readings: Columns, series: Sequence[int], from_ms: int) -> Columns:
    """Return the readings of some series from a time on."""
    wanted = np.isin(readings.series, np.array(series, np.int32))
    return readings.take(wanted & (readings.observed_ms >= from_ms))
