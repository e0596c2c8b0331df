"""A Store without a disk: the fake that passes the same suite."""

from __future__ import annotations

from collections.abc import Container, Sequence

from msgspec.structs import replace

from contract.codec import decode_batch, encode_batch
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.readings import Batch, Gap, Reading
from edge.core.clock_trust import Doubt, shifted
from edge.core.gaps import merge_gaps
from edge.core.heard import REMEMBERED
from edge.ports import Held, Loss, Stored


class Disk:
    """What outlives one opening. Set `broken` to make every commit fail."""

    def __init__(self) -> None:
        self.batches: dict[int, tuple[Stored, int, int, tuple[Gap, ...]]] = {}
        self.next_seq = 1
        self.heard: list[bytes] = []
        self.published_readings = 0
        self.published_batches = 0
        self.broken = ""
        self.doubts: dict[int, Doubt] = {}


class MemoryStore:
    """Keeps batches in a dict."""

    def __init__(self, disk: Disk, *, max_bytes: int, max_age_ms: int) -> None:
        self.epoch = "feedbeef"
        self._disk, self._max_bytes, self._max_age_ms = disk, max_bytes, max_age_ms
        self._acked = IntervalSet()
        self._hold = False

    def commit(
        self,
        urgent: Sequence[Reading],
        normal: Sequence[Reading],
        now_ms: int,
        loss: Loss | None,
        heard: Sequence[bytes] = (),
        doubt: Doubt | None = None,
        *,
        hold: bool = False,
    ) -> list[Stored]:
        if self._disk.broken:
            raise StorageError(self._disk.broken)
        self._hold = hold
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
            new += [self._add(tuple(group[at : at + 1_000]), is_urgent, (), doubt) for at in starts]
        if doubt is not None and hold:
            self._disk.doubts |= {each.seq: doubt for each in new}
        told = self._bound(now_ms, new[0].seq) if new else []
        return told if hold else new + told

    def settle(self, boot: str, offset_ms: int | None) -> bool:
        held = sorted(self._disk.doubts.items())
        for seq, doubt in held:
            stored, *_ = self._disk.batches[seq]
            sure = offset_ms is not None and doubt.boot == boot
            by_ms = offset_ms - doubt.offset_ms if offset_ms is not None and sure else 0
            if offset_ms is not None and not sure:
                last_ms = max(self._disk.batches[seq][2] for seq in self._disk.doubts)
                by_ms = min(0, offset_ms - last_ms)
            batch = decode_batch(stored.payload).batch
            readings = tuple(shifted(r, by_ms, unsure=not sure) for r in batch.readings)
            self._keep(replace(batch, readings=readings, clock_synchronised=sure), stored.urgent)
        self._disk.doubts.clear()
        return bool(held)

    def salvage(self) -> bool:
        return False

    def known_ms(self) -> int:
        return 0

    def acknowledge(self, numbers: IntervalSet) -> None:
        for first, last in numbers:
            self._acked.add(first, last)

    def waiting(self, excluded: Container[int], limit: int) -> list[Stored]:
        places = sorted(
            (told[0].first_seq if told else seq, seq)
            for seq, (*_, told) in self._disk.batches.items()
        )
        return [
            self._disk.batches[seq][0]
            for _, seq in places
            if seq not in excluded and seq not in self._acked and seq not in self._disk.doubts
        ][:limit]

    def latest_urgent(self, limit: int) -> list[Stored]:
        urgent = [each for each in self.waiting((), 10**9) if each.urgent]
        return urgent[-limit:]

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
            next_seq=self._disk.next_seq,
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
        self,
        readings: tuple[Reading, ...],
        urgent: bool,
        gaps: tuple[Gap, ...] = (),
        doubt: Doubt | None = None,
    ) -> Stored:
        if doubt is not None and not self._hold:
            readings = tuple(shifted(reading, 0, unsure=True) for reading in readings)
        batch = Batch(
            epoch=self.epoch,
            seq=self._number(),
            readings=readings,
            gaps=gaps,
            clock_synchronised=doubt is None,
        )
        self._disk.published_readings += len(readings)
        self._disk.published_batches += 1
        return self._keep(batch, urgent)

    def _keep(self, batch: Batch, urgent: bool) -> Stored:
        stored = Stored(batch.seq, urgent, len(batch.readings), encode_batch(batch))
        gaps = batch.gaps
        times = [r.observed_ms for r in batch.readings] or [gaps[0].first_ms, gaps[-1].last_ms]
        self._disk.batches[batch.seq] = (stored, min(times), max(times), gaps)
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
