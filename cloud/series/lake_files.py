"""The lake's writing side: seals blocks into files a day, and merges the files of each day."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from cloud.core.columns import Columns
from cloud.core.merge import merged
from cloud.core.retention import FOREVER, RawRetention
from cloud.core.tiers import DayFile, to_merge
from cloud.ports import Sealing, SeriesName, Written
from cloud.series import day_files, retention
from cloud.series.day_files import DAY_MS, LakeFile
from cloud.series.parquet import open_file, parts
from cloud.series.sealer import series_names
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

log = logging.getLogger("gridwarden")


class LakeFiles:
    """The ColdStore of the lake."""

    def __init__(
        self, database: Database, folder: Path, clock: Clock, keep: RawRetention = FOREVER
    ) -> None:
        self._database = database
        self._folder = folder
        self._clock = clock
        self._keep = keep
        self._damaged: set[str] = set()  # days, until they are repaired and we are restarted

    def recover(self) -> int:
        with day_files.held(self._folder):
            found = day_files.strays(self._database, self._folder)
            for path in found:
                path.unlink(missing_ok=True)
        return len(found)

    def write(self, sealing: Sealing) -> Written:
        blocks = sealing.first_block, sealing.last_block
        files: list[LakeFile] = []
        try:
            for day, columns in day_files.by_day(sealing.columns):
                files.append(self._write(day, [columns], sealing.names, blocks))
        except StorageError:
            day_files.remove(self._folder, files)  # a full disk needs the room
            raise

        def commit(connection: sa.Connection) -> None:
            day_files.name_files(connection, files)

        return Written(parts=len(files), commit=commit)

    def tidy(self) -> bool:
        """Merge the files of one day, or delete what of one is past its time."""
        with self._database.read() as connection:
            day, files = self._choose(connection)
            names = series_names(connection) if files else {}
        if not files:
            return self._expire_one()
        try:
            self._merge(day, files, names)
        except StorageError:
            self._damaged.add(day)
            raise
        return True

    def _expire_one(self) -> bool:
        now_ms = self._clock.now_ms()
        due = [
            each
            for each in retention.due(self._database, self._keep, now_ms)
            if each.file.day not in self._damaged
        ]
        if not due:
            return False
        try:
            gone = retention.expire(self._database, self._folder, due[0], "retention", now_ms)
        except StorageError:
            self._damaged.add(due[0].file.day)
            raise
        log.info("%d readings were past their time: %s", gone, due[0])
        return True

    def _choose(self, connection: sa.Connection) -> tuple[str, list[LakeFile]]:
        now_ms = self._clock.now_ms()
        for day, group in groupby(day_files.listed(connection), key=lambda file: file.day):
            if day in self._damaged:
                continue
            files = list(group)
            end_ms = day_files.day_begin_ms(day) + DAY_MS
            chosen = {one.path for one in to_merge([_sized(f) for f in files], end_ms, now_ms)}
            if chosen:
                return day, [file for file in files if file.path in chosen]
        return "", []

    def _merge(self, day: str, files: Sequence[LakeFile], names: Mapping[int, SeriesName]) -> None:
        blocks = files[0].first_block, max(file.last_block for file in files)
        with ExitStack() as opened:
            runs: list[Iterator[Columns]] = [
                parts(opened.enter_context(open_file(self._folder / file.path))) for file in files
            ]
            sealed_ms = max(file.sealed_ms for file in files)
            one = self._write(day, merged(runs), names, blocks, sealed_ms)
        before = sum(file.readings for file in files)
        if one.readings != before:
            day_files.remove(self._folder, [one])
            raise StorageError(
                f"the files of {day} hold {one.readings} readings where their list names {before};"
                " run: gridwarden cloud series check CONFIG"
            )
        day_files.replace(self._database, self._folder, files, [one])
        log.info("merged %d files of %s into one of %d readings", len(files), day, before)

    def _write(
        self,
        day: str,
        rows: Iterable[Columns],
        names: Mapping[int, SeriesName],
        blocks: tuple[int, int],
        sealed_ms: int | None = None,
    ) -> LakeFile:
        when_ms = self._clock.now_ms() if sealed_ms is None else sealed_ms
        return day_files.write_day(self._folder, day, rows, names, blocks, when_ms)


def _sized(file: LakeFile) -> DayFile:
    return DayFile(path=file.path, readings=file.readings, sealed_ms=file.sealed_ms)
