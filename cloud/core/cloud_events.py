"""Steps of cases as CloudEvents, and the status that comes back as one.

Source: CloudEvents 1.0.2, JSON event format, structured mode.
"""

from __future__ import annotations

import msgspec

from cloud.core.case_message import Message, Status, Theirs
from contract.clock import iso_utc, parse_iso
from contract.errors import DecodeError

MEDIA_TYPE = "application/cloudevents+json"
STATUS_TYPE = "gridwarden.case.status"
_LONGEST_NOTE = 4_000


class _Place(msgspec.Struct, frozen=True):
    latitude: float | None
    longitude: float | None
    address: str


class _Data(msgspec.Struct, frozen=True, kw_only=True):
    case: str
    step: str
    from_state: str
    to_state: str
    status: str
    by: str
    note: str
    title: str
    title_en: str
    asset: str
    category: str
    kind: str
    device: str
    severity: str
    unit: str
    opened_at: str
    due_at: str | None
    closed_at: str | None
    place: _Place
    alerts: tuple[str, ...]


class _Event(msgspec.Struct, frozen=True, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    datacontenttype: str
    data: _Data


class _StatusData(msgspec.Struct, frozen=True, kw_only=True):
    status: Status
    note: str = ""
    remote: str = ""


class _StatusEvent(msgspec.Struct, frozen=True, kw_only=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: str
    data: _StatusData


def encode(message: Message, source: str) -> bytes:
    """Write a step of a case as a CloudEvent. source: which installation says it, a URI."""
    fields = {name: getattr(message, name) for name in _SAME}
    data = _Data(
        **fields,
        status=(Status.OPEN if message.is_open else Status.CLOSED).value,
        opened_at=iso_utc(message.opened_ms),
        due_at=_time(message.due_ms),
        closed_at=_time(message.closed_ms),
        place=_Place(message.latitude, message.longitude, message.address),
    )
    event = _Event(
        specversion="1.0",
        id=message.id,
        source=source,
        type=f"gridwarden.case.{message.step.replace(' ', '_')}",
        subject=message.case,
        time=iso_utc(message.at_ms),
        datacontenttype="application/json",
        data=data,
    )
    return msgspec.json.encode(event)


def decode_status(body: bytes) -> Theirs:
    """Read how a case stands elsewhere. Raises: DecodeError saying what is wrong."""
    try:
        event = msgspec.json.decode(body, type=_StatusEvent)
        at_ms = parse_iso(event.time)
    except (msgspec.DecodeError, ValueError) as error:  # msgspec says where
        raise DecodeError(f"no CloudEvent with a status: {error}") from error
    if event.specversion != "1.0":
        raise DecodeError(f"specversion {event.specversion!r}; allowed: 1.0")
    if event.type != STATUS_TYPE:
        raise DecodeError(f"type {event.type!r}; allowed: {STATUS_TYPE}")
    return Theirs(
        remote=event.data.remote[:200],
        status=event.data.status,
        case=event.subject,
        note=event.data.note[:_LONGEST_NOTE],
        updated_ms=at_ms,
    )


_SAME = tuple(
    name for name in _Data.__struct_fields__ if name in frozenset(Message.__struct_fields__)
)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else iso_utc(at_ms)
