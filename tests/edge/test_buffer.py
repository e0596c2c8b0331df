"""Group commit: in time, in order, and through a failing disk."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from contract.clock import ManualClock, SystemClock
from contract.errors import StorageError
from contract.intervals import IntervalSet
from contract.quality import Quality
from contract.readings import NOT_RUNNING, Reading
from edge.buffer import MOST_UNACKNOWLEDGED, Buffer
from edge.health import Health
from edge.ports import Stored
from edge.store import open_store
from edge.store_schema import CorruptError
from edge.time_keeper import Source, SystemTimeKeeper
from tests.edge.kit import eventually
from tests.edge.memory_store import Disk, MemoryStore
from tests.suites.buffers import batches_of, gaps_in, numbers, readings


class Bench:
    """A buffer over a memory store, running, and what it has told the uplink."""

    def __init__(self, commit_every_s: float = 0.05, max_pending: int = 100_000) -> None:
        self.disk = Disk()
        self.clock = SystemClock()
        self.health = Health(self.clock)
        self.told: list[Stored] = []
        self.changed = asyncio.Event()
        self.buffer = Buffer(
            self._open,
            commit_every_s=commit_every_s,
            clock=self.clock,
            health=self.health,
            max_pending=max_pending,
        )
        self.buffer.on_commit = self._take

    def _open(self, *, fresh: bool) -> MemoryStore:
        return MemoryStore(self.disk, max_bytes=10_000_000, max_age_ms=10**12)

    def _take(self, batches: Sequence[Stored]) -> None:
        self.told += batches
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.buffer.run())
        yield bench
        bench.buffer.stop()
    await bench.buffer.close()


async def test_readings_are_committed_in_groups(bench: Bench) -> None:
    for _ in range(5):
        bench.buffer.put(readings(1), urgent=False)
    await bench.until(lambda: bool(bench.told))
    assert [each.readings for each in bench.told] == [5]
    assert bench.buffer.epoch == "feedbeef"


async def test_urgent_readings_do_not_wait_for_the_group() -> None:
    bench = Bench(commit_every_s=60.0)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.buffer.run())
        bench.buffer.put(readings(3), urgent=False)
        bench.buffer.put(readings(2, device="gas-01"), urgent=True)
        await bench.until(lambda: bool(bench.told))
        assert [(each.urgent, each.readings) for each in bench.told] == [(True, 2)]
        bench.buffer.stop()
    await bench.buffer.close()
    assert [(each.urgent, each.readings) for each in bench.told] == [(True, 2), (False, 3)]


async def test_a_stream_of_urgent_readings_does_not_hold_up_the_others(bench: Bench) -> None:
    bench.buffer.put(readings(1), urgent=False)

    async def alarms() -> None:
        while True:
            bench.buffer.put(readings(1, device="gas-01"), urgent=True)
            await asyncio.sleep(0.001)

    alarming = asyncio.ensure_future(alarms())
    await bench.until(lambda: any(not each.urgent for each in bench.told))
    alarming.cancel()


async def test_all_that_is_pending_is_committed_when_it_stops() -> None:
    bench = Bench(commit_every_s=60.0)
    bench.buffer.put(readings(7), urgent=False)
    running = asyncio.ensure_future(bench.buffer.run())
    bench.buffer.stop()
    await running
    await bench.buffer.close()
    assert sum(each.readings for each in bench.told) == 7


async def test_a_failing_disk_loses_nothing_while_memory_lasts(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.disk.broken = "database or disk is full"
    bench.buffer.put(readings(10), urgent=False)
    bench.buffer.put(readings(10, device="gas-01"), urgent=True)
    await eventually(lambda: bool(bench.health.told()))
    assert bench.health.told() == ("buffer: database or disk is full",)
    bench.disk.broken = ""
    await bench.until(lambda: sum(each.readings for each in bench.told) == 20)
    assert bench.health.told() == ()
    assert caplog.text.count("disk is full") == 1


async def test_who_asks_is_told_once_the_readings_are_on_disk_and_not_before() -> None:
    bench, told = Bench(), list[str]()
    bench.disk.broken = "database or disk is full"
    bench.buffer.put(readings(1), urgent=False, on_commit=lambda: told.append("normal"))
    bench.buffer.put(readings(1), urgent=True, on_commit=lambda: told.append("urgent"))
    assert not await bench.buffer.commit()
    assert told == []
    bench.disk.broken = ""
    assert await bench.buffer.commit(urgent_only=True)
    assert told == ["urgent"]
    assert await bench.buffer.commit()
    assert told == ["urgent", "normal"]
    await bench.buffer.close()


async def test_what_memory_could_not_hold_is_told_as_a_gap() -> None:
    bench = Bench(max_pending=100)
    bench.disk.broken = "database or disk is full"
    for i in range(30):
        bench.buffer.put(readings(10, at_ms=1_790_000_000_000 + i * 10_000), urgent=False)
        assert not await bench.buffer.commit()
    bench.disk.broken = ""
    assert await bench.buffer.commit()
    held = await bench.buffer.waiting((), 100)
    (gap,) = gaps_in(held)
    stored = sum(each.readings for each in held)
    assert stored + gap.readings == 300
    assert 90 <= stored <= 100
    newest = max(r.observed_ms for batch in batches_of(held) for r in batch.readings)
    assert newest == 1_790_000_290_000
    assert gap.last_ms < newest
    assert gap.reason == "disk failed"
    await bench.buffer.close()


async def test_what_is_acknowledged_is_let_go_without_new_readings(bench: Bench) -> None:
    bench.buffer.put(readings(1), urgent=False)
    await bench.until(lambda: bool(bench.told))
    bench.buffer.acknowledge(IntervalSet([(1, 1)]))
    assert await bench.buffer.waiting((), 10) == []
    await eventually(lambda: bench.buffer.held is not None and not bench.buffer.held.held_batches)


async def test_a_disk_that_fails_at_the_start_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    health = Health(SystemClock())
    buffer = Buffer(
        partial(open_store, folder / "buffer.sqlite", max_bytes=10**7, max_age_ms=10**12),
        commit_every_s=0.05,
        clock=SystemClock(),
        health=health,
    )
    await buffer.open()
    assert health.told() == ("buffer: unable to open database file",)
    buffer.put(readings(3), urgent=False)
    with pytest.raises(StorageError):
        await buffer.waiting((), 1)
    folder.mkdir()
    assert await buffer.commit()
    assert health.told() == ()
    assert numbers(await buffer.waiting((), 10)) == [1]
    await buffer.close()


async def test_damage_met_while_running_begins_a_new_file() -> None:
    asked: list[bool] = []

    class Damaged(MemoryStore):
        def commit(self, *_: object, **__: object) -> list[Stored]:
            raise CorruptError("database disk image is malformed")

    def opened(*, fresh: bool) -> MemoryStore:
        asked.append(fresh)
        kind = MemoryStore if fresh else Damaged
        return kind(Disk(), max_bytes=10**7, max_age_ms=10**12)

    clock = SystemClock()
    buffer = Buffer(opened, commit_every_s=60, clock=clock, health=Health(clock))
    buffer.put(readings(5), urgent=False)
    assert not await buffer.commit()
    assert await buffer.commit()
    assert asked == [False, True]
    (batch,) = batches_of(await buffer.waiting((), 10))
    assert len(batch.readings) == 5
    await buffer.close()


async def test_an_urgent_reading_is_on_disk_within_a_moment(tmp_path: Path) -> None:
    """20 ms of grouping and a commit; the bound here only tells it from commit_every_s."""
    buffer = Buffer(
        partial(open_store, tmp_path / "b.sqlite", max_bytes=10**7, max_age_ms=10**12),
        commit_every_s=60,
        clock=SystemClock(),
        health=Health(SystemClock()),
    )
    await buffer.open()
    committed = asyncio.Event()
    buffer.on_commit = lambda _: committed.set()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(buffer.run())
        await asyncio.sleep(0)
        start_s = time.monotonic()
        buffer.put(readings(1, device="gas-01"), urgent=True)
        async with asyncio.timeout(20):
            await committed.wait()
        assert time.monotonic() - start_s < 10
        buffer.stop()
    await buffer.close()


async def test_a_sender_is_told_when_its_readings_are_on_disk(bench: Bench) -> None:
    committed: list[int] = []
    bench.buffer.put(
        readings(3), urgent=False, on_commit=lambda: committed.append(len(bench.disk.batches))
    )
    assert committed == []
    await eventually(lambda: committed == [1])


async def test_a_sender_of_nothing_new_waits_for_what_came_before(bench: Bench) -> None:
    bench.disk.broken = "I/O error"
    told: list[str] = []
    bench.buffer.put(readings(1), urgent=False, on_commit=lambda: told.append("first"))
    await eventually(lambda: "buffer" in bench.health.problems)
    bench.buffer.put([], urgent=False, on_commit=lambda: told.append("again"))
    bench.buffer.put([], urgent=True, on_commit=lambda: told.append("urgent"))
    await asyncio.sleep(0.1)
    assert "first" not in told
    assert "again" not in told
    bench.disk.broken = ""
    await eventually(lambda: len(told) == 3)
    assert told.index("first") < told.index("again")
    assert [each.readings for each in bench.told] == [1]


async def test_a_disk_that_fails_tells_nobody_whatever_else_is_urgent() -> None:
    bench = Bench(commit_every_s=0.01)
    told: list[str] = []
    bench.disk.broken = "I/O error"
    bench.buffer.put(readings(1), urgent=False, on_commit=lambda: told.append("normal"))
    assert not await bench.buffer.commit()
    bench.disk.broken = ""
    bench.buffer.put(readings(1), urgent=True, on_commit=lambda: told.append("urgent"))
    assert await bench.buffer.commit(urgent_only=True)
    assert told == ["urgent"]
    assert await bench.buffer.commit()
    assert told == ["urgent", "normal"]
    await bench.buffer.close()


async def test_many_unacknowledged_messages_do_not_wait_for_the_group() -> None:
    """A broker sends no more than so many before some are acknowledged."""
    bench = Bench(commit_every_s=60.0)
    told: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(bench.buffer.run())
        for number in range(MOST_UNACKNOWLEDGED):
            bench.buffer.put(readings(1), urgent=False, on_commit=partial(told.append, number))
        await eventually(lambda: told == [*range(MOST_UNACKNOWLEDGED)])
        bench.buffer.stop()
    await bench.buffer.close()


async def test_messages_heard_are_committed_with_their_readings(bench: Bench) -> None:
    bench.buffer.put(readings(1), urgent=False, heard=[b"a"])
    bench.buffer.put(readings(1), urgent=True, heard=[b"b"])
    await eventually(lambda: set(bench.disk.heard) == {b"a", b"b"})
    assert await bench.buffer.heard() == bench.disk.heard


class Keeper:
    """A TimeKeeper that knows the time when it is told to."""

    boot = "boot-1"

    def __init__(self) -> None:
        self.knows = False

    def synchronised(self) -> bool:
        return self.knows


async def test_what_is_taken_before_the_time_is_known_gets_its_true_time(tmp_path: Path) -> None:
    """A cabinet boots in 1970; half a minute later a time server is reached."""
    clock, keeper = ManualClock(now_ms=5_000), Keeper()
    clock.advance_ms(20_000)
    health = Health(clock)

    def opened() -> Buffer:
        return Buffer(
            partial(open_store, tmp_path / "b", max_bytes=10**7, max_age_ms=10**12),
            commit_every_s=60,
            clock=clock,
            health=health,
            keeper=keeper,
            hold_s=30.0,
        )

    buffer = opened()
    await buffer.open()
    buffer.put(readings(1, at_ms=clock.now_ms() - 100), urgent=False)
    assert await buffer.commit()
    assert await buffer.waiting((), 10) == []
    assert health.told() == ("clock: not synchronised",)
    assert health.figures()["clock.synchronised"] == 0
    buffer.put(readings(1, at_ms=clock.now_ms() + 900), urgent=False)  # pending at the jump
    await buffer.close()
    buffer = opened()
    await buffer.open()
    clock.advance_ms(10_000)
    true_ms = 1_795_000_000_000
    clock.set_now_ms(true_ms)
    keeper.knows = True
    assert await buffer.commit()
    told = batches_of(await buffer.waiting((), 10))
    assert [r.observed_ms for batch in told for r in batch.readings] == [
        true_ms - 10_100,
        true_ms - 9_100,
    ]
    assert all(batch.clock_synchronised for batch in told)
    assert health.told() == ()
    await buffer.close()


async def test_once_online_readings_do_not_wait_long_for_the_time(tmp_path: Path) -> None:
    clock, keeper = ManualClock(), Keeper()
    buffer = Buffer(
        partial(open_store, tmp_path / "b", max_bytes=10**7, max_age_ms=10**12),
        commit_every_s=60,
        clock=clock,
        health=Health(clock),
        keeper=keeper,
        hold_s=30.0,
    )
    buffer.put(readings(1), urgent=False)
    buffer.connected()
    assert await buffer.commit()
    assert await buffer.waiting((), 10) == []
    clock.advance_ms(31_000)
    assert await buffer.commit()
    (batch,) = batches_of(await buffer.waiting((), 10))
    assert not batch.clock_synchronised
    assert batch.readings[0].quality is Quality.CLOCK_UNSURE
    await buffer.close()


def test_this_machine_says_whether_its_clock_is_right() -> None:
    keepers = {source: SystemTimeKeeper(source) for source in Source}
    assert keepers[Source.ALWAYS].synchronised()
    said = [keepers[each].synchronised() for each in (Source.KERNEL, Source.TIMESYNCD)]
    assert keepers[Source.AUTO].synchronised() is any(said)
    assert len({keeper.boot for keeper in keepers.values()}) == 1


async def test_the_time_without_an_agent_is_declared_once(tmp_path: Path) -> None:
    """Killed or stopped: whatever devices said since the last reading on disk, nobody heard."""
    clock = ManualClock()
    told: list[Stored] = []

    async def life(*commits: int) -> None:
        buffer = Buffer(
            partial(open_store, tmp_path / "b", max_bytes=10**7, max_age_ms=10**12),
            commit_every_s=60,
            clock=clock,
            health=Health(clock),
        )
        buffer.on_commit = told.extend
        await buffer.open()
        for count in commits:
            clock.advance_ms(1_000)
            taken = [Reading("d", "noise_la", clock.now_ms(), 50.0)] * count
            buffer.put(taken, urgent=False)
            assert await buffer.commit()
        await buffer.close()

    await life(3, 2)
    assert gaps_in(told) == []
    last_ms = clock.now_ms()
    clock.advance_ms(600_000)
    await life(1, 1)
    (gap,) = gaps_in(told)
    assert (gap.reason, gap.readings) == (NOT_RUNNING, 0)
    assert (gap.first_ms, gap.last_ms) == (last_ms, last_ms + 600_000)
