"""What another case system is told of a case, and what it says back."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a case, as it is told to others. Written once: a retry tells the very same.

    id:      the same step has the same id for ever; others know a repetition by it.
    alerts:  the alerts that were evidence then.
    """

    id: str
    case: str
    step: str
    from_state: str
    to_state: str
    is_open: bool
    by: str
    note: str
    at_ms: int
    title: str
    title_en: str
    asset: str
    category: str
    kind: str
    device: str
    severity: str
    unit: str
    opened_ms: int
    due_ms: int | None
    closed_ms: int | None
    latitude: float | None
    longitude: float | None
    address: str
    alerts: tuple[str, ...]


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """What a case is called elsewhere. token: given instead of a number, until there is one.

    since_ms: when it was first tried to be told there; that system has nothing of it from before.
    """

    case: str
    remote: str = ""
    token: str = ""
    since_ms: int = 0

    @property
    def is_known(self) -> bool:
        """Whether the other side has it."""
        return bool(self.remote or self.token)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How the other side took a message. remote, token: what it calls the case, if it said so.

    note: what a person should know of it, e.g. that the other side cannot be told such a step.
    unfinished: the other side knows the case now, and is to be told the same step again.
    """

    remote: str = ""
    token: str = ""
    note: str = ""
    unfinished: bool = False


class Status(StrEnum):
    """Where a case stands elsewhere."""

    OPEN = "open"
    CLOSED = "closed"


class Theirs(msgspec.Struct, frozen=True, kw_only=True):
    """A case as the other side has it. case: ours, where it is known to be one of ours."""

    remote: str
    status: Status
    case: str = ""
    note: str = ""
    updated_ms: int = 0
