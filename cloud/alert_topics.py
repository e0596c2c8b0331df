"""What the outbox is told of alerts: a message for every change, in the change's transaction."""

from __future__ import annotations

from collections.abc import Mapping

from cloud.alert_rows import Alert, AlertEvent, Remark
from cloud.core.isa_18_2 import Event, State

RAISED, RETURNED = "alert.raised", "alert.returned"  # what cases are made of
REFUTED = "alert.refuted"  # by late readings
REMINDER, REALARM = "alert.reminder", "alert.realarm"
SUPPRESSED, RELEASED = "alert.suppressed", "alert.released"
HOLD_BEGAN, HOLD_ENDED = "hold.began", "hold.ended"
FLOOD_BEGAN, FLOOD_ENDED = "flood.began", "flood.ended"

# Those not in here depend on where the event leads: see topic_of().
TOPICS: Mapping[Event | Remark, str] = {
    Event.RETURN: RETURNED,
    Event.ACKNOWLEDGE: "alert.acknowledged",
    Event.ESCALATE: "alert.escalated",
    Event.REALARM: REALARM,
    Event.SHELVE: "alert.shelved",
    Event.SUPPRESS: SUPPRESSED,
    Event.REMOVE: "alert.removed",
    Event.EXIT_NORMAL: RELEASED,
    Remark.SEVERITY: "alert.escalated",
    Remark.REFUTE: REFUTED,
    Remark.ASSIGN: "alert.assigned",
    Remark.COMMENT: "alert.commented",
    Remark.REMIND: REMINDER,
}

# What the outbox itself must deliver. The rest is a record, for whoever reads it in its order.
DELIVERED = (RAISED, RETURNED, REFUTED)


def topic_of(line: AlertEvent) -> str:
    """Return the topic of a line of history; what people must see now is "alert.raised"."""
    if line.to_state is State.UNACK and line.event in (Event.CONDITION, Event.EXIT_ABNORMAL):
        return RAISED
    return TOPICS.get(line.event, SUPPRESSED)


def message_of(alert: Alert, line: AlertEvent) -> dict[str, object]:
    """Return the row of the outbox that tells a change."""
    topic = topic_of(line)
    return {
        "topic": topic,
        "key": alert.id,
        "payload": {
            "at_ms": line.at_ms,
            "event": line.event.value,
            "from": line.from_state.value,
            "to": line.to_state.value,
            "by": line.by,
            "note": line.note,
            "severity": alert.severity.value,
            "group": alert.group_id,
            "leads": alert.group_id in ("", alert.id),
            "flood": alert.flood,
            "first_out": alert.first_out,
        },
        "created_ms": line.recorded_ms,
        "done_ms": None if topic in DELIVERED else line.recorded_ms,
    }
