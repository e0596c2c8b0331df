"""A Store without a disk: the fake that passes the same suite."""

from __future__ import annotations

from collections.abc import Container, Sequence

from contract.codec import encode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import Batch, Gap, Reading
from edge.core.gaps import merge_gaps
from edge.core.heard import REMEMBERED
from edge.ports import Held, Loss, Stored


class Disk:
    """What outlives one opening. Set `broken` to make every commit fail."""

    def __init__(self) -> None:
        self.batches: dict[int, tuple[Stored, int, int, tuple[Gap, ...]]] = {}
        self.next_seq = 1
        self.published_readings = 0
        self.published_batches = 0
        self.broken = ""
        self.heard: list[bytes] = []


class MemoryStore:
    """Keeps batches in a dict."""

    def __init__(self, disk: Disk, *, max_bytes: int, max_age_ms: int) -> None:
        self.epoch = "feedbeef"
        self._disk, self._max_bytes, self._max_age_ms = disk, max_bytes, max_age_ms
        self._acked = IntervalSet()

    def commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes] = (),
    ) -> list[Stored]:
        if self._disk.broken:
            raise StorageError(self._disk.broken)
        for seq in [seq for seq in self._disk.batches if seq in self._acked]:
            del self._disk.batches[seq]
        self._acked = IntervalSet()
        self._disk.heard = [*self._disk.heard, *heard][-REMEMBERED:]
        new: list[Stored] = []
        if loss is not None:
            lost = self._number()
            self._gaps([_gap(lost, loss.first_ms, loss.last_ms, loss.readings, loss.reason)])
        for group, is_urgent in ((urgent, True), (normal, False)):
            starts = range(0, len(group), 1_000)
            new += [self._add(tuple(group[at : at + 1_000]), is_urgent) for at in starts]
        if new:
            new += self._bound(now_ms, new[0].seq)
        return new

    def acknowledge(self, numbers: IntervalSet) -> None:
        for first, last in numbers:
            self._acked.add(first, last)

    def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        stored = sorted(
            (each[0] for each in self._disk.batches.values()),
            key=lambda each: (not each.urgent, each.seq),
        )
        return [s for s in stored if s.seq not in excluded and s.seq not in self._acked][:limit]

    def heard(self) -> list[bytes]:
        return [*self._disk.heard]

    def figures(self) -> Held:
        held = self._disk.batches
        return Held(
            epoch=self.epoch,
            published_readings=self._disk.published_readings,
            published_batches=self._disk.published_batches,
            held_batches=len(held),
            held_readings=sum(each[0].readings for each in held.values()),
            held_bytes=self._size(),
            oldest_ms=held[min(held)][1] if held else None,
            max_bytes=self._max_bytes,
        )

    def close(self) -> None:
        if not self._disk.broken:
            self.commit([], [], 0, None)

    def _size(self) -> int:
        return sum(len(each[0].payload) for each in self._disk.batches.values())

    def _number(self) -> int:
        self._disk.next_seq += 1
        return self._disk.next_seq - 1

    def _add(
        self, readings: tuple[Reading, ...], urgent: bool, gaps: tuple[Gap, ...] = ()
    ) -> Stored:
        seq = self._number()
        batch = Batch(epoch=self.epoch, seq=seq, readings=readings, gaps=gaps)
        stored = Stored(seq, urgent, len(readings), encode_batch(batch))
        times = [r.observed_ms for r in readings] or [gaps[0].first_ms, gaps[-1].last_ms]
        self._disk.batches[seq] = (stored, min(times), max(times), gaps)
        self._disk.published_readings += len(readings)
        self._disk.published_batches += 1
        return stored

    def _bound(self, now_ms: int, first_new: int) -> list[Stored]:
        gaps: list[Gap] = []
        for seq in sorted(seq for seq in self._disk.batches if seq < first_new):
            stored, first_ms, last_ms, told = self._disk.batches[seq]
            old = last_ms < now_ms - self._max_age_ms
            if told or not (old or self._size() > self._max_bytes * 0.98):
                continue
            del self._disk.batches[seq]
            reason = "too old" if old else "buffer full"
            gaps.append(_gap(seq, first_ms, last_ms, stored.readings, reason))
        return [self._gaps(gaps)] if gaps else []

    def _gaps(self, gaps: list[Gap]) -> Stored:
        for seq in [seq for seq, each in self._disk.batches.items() if each[3]]:
            _, first_ms, last_ms, told = self._disk.batches.pop(seq)
            gaps = [*gaps, *told, _gap(seq, first_ms, last_ms, 0, told[0].reason)]
        return self._add((), urgent=False, gaps=tuple(merge_gaps(gaps)))


def _gap(seq: int, first_ms: int, last_ms: int, readings: int, reason: str) -> Gap:
    return Gap(
        first_seq=seq,
        last_seq=seq,
        first_ms=first_ms,
        last_ms=last_ms,
        readings=readings,
        reason=reason,
    )
