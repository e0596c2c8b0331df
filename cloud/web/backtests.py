"""Runs backtests for the web: one at a time, in a thread of its own, cancelled when asked."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex

from cloud.backtest import Span, readings_due
from cloud.core.model import Series
from cloud.core.rules import Direction, Rule, RuleSet
from cloud.errors import ConflictError, InvalidError, NotFoundError
from cloud.rules.overrides import overridden
from cloud.state.database import Database
from cloud.state.registry import Registry
from cloud.web.backtest_models import AskedBacktest, Backtest, BacktestResult, State
from contract.errors import GridwardenError

log = logging.getLogger("gridwarden.web")

DAY_MS = 86_400_000
KEPT = 20
MOST_READINGS = 30_000_000  # one run: about a minute; more are for the command line
AT_ONCE = 300_000  # readings: a cancelled run ends within a second, and others get their turn

Tell = Callable[[int, int], None]
Work = Callable[[Span, RuleSet, Tell], BacktestResult]


class _Cancelled(Exception):
    """Somebody called it off."""


@dataclass(slots=True)
class _Job:
    """What runs, or ran. shown is replaced, never changed."""

    shown: Backtest
    cancelled: threading.Event = field(default_factory=threading.Event)


class Backtests:
    """Those of this process, the latest kept. All calls may come from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, _Job] = OrderedDict()

    def start(
        self, asked: AskedBacktest, by: str, span: Span, changed: RuleSet, work: Work
    ) -> Backtest:
        """Begin one. Raises: ConflictError while another one runs."""
        shown = Backtest(
            id=token_hex(8),
            by=by,
            state=State.RUNNING,
            done=0.0,
            why="",
            device=asked.device,
            from_ms=span.from_ms,
            until_ms=span.until_ms,
        )
        with self._lock:
            running = self._running()
            if running is not None:
                raise ConflictError(
                    f"{running.by} is running backtest {running.id}; "
                    "one runs at a time: wait for it, or cancel it"
                )
            job = _Job(shown)
            self._jobs[shown.id] = job
            while len(self._jobs) > KEPT:
                self._jobs.popitem(last=False)
        threading.Thread(
            target=self._run,
            args=(job, span, changed, work),
            name=f"backtest-{shown.id}",
            daemon=True,
        ).start()
        return shown

    def get(self, key: str) -> Backtest:
        """Return one. Raises: NotFoundError if there is none, or none any more."""
        with self._lock:
            return self._job(key).shown

    def latest(self) -> list[Backtest]:
        """Return those that are kept, the latest first."""
        with self._lock:
            return [job.shown for job in reversed(self._jobs.values())]

    def cancel(self, key: str) -> Backtest:
        """Call one off; it ends soon. Raises: NotFoundError; ConflictError if it has ended."""
        with self._lock:
            job = self._job(key)
            if job.shown.state is not State.RUNNING:
                raise ConflictError(f"backtest {key} has ended: {job.shown.state.value}")
            job.cancelled.set()
            return job.shown

    def _job(self, key: str) -> _Job:
        job = self._jobs.get(key)
        if job is None:
            raise NotFoundError(f"no backtest {key!r}; the last {KEPT} of this process are kept")
        return job

    def _running(self) -> Backtest | None:
        running = (job.shown for job in self._jobs.values() if job.shown.state is State.RUNNING)
        return next(running, None)

    def _run(self, job: _Job, span: Span, changed: RuleSet, work: Work) -> None:
        def tell(done_ms: int, of_ms: int) -> None:
            if job.cancelled.is_set():
                raise _Cancelled
            self._show(job, done=min(done_ms / of_ms, 1.0))

        try:
            result = work(span, changed, tell)
        except _Cancelled:
            self._show(job, state=State.CANCELLED)
        except GridwardenError as error:
            self._show(job, state=State.FAILED, why=str(error))
        except Exception:
            log.exception("backtest %s failed", job.shown.id)
            self._show(job, state=State.FAILED, why="something is wrong on our side; see the log")
        else:
            self._show(job, state=State.DONE, done=1.0, result=result)

    def _show(self, job: _Job, **changes: object) -> None:
        with self._lock:
            job.shown = job.shown.model_copy(update=changes)


def changed_rules(current: RuleSet, asked: AskedBacktest) -> RuleSet:
    """Return the rules with the numbers asked for. Raises: InvalidError saying what is wrong."""
    numbers = {one.rule: one.numbers for one in asked.changes}
    unknown = sorted(set(numbers) - set(current.by_id))
    problems = [f"no rule {name!r}" for name in unknown]
    if not problems:
        rules, problems = overridden(current.rules, numbers)
        problems = [one.removeprefix("rules.overrides.") for one in problems]
        problems += [
            f"{rule.id}.limit: {rule.limit:g} is beyond its next level, {rule.higher[0].limit:g}"
            for rule in rules
            if rule.id in numbers and _passes_its_next_level(rule)
        ]
    if problems:
        raise InvalidError("; ".join(problems))
    return RuleSet(rules=tuple(rules), fingerprint=f"{current.fingerprint}, changed")


def span_of(database: Database, asked: AskedBacktest, now_ms: int, examples: int) -> Span:
    """Return what to run over. Raises: NotFoundError for no such device; InvalidError for more
    than the web should do.
    """
    span = Span(
        from_ms=now_ms - round(asked.days * DAY_MS),
        until_ms=now_ms,
        device=asked.device,
        examples=examples,
    )
    series = _series(database, asked.device)
    due = readings_due(series, span.from_ms, span.until_ms)
    if due > MOST_READINGS:
        raise InvalidError(
            f"about {due} readings; the web takes {MOST_READINGS}: choose fewer days or one"
            " device, or use the command gridwarden rules backtest"
        )
    return span


def _series(database: Database, device: str) -> list[Series]:
    with database.read() as connection:
        registry = Registry.load(connection)
    series = registry.series_of(device) if device else list(registry.all_series())
    if not series:
        raise NotFoundError(f"no device {device!r}" if device else "there are no series")
    return list(series)


def _passes_its_next_level(rule: Rule) -> bool:
    if not rule.higher:
        return False
    sign = 1 if rule.direction is Direction.ABOVE else -1
    return sign * rule.limit >= sign * rule.higher[0].limit
