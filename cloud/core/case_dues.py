"""Which of a case's due times comes next, and which one a step meets or misses."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloud.core.case_steps import State, Step
from cloud.core.gate import Dues
from cloud.core.working_time import Calendar, after_pause


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseDues:
    """A case's due times; None for what has none. secured_ms: when the place was made safe."""

    secure_due_ms: int | None = None
    handle_due_ms: int | None = None
    verify_due_ms: int | None = None
    close_due_ms: int | None = None
    secured_ms: int | None = None
    by_clock: bool = True

    def next(self, state: State) -> int | None:
        """Return what is due next in a state; None where nothing is."""
        match state:
            case State.REPORTED | State.OPENED | State.DISPATCHED:
                times = [self.handle_due_ms]
                if self.secured_ms is None:
                    times.append(self.secure_due_ms)
                return min((each for each in times if each is not None), default=None)
            case State.HANDLED:
                return self.verify_due_ms
            case State.VERIFIED:
                return self.close_due_ms
            case _:
                return None

    def of_step(self, step: Step) -> int | None:
        """Return the due time that a step meets or misses; None where it has none."""
        match step:
            case Step.SECURE:
                return self.secure_due_ms
            case Step.HANDLE:
                return self.handle_due_ms
            case Step.VERIFY:
                return self.verify_due_ms
            case Step.CLOSE:
                return self.close_due_ms
            case _:
                return None

    def paused(self, calendar: Calendar, from_ms: int, to_ms: int) -> CaseDues:
        """Return the due times after a pause: as much is left as was left when it began."""

        def shift(due_ms: int | None) -> int | None:
            if due_ms is None:
                return None
            return after_pause(calendar, due_ms, from_ms, to_ms, by_clock=self.by_clock)

        return replace(
            self,
            secure_due_ms=self.secure_due_ms if self.secured_ms else shift(self.secure_due_ms),
            handle_due_ms=shift(self.handle_due_ms),
            close_due_ms=shift(self.close_due_ms),
        )

    def extended(self, until_ms: int) -> CaseDues:
        """Return the due times with handling due later, and closing later by as much."""
        more = until_ms - (self.handle_due_ms or until_ms)
        close = None if self.close_due_ms is None else self.close_due_ms + more
        return replace(self, handle_due_ms=until_ms, close_due_ms=close)

    def hurried(self, other: CaseDues) -> CaseDues:
        """Return the earlier of each due time: the matter has become more urgent."""

        def earlier(one: int | None, another: int | None) -> int | None:
            return min((each for each in (one, another) if each is not None), default=None)

        return replace(
            self,
            secure_due_ms=earlier(self.secure_due_ms, other.secure_due_ms),
            handle_due_ms=earlier(self.handle_due_ms, other.handle_due_ms),
            close_due_ms=earlier(self.close_due_ms, other.close_due_ms),
        )


def fresh(dues: Dues) -> CaseDues:
    """Return the due times of a case that begins, or begins again."""
    return CaseDues(
        secure_due_ms=dues.secure_ms,
        handle_due_ms=dues.handle_ms,
        close_due_ms=dues.close_ms,
        by_clock=dues.by_clock,
    )
