"""When an alert that lasts is told again: reminders, and the re-alarm of an acknowledged one."""

from __future__ import annotations

from dataclasses import dataclass

from cloud.core.isa_18_2 import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Lasting:
    """An alert as far as that goes.

    told_ms: when it was raised, re-raised or reminded of last. reminder_s, realarm_s: 0 is never.
    """

    state: State
    returned: bool
    told_ms: int
    acknowledged_ms: int | None
    reminder_s: float
    realarm_s: float


def realarm_due_ms(alert: Lasting) -> int | None:
    """Return when an acknowledged alert that still holds is raised again; None for never."""
    if alert.state is not State.ACKED or alert.returned or alert.realarm_s <= 0:
        return None
    since_ms = alert.told_ms if alert.acknowledged_ms is None else alert.acknowledged_ms
    return since_ms + round(alert.realarm_s * 1000)


def reminder_due_ms(alert: Lasting) -> int | None:
    """Return when people are reminded of an alert that still holds; None for never.

    A suppressed alert reminds nobody, nor one that is back to normal.
    """
    if alert.state not in (State.UNACK, State.ACKED) or alert.returned or alert.reminder_s <= 0:
        return None
    return alert.told_ms + round(alert.reminder_s * 1000)


def next_due_ms(alert: Lasting) -> int | None:
    """Return when something is due of an alert, None if nothing ever is as it stands."""
    due = [at for at in (realarm_due_ms(alert), reminder_due_ms(alert)) if at is not None]
    return min(due, default=None)
