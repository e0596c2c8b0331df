"""Deletes what is past its time, a day's file after another: whole, or rewritten without it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cloud.core.retention import RawRetention, expired
from cloud.series import day_files
from cloud.series.day_files import DAY_MS, LakeFile
from cloud.series.parquet import open_file, parts
from cloud.series.sealer import series_names
from cloud.state import ledger
from cloud.state.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """A file, and what of it is past its time."""

    file: LakeFile
    measurements: frozenset[str]

    @property
    def whole(self) -> bool:
        return self.measurements >= set(self.file.measurements)

    def __str__(self) -> str:
        names = "everything" if self.whole else ", ".join(sorted(self.measurements))
        return f"{self.file.day}: {names} of {self.file.readings} readings ({self.file.path})"


def due(database: Database, keep: RawRetention, now_ms: int) -> list[Expiry]:
    """Return what is past its time, oldest first. Raises: StorageError."""
    with database.read() as connection:
        files = day_files.listed(connection)
    found = []
    for file in files:
        end_ms = day_files.day_begin_ms(file.day) + DAY_MS
        names = expired(file.measurements, end_ms, keep, now_ms)
        if names:
            found.append(Expiry(file=file, measurements=names))
    return found


def expire(database: Database, folder: Path, expiry: Expiry, who: str, now_ms: int) -> int:
    """Delete it, and write down that it was; return how many readings are gone.

    Raises: StorageError; then nothing is gone.
    """
    rest = [] if expiry.whole else _rewritten(database, folder, expiry)
    gone = expiry.file.readings - sum(file.readings for file in rest)
    names = "everything" if expiry.whole else ", ".join(sorted(expiry.measurements))
    note = partial(
        ledger.audit,
        who=who,
        action="readings.expired",
        subject=expiry.file.path,
        note=f"{gone} readings of {expiry.file.day}: {names}",
        at_ms=now_ms,
    )
    day_files.replace(database, folder, [expiry.file], rest, also=note)
    return gone


def _rewritten(database: Database, folder: Path, expiry: Expiry) -> list[LakeFile]:
    """Write the file again without what is past its time."""
    with database.read() as connection:
        names = series_names(connection)
    kept = sorted(n for n, name in names.items() if name.measurement not in expiry.measurements)
    file = expiry.file
    with open_file(folder / file.path) as opened:
        rows = parts(opened, np.array(kept, np.int32))
        blocks = file.first_block, file.last_block
        return [day_files.write_day(folder, file.day, rows, names, blocks, file.sealed_ms)]
