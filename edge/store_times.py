"""Batches whose times are in doubt: kept back on disk until they are known, then put right."""

from __future__ import annotations

from msgspec.structs import replace

from contract.readings import Batch
from edge.core.clock_trust import shift_of_boot, shifted
from edge.store_rows import Row, Rows, Time, span

AT_ONCE = 500
RESTS = "SELECT boot, offset_ms, floor_ms FROM batches WHERE seq = ?"
OF_BOOT = (
    "SELECT min(first_ms), max(last_ms), max(floor_ms) FROM batches WHERE doubt = 1 AND boot = ?"
)


class Times:
    """Settles the times of batches, some at once."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.any_held = bool(list(rows.each("doubt = 1 LIMIT 1")))
        self._shifts: dict[str, int] = {}

    def settle(self, boot: str, offset_ms: int | None) -> bool:
        """Give batches their times for good; return whether any got theirs.

        Those of this boot are moved to its offset, if that is known. Those of a boot that ended
        before its offset was known keep their guess, within what is known of the boots around it.
        """
        found = list(self._rows.each(f"doubt = {Time.HELD:d} ORDER BY seq LIMIT {AT_ONCE}"))
        for row in found:
            own, guessed_ms, _ = self._rows.db.execute(RESTS, (row.seq,)).fetchone()
            if offset_ms is None:
                self._write(row, 0, Time.UNSURE)
            elif own == boot:
                self._write(row, offset_ms - guessed_ms, Time.SURE)
            else:
                self._write(row, self._shift(own, offset_ms), Time.UNSURE)
        self.any_held = len(found) == AT_ONCE
        return bool(found)

    def _shift(self, boot: str, not_after_ms: int) -> int:
        if boot not in self._shifts:
            first_ms, last_ms, floor_ms = self._rows.db.execute(OF_BOOT, (boot,)).fetchone()
            self._shifts[boot] = shift_of_boot(first_ms, last_ms, floor_ms, not_after_ms)
        return self._shifts[boot]

    def _write(self, row: Row, by_ms: int, time: Time) -> None:
        batch = self._rows.read(row.seq)
        unsure = time is Time.UNSURE
        readings = tuple(shifted(one, by_ms, unsure=unsure) for one in batch.readings)
        gaps = tuple(
            replace(one, first_ms=one.first_ms + by_ms, last_ms=one.last_ms + by_ms)
            for one in batch.gaps
        )
        settled: Batch = replace(batch, readings=readings, gaps=gaps, clock_synchronised=not unsure)
        self._rows.rewrite(row, settled, time)
        if time is Time.SURE:
            self._rows.db.execute("UPDATE meta SET sure_ms = max(sure_ms, ?)", (span(readings)[1],))
