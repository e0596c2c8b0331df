"""What other systems were told long ago, forgotten: only of cases that are over, and of files
that were received.

The last step that a system was told of a case stays, as does its last file: by those it is known
that they were told at all, and how the files are numbered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from cloud.cases import uploads
from cloud.cases.deliveries import State
from cloud.core.case_steps import OPEN_STATES
from cloud.state import schema
from cloud.state.database import Database

AT_ONCE = 500
DAY_MS = 86_400_000


@dataclass(slots=True)
class Forgetting:
    """Called as often as one likes; it looks once an hour, and while there is more."""

    database: Database
    days: float  # 0: nothing is forgotten
    _next_ms: int = 0

    def step(self, now_ms: int) -> int:
        """Forget a bounded piece, and return how many rows. Raises: StorageError."""
        if not self.days or now_ms < self._next_ms:
            return 0
        before_ms = now_ms - round(self.days * DAY_MS)
        with self.database.read() as connection:
            wanted = [list(connection.scalars(each)) for each in _finished(before_ms)]
        number = sum(map(len, wanted))
        if number:
            with self.database.write() as connection:
                for table, ids in zip(_TABLES, wanted, strict=True):
                    connection.execute(sa.delete(table).where(table.c.id.in_(ids)))
        else:
            self._next_ms = now_ms + 3_600_000
        return number


_TABLES = (schema.case_deliveries, schema.case_uploads)


def _finished(before_ms: int) -> Iterator[sa.Select[tuple[int]]]:
    told, cases, files = schema.case_deliveries, schema.cases, schema.case_uploads
    later, next_file = told.alias("later"), files.alias("next_file")
    has_later = sa.exists().where(
        later.c.system == told.c.system, later.c.case == told.c.case, later.c.id > told.c.id
    )
    yield (
        sa.select(told.c.id)
        .join(cases, cases.c.id == told.c.case)
        .where(
            told.c.done_ms < before_ms,
            told.c.state.in_([State.DONE.value, State.GIVEN_UP.value]),
            cases.c.state.not_in([state.value for state in OPEN_STATES]),
            has_later,
        )
        .limit(AT_ONCE)
    )
    has_next = sa.exists().where(
        next_file.c.system == files.c.system, next_file.c.number > files.c.number
    )
    yield (
        sa.select(files.c.id)
        .where(files.c.to_ms < before_ms, files.c.state == uploads.State.RECEIVED.value, has_next)
        .limit(AT_ONCE)
    )
