"""What other systems say of our cases by themselves: signed, fresh, and each message once."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from cloud.cases import links
from cloud.core import cloud_events, signing
from cloud.core.case_message import Theirs
from cloud.errors import InvalidError, NotFoundError
from cloud.state import schema
from contract.errors import DecodeError

KEPT_MS = 10 * signing.TOLERANCE_MS  # older ones are refused for their age


def take(
    connection: sa.Connection,
    system: str,
    secret: str,
    headers: Mapping[str, str],
    body: bytes,
    now_ms: int,
) -> bool:
    """Take a callback; False if it was taken before, which is well.

    Raises: BadSignatureError; InvalidError for what is no status; NotFoundError for a case that the
    system was never told of. Then it is as if it had not come.
    """
    message = signing.verify(secret, headers, body, now_ms)
    try:
        theirs = cloud_events.decode_status(body)
    except DecodeError as error:
        raise InvalidError(str(error)) from error
    _require_told(connection, system, theirs)
    if not _first_time(connection, system, message, now_ms):
        return False
    links.take_status(connection, system, [theirs], now_ms)
    return True


def _require_told(connection: sa.Connection, system: str, theirs: Theirs) -> None:
    table = schema.case_links
    known = sa.select(table.c.case).where(table.c.system == system, table.c.case == theirs.case)
    if connection.scalar(known) is None:
        raise NotFoundError(f"{system} was not told of a case {theirs.case!r}")


def _first_time(connection: sa.Connection, system: str, message: str, now_ms: int) -> bool:
    table = schema.case_callbacks
    connection.execute(sa.delete(table).where(table.c.at_ms < now_ms - KEPT_MS))
    try:
        with connection.begin_nested():
            row = {"system": system, "id": message, "at_ms": now_ms}
            connection.execute(sa.insert(table), [row])
    except IntegrityError:
        return False
    return True
