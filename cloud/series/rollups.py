"""Rollups are written beside the readings, in the transaction that seals them.

A seal rolls its readings up and writes the parts; late readings are one more part. What a query
reads is always the merge of parts, and upkeep merges them on disk, so that they stay few. Days that
were never rolled up, or that somebody asks for, are made anew from the readings.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from cloud.core.rollup import DAY_MS, Tier, bucket_end
from cloud.ports import ColdStore, Sealing, SeriesStore, Written
from cloud.series.rollup_days import DayMaker
from cloud.series.rollup_files import DamagedError, Folder
from cloud.series.rollup_list import File, keep_from, listed, make_anew, period_end_ms, swap
from cloud.series.sealer import series_names
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import StorageError

log = logging.getLogger("gridwarden.rollups")

FAN_IN = 8  # so many parts of one level become one of the next
SETTLED_MS = 2 * DAY_MS  # after its end a period's parts become one file
GRACE_S = 60.0  # a part that was merged stays for those who read it right now


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """For how many days each tier is kept; 0 is for ever."""

    minute: float = 400.0
    hour: float = 0.0
    day: float = 0.0

    def of(self, tier: Tier) -> float:
        """Return a tier's."""
        return {Tier.MINUTE: self.minute, Tier.HOUR: self.hour, Tier.DAY: self.day}[tier]


class RollingStore:
    """A ColdStore that rolls up whatever another one keeps."""

    def __init__(
        self,
        cold: ColdStore,
        series: SeriesStore,
        database: Database,
        folder: Path,
        clock: Clock,
        zone: ZoneInfo,
        keep: Retention,
    ) -> None:
        self._cold = cold
        self._database = database
        self._folder = Folder(folder, clock, zone)
        self._days = DayMaker(database, self._folder, series)
        self._clock = clock
        self._zone = zone
        self._keep = keep
        self._doomed: list[tuple[float, File]] = []

    def recover(self) -> int:
        return self._remove_strays() + self._cold.recover()

    def write(self, sealing: Sealing) -> Written:
        written = self._cold.write(sealing)
        try:
            files = self._folder.roll(sealing.columns, sealing.names)
        except StorageError:
            self._remove_strays()  # on a full disk what is half done is in its own way
            raise

        def commit(connection: sa.Connection) -> None:
            written.commit(connection)
            swap(connection, [], files)

        return Written(parts=written.parts + len(files), commit=commit)

    def tidy(self) -> bool:
        self._delete_doomed()
        if self._cold.tidy():
            return True
        try:
            return self._merge_some() or self._make_anew() or self._drop_old()
        except DamagedError as error:
            log.error("%s; its days are rolled up anew from their readings", error)
            self._give_up(error.path)
            return True

    def _give_up(self, path: Path) -> None:
        """Forget a damaged file, and have its days made anew."""
        with self._database.write() as connection:
            for file in listed(connection):
                if self._folder.is_at(file, path):
                    swap(connection, [file], [])
                    end_ms = bucket_end(Tier(file.tier), file.last_ms, self._zone)
                    make_anew(connection, file.first_ms, end_ms)

    def _remove_strays(self) -> int:
        with self._database.read() as connection:
            named = {file.path for file in listed(connection)}
        return self._folder.remove_all_but(named)

    def _merge_some(self) -> bool:
        """Merge the parts of one level, or of a period that is over, into one."""
        with self._database.read() as connection:
            files = listed(connection)
            names = series_names(connection)
        group = next(_mergeable(files, self._clock.now_ms() - SETTLED_MS), None)
        if group is None:
            return False
        new = self._folder.write(
            Tier(group[0].tier),
            group[0].period,
            max(file.level for file in group) + 1,
            self._folder.merged(group, names),
            names,
        )
        with self._database.write() as connection:
            swap(connection, group, new)
        self._doom(group)
        return True

    def _make_anew(self) -> bool:
        old = self._days.make_next()
        self._doom(old or [])
        return old is not None

    def _drop_old(self) -> bool:
        """Delete the files of one tier that are past its time."""
        for tier in (tier for tier in Tier if self._keep.of(tier)):
            before_ms = self._clock.now_ms() - round(self._keep.of(tier) * DAY_MS)
            with self._database.read() as connection:
                files = [each for each in listed(connection, tier=tier) if each.last_ms < before_ms]
            if files:
                kept_ms = bucket_end(tier, max(file.last_ms for file in files), self._zone)
                with self._database.write() as connection:
                    swap(connection, files, [])
                    keep_from(connection, tier, kept_ms)
                self._doom(files)
                return True
        return False

    def _doom(self, files: Sequence[File]) -> None:
        at_s = self._clock.monotonic_s()
        self._doomed += [(at_s, file) for file in files]

    def _delete_doomed(self) -> None:
        before_s = self._clock.monotonic_s() - GRACE_S
        self._folder.delete([file for at_s, file in self._doomed if at_s <= before_s])
        self._doomed = [each for each in self._doomed if each[0] > before_s]


def _mergeable(files: Sequence[File], settled_ms: int) -> Iterator[list[File]]:
    for _, filed in groupby(files, lambda file: (file.tier, file.period)):
        found = list(filed)
        newest_ms = max(file.made_ms for file in found)
        if len(found) > 1 and max(period_end_ms(found[0]), newest_ms) < settled_ms:
            yield found
        for _, same in groupby(found, lambda file: file.level):
            level = list(same)
            if len(level) >= FAN_IN:
                yield level
