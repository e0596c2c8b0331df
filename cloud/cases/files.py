"""Files of cases: photos and papers that people add, each a line in the trail, sealed.

Every function works in its caller's transaction; the content is in cloud/cases/file_store.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from cloud.cases import sealing
from cloud.cases.file_store import MB, FileBounds, FileStore, Received
from cloud.cases.lists import sees
from cloud.cases.rows import Case, load, trace
from cloud.cases.steps import after, check_may
from cloud.core.case_roles import Actor
from cloud.core.case_steps import Step
from cloud.core.chain import Kind
from cloud.core.file_types import PHOTOS, FileError, check_claim, tidy_name
from cloud.errors import ConflictError, InvalidError, NoRoomError, NotFoundError
from cloud.state import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """A file of a case. type: what it is by its content. size: in bytes."""

    id: int
    name: str
    type: str
    size: int
    sha256: str
    by: str
    at_ms: int

    @property
    def is_photo(self) -> bool:
        """Whether it is a picture that people can be shown."""
        return self.type in PHOTOS


def check_addable(
    connection: sa.Connection, case_id: str, actor: Actor, *, to_change: bool = False
) -> Case:
    """Return the case that a person may add a file to.

    Raises: NotFoundError if they may not see it; ForbiddenError; ConflictError if it is over.
    """
    case = load(connection, case_id, to_change=to_change)
    if not sees(connection, actor, case):
        raise NotFoundError(f"there is no case {case_id!r} of {actor.unit}")
    if not actor.only_handles:  # whoever only handles sees what is theirs, or what they help in
        check_may(actor, Step.FILE, case)
    after(case, Step.FILE)
    return case


def add_file(
    connection: sa.Connection,
    case_id: str,
    actor: Actor,
    name: str,
    claim: str,
    received: Received,
    bounds: FileBounds,
    at_ms: int,
) -> CaseFile:
    """Add a file, which is in the store already, to a case.

    Args:   name, claim: what it was said to be, by name and by media type.
    Raises: as check_addable(); InvalidError if it lies; ConflictError if the case has too many;
            NoRoomError.
    """
    case = check_addable(connection, case_id, actor, to_change=True)
    try:
        check_claim(received.type, claim, name)
    except FileError as error:
        raise InvalidError(str(error)) from error
    _check_room(connection, case, received, bounds)
    table = schema.case_files
    row: dict[str, object] = {
        "case": case.id,
        "name": tidy_name(name, received.type),
        "type": received.type.value,
        "size": received.size,
        "sha256": received.sha256,
        "by": actor.name,
        "at_ms": at_ms,
    }
    number = connection.scalar(sa.insert(table).values(row).returning(table.c.id))
    sealing.add(connection, case.id, Kind.FILE, number, row)
    name = str(row["name"])
    trace(connection, case, Step.FILE, case.state, at_ms, by=actor.name, note=name)
    return next(each for each in files_of(connection, case.id) if each.id == number)


def files_of(connection: sa.Connection, case: str) -> list[CaseFile]:
    """Return the files of a case, the first added first."""
    table = schema.case_files
    columns = [column for column in table.c if column.name != "case"]
    query = sa.select(*columns).where(table.c.case == case).order_by(table.c.id)
    return [CaseFile(**row._mapping) for row in connection.execute(query)]


def get_file(connection: sa.Connection, case_id: str, number: int, actor: Actor) -> CaseFile:
    """Return a file of a case that a person may see. Raises: NotFoundError."""
    case = load(connection, case_id)
    if sees(connection, actor, case):
        for each in files_of(connection, case_id):
            if each.id == number:
                return each
    raise NotFoundError(f"case {case_id[:64]} has no file {number}")


def damaged(store: FileStore, files: list[CaseFile]) -> list[CaseFile]:
    """Return those whose content is gone, or is not what was added."""
    return [each for each in files if not store.whole(each.sha256)]


def _check_room(
    connection: sa.Connection, case: Case, received: Received, bounds: FileBounds
) -> None:
    table = schema.case_files
    mine = sa.select(table.c.sha256, table.c.size).where(table.c.case == case.id)
    having = connection.execute(mine).all()
    if received.sha256 in {row.sha256 for row in having}:
        raise ConflictError(f"case {case.id} has this very file already")
    if sum(row.size for row in having) + received.size > bounds.case_bytes:
        most = bounds.case_bytes // MB
        raise ConflictError(
            f"the files of case {case.id} may come to {most} MB (cases.files.case_mb)"
        )
    total = connection.scalar(sa.select(sa.func.coalesce(sa.func.sum(table.c.size), 0))) or 0
    if int(total) + received.size > bounds.total_bytes:
        most = bounds.total_bytes // MB
        raise NoRoomError(f"all files together may come to {most} MB (cases.files.total_mb)")
