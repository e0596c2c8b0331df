"""What the API answers and the console shows of telling people. No addresses: they are private."""

from __future__ import annotations

from pydantic import Field

from cloud.web.models import Instant, View


class Why(View):
    """Why a person was told."""

    how: str = Field(description="named, week, date, exchange, nobody on call, no rota, …")
    route: str = Field(description="Empty if no route had a say")
    step: int = Field(description="Of the route's, from 1")
    rota: str = Field(description="Empty if no rota had a say")


class Notification(View):
    """One message to one person by one way."""

    id: int
    what: str = Field(
        description="raised, escalated, resolved, digest, due soon, overdue, channel dead, …"
    )
    alert: str = Field(description="Empty for what is about no single alert")
    case: str = Field(description="Whose due time it is about; empty for none")
    person: str
    channel: str
    severity: str
    why: Why
    subject: str
    created_ms: Instant
    due_ms: Instant = Field(description="Not sent before")
    hold: str = Field(description="Held for a digest: quiet, flood, group; empty for none")
    state: str = Field(
        description="waiting, sent, digested, moved, refused, given up, skipped (long over)"
    )
    digest: int | None = Field(description="The message that told it, if that was a digest")
    attempts: int
    done_ms: Instant | None
    error: str = Field(description="Of the last attempt")


class NotificationAttempt(View):
    """One attempt at a message."""

    at_ms: Instant
    channel: str
    took_s: float
    error: str = Field(description="Empty for one that succeeded")


class NotifyChannel(View):
    """How a channel is."""

    name: str
    kind: str
    dead: bool = Field(description="Nothing goes through it")
    dead_ms: Instant | None
    failures: int = Field(description="In a row")
    ok_ms: Instant | None = Field(description="When it last took something")
    failed_ms: Instant | None
    error: str = Field(description="The last one")
    waiting: int = Field(description="Messages that wait for it, or for a time")
