"""What every Store of the edge promises. Subclass the suite, and give it a way to open one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import pytest

from contract.codec import decode_batch
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.readings import Batch, Gap, Reading
from edge.core.clock_trust import Doubt
from edge.core.heard import REMEMBERED
from edge.ports import Loss, Store, Stored

NOW_MS = 1_790_000_000_000


class OpenStore(Protocol):
    """Opens the store under test, always the same one."""

    def __call__(self, *, max_bytes: int = 10_000_000, max_age_ms: int = 10**12) -> Store: ...


def readings(
    count: int, at_ms: int = NOW_MS, device: str = "dust-01", value: float = 60.0
) -> list[Reading]:
    """Return readings a second apart, the last one at at_ms, none like another."""
    return [
        Reading(device, "pm10", at_ms - 1000 * (count - 1 - i), value + i / 7) for i in range(count)
    ]


def batches_of(stored: Sequence[Stored]) -> list[Batch]:
    """Read payloads as the cloud does; nothing in them may be rejected."""
    decoded = [decode_batch(each.payload) for each in stored]
    assert not any(each.rejected for each in decoded)
    assert [each.batch.seq for each in decoded] == [each.seq for each in stored]
    return [each.batch for each in decoded]


def numbers(stored: Sequence[Stored]) -> list[int]:
    return [each.seq for each in stored]


def gaps_in(stored: Sequence[Stored]) -> list[Gap]:
    return [gap for batch in batches_of(stored) for gap in batch.gaps]


class StoreSuite:
    """Each test opens the store by the fixture `open_store`, which outlives one opening."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        store = open_store()
        yield store
        store.close()

    def test_messages_heard_outlive_the_opening(self, open_store: OpenStore) -> None:
        store = open_store()
        store.commit([], readings(1), NOW_MS, None, [b"a", b"b"])
        store.commit([], [], NOW_MS, None, [b"c"])
        store.close()
        store = open_store()
        assert store.heard() == [b"a", b"b", b"c"]
        store.close()

    def test_messages_heard_are_bounded(self, store: Store) -> None:
        keys = [b"%d" % number for number in range(REMEMBERED + 5)]
        for at in range(0, len(keys), 4_000):
            store.commit([], [], NOW_MS, None, keys[at : at + 4_000])
        assert store.heard() == keys[5:]

    def test_a_new_store_is_empty(self, store: Store) -> None:
        held = store.figures()
        assert held.epoch == store.epoch
        assert (held.published_readings, held.published_batches, held.held_batches) == (0, 0, 0)
        assert held.oldest_ms is None
        assert store.waiting((), 10) == []

    def test_readings_come_back_as_they_went_in(self, store: Store) -> None:
        strange = [
            Reading("gas-01", "gas_pressure.inlet", NOW_MS + 1, None, Quality.COMMUNICATION),
            Reading("gas-01", "gas_pressure.outlet", NOW_MS, -0.0, Quality.OVER_RANGE),
        ]
        stored = store.commit([], [*readings(3), *strange], NOW_MS, None)
        (batch,) = batches_of(stored)
        assert batch.epoch == store.epoch
        assert list(batch.readings) == [*readings(3), *strange]
        assert store.waiting((), 10) == stored

    def test_batches_are_numbered_from_one_without_holes(self, store: Store) -> None:
        for expected in (1, 2, 3):
            assert numbers(store.commit([], readings(1), NOW_MS, None)) == [expected]

    def test_urgent_readings_have_a_batch_of_their_own_before_the_others(
        self, store: Store
    ) -> None:
        store.commit([], readings(1), NOW_MS, None)
        urgent, normal = store.commit(readings(2, device="gas-01"), readings(1), NOW_MS, None)
        assert (urgent.urgent, normal.urgent) == (True, False)
        assert numbers(store.waiting((), 10)) == [1, urgent.seq, normal.seq]

    def test_the_latest_urgent_are_told_in_their_order(self, store: Store) -> None:
        for _ in range(4):
            store.commit(readings(1, device="gas-01"), readings(1), NOW_MS, None)
        store.acknowledge(IntervalSet([(7, 7)]))
        store.commit([], [], NOW_MS, None)
        assert numbers(store.latest_urgent(2)) == [3, 5]

    def test_a_gap_record_stands_where_its_first_number_is(self, open_store: OpenStore) -> None:
        store = open_store(max_age_ms=60_000)
        store.commit([], readings(1), NOW_MS, None)
        store.commit([], readings(1, NOW_MS + 100_000), NOW_MS, None)
        store.commit([], readings(1, NOW_MS + 100_000), NOW_MS + 100_000, None)
        assert numbers(store.waiting((), 10)) == [4, 2, 3]
        store.close()

    def test_what_is_held_for_the_time_goes_once_it_is_known(self, open_store: OpenStore) -> None:
        store = open_store()
        doubt = Doubt("boot-1", NOW_MS - 50_000, 0)
        assert store.commit(readings(1), readings(2), 0, None, (), doubt, hold=True) == []
        assert numbers(store.commit([], readings(1), 0, None)) == [3]
        assert numbers(store.waiting((), 10)) == [3]
        assert store.latest_urgent(10) == []
        assert store.figures().held_readings == 4
        store.close()
        store = open_store()  # the agent is started again in the same boot
        assert numbers(store.waiting((), 10)) == [3]
        assert store.settle("boot-1", NOW_MS)
        assert not store.settle("boot-1", NOW_MS)
        first, second, third = batches_of(store.waiting((), 10))
        assert [first.readings, second.readings] == [
            tuple(readings(1, NOW_MS + 50_000)),
            tuple(readings(2, NOW_MS + 50_000)),
        ]
        assert (first.seq, second.seq, third.seq) == (1, 2, 3)
        assert all(batch.clock_synchronised for batch in (first, second, third))
        store.close()

    def test_of_a_boot_without_any_time_the_guess_is_kept_and_flagged(self, store: Store) -> None:
        doubt = Doubt("boot-1", NOW_MS - 50_000, 0)
        store.commit([], readings(2, NOW_MS + 9_000), 0, None, (), doubt, hold=True)
        assert store.settle("boot-2", NOW_MS)  # booted before the guesses: they were too late
        (batch,) = batches_of(store.waiting((), 10))
        assert not batch.clock_synchronised
        assert [r.observed_ms for r in batch.readings] == [NOW_MS - 1_000, NOW_MS]
        assert {r.quality for r in batch.readings} == {Quality.CLOCK_UNSURE}

    def test_nothing_waits_for_ever_for_the_time(self, store: Store) -> None:
        doubt = Doubt("boot-1", NOW_MS - 50_000, 0)
        store.commit([], readings(2), 0, None, (), doubt, hold=True)
        assert store.settle("boot-1", None)
        (sent,) = store.commit([], readings(1), 0, None, (), doubt, hold=False)
        for batch in batches_of(store.waiting((), 10)):
            assert not batch.clock_synchronised
            assert {r.quality for r in batch.readings} == {Quality.CLOCK_UNSURE}
        assert sent.seq == 2

    def test_a_clock_that_jumps_back_neither_reorders_nor_overwrites(self, store: Store) -> None:
        first = store.commit([], readings(2, NOW_MS), NOW_MS, None)
        back = store.commit([], readings(2, NOW_MS - 10_000), NOW_MS - 10_000, None)
        again = store.commit([], readings(2, NOW_MS), NOW_MS, None)
        assert store.waiting((), 10) == first + back + again
        assert numbers(first + back + again) == [1, 2, 3]

    def test_batches_are_bounded(self, store: Store) -> None:
        stored = store.commit([], readings(2_500), NOW_MS, None)
        assert [each.readings for each in stored] == [1_000, 1_000, 500]

    def test_nothing_to_commit_is_no_batch(self, store: Store) -> None:
        assert store.commit([], [], NOW_MS, None) == []
        assert store.figures().published_batches == 0

    def test_waiting_leaves_out_what_is_excluded_and_keeps_to_the_limit(self, store: Store) -> None:
        for _ in range(5):
            store.commit([], readings(1), NOW_MS, None)
        assert numbers(store.waiting({1, 3}, 2)) == [2, 4]

    def test_what_is_acknowledged_is_let_go(self, store: Store) -> None:
        for _ in range(5):
            store.commit([], readings(2), NOW_MS, None)
        store.acknowledge(IntervalSet([(1, 2), (4, 4)]))
        assert numbers(store.waiting((), 10)) == [3, 5]
        store.commit([], [], NOW_MS, None)
        held = store.figures()
        assert (held.held_batches, held.held_readings, held.published_readings) == (2, 4, 10)

    def test_an_acknowledgement_of_what_is_not_there_yet_lets_nothing_go(
        self, store: Store
    ) -> None:
        store.acknowledge(IntervalSet([(1, 1_000)]))
        stored = store.commit([], readings(1), NOW_MS, None)
        assert store.waiting((), 10) == stored

    def test_the_oldest_time_is_that_of_the_oldest_batch(self, store: Store) -> None:
        store.commit([], readings(3, NOW_MS), NOW_MS, None)
        store.commit([], readings(1, NOW_MS + 9_000), NOW_MS, None)
        assert store.figures().oldest_ms == NOW_MS - 2_000

    def test_all_is_there_after_opening_again(self, open_store: OpenStore) -> None:
        store = open_store()
        epoch = store.epoch
        stored = store.commit(readings(1), readings(2_000), NOW_MS, None)
        store.acknowledge(IntervalSet([(2, 2)]))
        store.close()
        again = open_store()
        assert again.epoch == epoch
        assert again.waiting((), 10) == [each for each in stored if each.seq != 2]
        assert again.figures().published_readings == 2_001
        assert again.figures().held_readings == 1_001
        assert numbers(again.commit([], readings(1), NOW_MS, None)) == [4]
        again.close()

    def test_when_full_the_oldest_go_and_a_gap_record_names_them(
        self, open_store: OpenStore
    ) -> None:
        store = open_store(max_bytes=100_000)
        stored: list[Stored] = []
        for i in range(60):
            stored += store.commit([], readings(1_000, NOW_MS + i * 1_000_000), NOW_MS, None)
        held = store.waiting((), 1_000)
        gaps = gaps_in(held)
        lost = {n for gap in gaps for n in range(gap.first_seq, gap.last_seq + 1)}
        assert store.figures().held_bytes <= 100_000
        assert lost.isdisjoint(numbers(held))
        assert lost | set(numbers(held)) == set(range(1, max(numbers(held)) + 1))
        assert sum(gap.readings for gap in gaps) == 60_000 - store.figures().held_readings
        assert {gap.reason for gap in gaps} == {"buffer full"}
        assert min(gap.first_ms for gap in gaps) == NOW_MS - 999_000
        assert stored[-2].seq in numbers(held)  # never the newest
        store.close()

    def test_gap_records_do_not_pile_up(self, open_store: OpenStore) -> None:
        store = open_store(max_bytes=100_000)
        for _ in range(300):
            store.commit([], readings(1_000), NOW_MS, None)
        empty = [each for each in store.waiting((), 1_000) if not each.readings]
        assert len(empty) == 1
        store.close()

    def test_what_was_just_committed_is_never_given_up(self, open_store: OpenStore) -> None:
        store = open_store(max_bytes=1_000)
        stored = store.commit([], readings(3_000), NOW_MS, None)
        assert numbers(store.waiting((), 10)) == numbers(stored) == [1, 2, 3]
        store.close()

    def test_what_is_too_old_goes_and_a_gap_record_names_it(self, open_store: OpenStore) -> None:
        store = open_store(max_age_ms=60_000)
        store.commit([], readings(5, NOW_MS), NOW_MS, None)
        stored = store.commit([], readings(1, NOW_MS + 61_000), NOW_MS + 61_000, None)
        assert numbers(store.waiting((), 10)) == [3, 2]
        assert gaps_in(stored) == [
            Gap(
                first_seq=1,
                last_seq=1,
                first_ms=NOW_MS - 4_000,
                last_ms=NOW_MS,
                readings=5,
                reason="too old",
            )
        ]
        store.close()

    def test_a_loss_before_the_disk_gets_a_number_so_that_it_can_be_told(
        self, store: Store
    ) -> None:
        loss = Loss(70, NOW_MS - 5_000, NOW_MS, "disk failed")
        store.commit([], readings(1), NOW_MS, None)
        store.commit([], readings(2), NOW_MS, loss)
        held = store.waiting((), 10)
        assert gaps_in(held) == [
            Gap(
                first_seq=2,
                last_seq=2,
                first_ms=NOW_MS - 5_000,
                last_ms=NOW_MS,
                readings=70,
                reason="disk failed",
            )
        ]
        assert sorted(numbers(held)) == [1, 3, 4]
