"""Keeping a buffer file within its bounds: what is too old goes; when full, the ladder is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from contract.quantities import Kind
from contract.readings import Gap, Reading
from edge.core.gaps import merge_gaps
from edge.core.thinning import URGENT_KINDS, Step, Thinner
from edge.store_rows import URGENT, Row, Rows, Time, gap, span

# Room is made when all but a part in so many is used, and then as much again is cleared.
SPARE = 64
# So many batches are looked at in one commit, which others wait for; more only if nothing is left.
AT_ONCE = 500
CHUNK = 100


class Bounds:
    """Gives up the oldest, never what has just been committed, and returns what that loses."""

    def __init__(
        self,
        rows: Rows,
        *,
        max_bytes: int,
        max_age_ms: int,
        steps: Sequence[Step],
        kinds: Mapping[str, Kind],
    ) -> None:
        self._rows, self._max_bytes, self._max_age_ms = rows, max_bytes, max_age_ms
        self.disk_bytes: int | None = None  # what the disk has room for, once it was full
        self._steps = steps
        self._kinds = kinds
        self._unknown = Kind.NOISE  # what devices that are not configured any more are taken for
        self._thinners: dict[str, Thinner] = {}
        self._through: dict[str, int] = {}

    def forget(self) -> None:
        """The transaction was rolled back: what was remembered of it is not so."""
        self._thinners, self._through = {}, {}

    def enforce(self, now_ms: int, first_new: int) -> list[Gap]:
        """Bring the file within its bounds; return what was given up."""
        gaps = self._drop_old(now_ms - self._max_age_ms, first_new)
        spare = self._limit // SPARE
        if self._rows.count.size > self._limit - spare:
            gaps += self._make_room(self._limit - 2 * spare, first_new, self._steps)
        return gaps

    def drop(self, first_new: int) -> list[Gap]:
        """The same without thinning, which may need room itself before it gives any."""
        dropping = [step for step in self._steps if not step.every_ms]
        return self._make_room(self._limit, first_new, dropping)

    @property
    def _limit(self) -> int:
        return min(self._max_bytes, self.disk_bytes or self._max_bytes)

    def _drop_old(self, before_ms: int, first_new: int) -> list[Gap]:
        gaps = []
        old = "readings > 0 AND doubt = 0 AND seq < ? ORDER BY seq"
        for row in self._rows.each(old, first_new):
            if row.last_ms >= before_ms:
                break
            gaps.append(_gap(row, "too old"))
        self._delete(gaps)
        return gaps

    def _make_room(self, wanted: int, first_new: int, steps: Sequence[Step]) -> list[Gap]:
        gaps: list[Gap] = []
        looked_at = 0
        for step in steps:
            end = self._end(step, first_new)
            while self._rows.count.size > wanted:
                if looked_at >= AT_ONCE and self._rows.count.size <= self._limit:
                    return gaps
                rows = self._after(step, end)
                if not rows:
                    break
                looked_at += len(rows)
                gaps += self._take(step, rows, f"{self._why} full{step.how}")
        return gaps

    @property
    def _why(self) -> str:
        return "disk" if self._limit < self._max_bytes else "buffer"

    def _end(self, step: Step, first_new: int) -> int:
        """Return the number before which a step may be taken."""
        (first,) = self._rows.db.execute(
            "SELECT coalesce(min(seq), 0) FROM batches WHERE readings > 0"
        ).fetchone()
        return first_new - int((first_new - first) * step.newest)

    def _after(self, step: Step, end: int) -> list[Row]:
        if step.name not in self._through:
            row = self._rows.db.execute(
                "SELECT through FROM thinned WHERE step = ?", (step.name,)
            ).fetchone()
            self._through[step.name] = row[0] if row else 0
        condition = f"readings > 0 AND seq > ? AND seq < ? ORDER BY seq LIMIT {CHUNK}"
        return list(self._rows.each(condition, self._through[step.name], end))

    def _take(self, step: Step, rows: Sequence[Row], reason: str) -> list[Gap]:
        """Take a step over some batches; return those that are wholly gone."""
        gaps = [_gap(row, reason) for row in rows if self._empties(step, row, reason)]
        self._delete(gaps)
        self._through[step.name] = rows[-1].seq
        self._rows.db.execute(
            "INSERT OR REPLACE INTO thinned VALUES (?, ?)", (step.name, rows[-1].seq)
        )
        return gaps

    def _empties(self, step: Step, row: Row, reason: str) -> bool:
        """Thin one batch out; return whether nothing of it stays."""
        kinds = URGENT_KINDS if row.priority == URGENT else frozenset(Kind) - URGENT_KINDS
        if not kinds & step.kinds:
            return False
        if not step.every_ms and kinds <= step.kinds:
            return True
        if step.name not in self._thinners:
            self._thinners[step.name] = Thinner(
                step, lambda device: self._kinds.get(device, self._unknown)
            )
        self._unknown = Kind.GAS if row.priority == URGENT else Kind.NOISE
        batch = self._rows.read(row.seq)
        kept = self._thinners[step.name].keep(batch.readings)
        if kept and len(kept) < len(batch.readings):
            gone = _without(batch.readings, kept)
            told = gap(row.seq, span(gone), len(gone), reason)
            own = _joined(told, batch.gaps)
            thinner = replace(batch, readings=tuple(kept), gaps=(own,))
            self._rows.rewrite(row, thinner, Time(row.doubt))
        return not kept

    def _delete(self, gaps: Sequence[Gap]) -> None:
        for one in merge_gaps(gaps):
            self._rows.delete(one.first_seq, one.last_seq)


def _gap(row: Row, reason: str) -> Gap:
    return gap(row.seq, (row.first_ms, row.last_ms), row.readings + row.thinned, reason)


def _without(readings: Sequence[Reading], kept: Sequence[Reading]) -> list[Reading]:
    stay = set(map(id, kept))
    return [reading for reading in readings if id(reading) not in stay]


def _joined(new: Gap, old: Sequence[Gap]) -> Gap:
    """A batch tells of all that was ever taken out of it, in one."""
    return replace(
        new,
        first_ms=min((new.first_ms, *(one.first_ms for one in old))),
        last_ms=max((new.last_ms, *(one.last_ms for one in old))),
        readings=new.readings + sum(one.readings for one in old),
    )
