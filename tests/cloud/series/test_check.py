from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from cloud.series.check import QUARANTINE, Report, check
from cloud.series.sealer import Keep
from cloud.state import schema
from cloud.state.database import Database
from tests.cloud.series.kit import DAY_S, LakeBench, add_series, lake_bench
from tests.suites.series_store import GAS, LAEQ, OK, T0_MS, columns_of


@pytest.fixture
def keeping(database: Database, tmp_path: Path) -> LakeBench:
    """A lake whose sealed blocks are kept, with two days in it."""
    add_series(database)
    bench = lake_bench(database, tmp_path / "lake", keep=Keep(for_ms=60_000))
    for at in range(3):
        bench.commit(columns_of([(LAEQ, at, 60.5, OK), (GAS, at, 1 / 3, OK), (GAS, DAY_S, 2, OK)]))
        bench.seal()
    return bench


def looked(bench: LakeBench, *, repair: bool = False) -> Report:
    return check(bench.database, bench.folder, repair=repair, now_ms=T0_MS)


def forget(bench: LakeBench) -> None:
    bench.clock.advance_ms(60_000)
    bench.sealer.forget()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))


def reorder(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.take(list(range(table.num_rows))[::-1]), path)


DAMAGE = [cut, flip, reorder, Path.unlink, lambda path: path.write_bytes(b"")]


def test_a_whole_lake_is_told_to_be_whole(keeping: LakeBench) -> None:
    report = looked(keeping)
    assert report.whole
    assert (report.files, report.readings, report.blocks, report.strays) == (6, 9, 3, 0)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_repaired_from_the_blocks(keeping: LakeBench, damage: object) -> None:
    before = keeping.values()
    path = keeping.paths()[0]
    assert callable(damage)
    damage(path)
    (found,) = looked(keeping).findings
    assert (found.done, found.readings) == ("nothing", 2)
    assert found.wrong
    assert not looked(keeping).whole
    (found,) = looked(keeping, repair=True).findings
    assert (found.done, found.missing) == ("repaired", 0)
    assert keeping.values() == before
    assert looked(keeping).findings == []


def test_a_merged_file_is_repaired_too_while_all_its_blocks_are_kept(keeping: LakeBench) -> None:
    before = keeping.values()
    keeping.clock.set_now_ms(T0_MS + 3 * DAY_S * 1000)
    keeping.tidy()
    flip(keeping.paths()[0])
    assert looked(keeping, repair=True).whole
    assert keeping.values() == before


def test_what_cannot_be_had_back_is_a_hole_and_the_rest_goes_on(keeping: LakeBench) -> None:
    forget(keeping)
    path = keeping.paths()[0]
    cut(path)
    (found,) = looked(keeping, repair=True).findings
    assert (found.done, found.missing) == ("quarantined", 2)
    assert (keeping.folder / QUARANTINE / path.name).exists()
    assert looked(keeping).whole
    assert len(keeping.values()) == 7 == keeping.store.count().stored
    with keeping.database.read() as connection:
        (hole,) = connection.execute(sa.select(schema.lake_holes)).all()
    assert (hole.readings, hole.day) == (2, "2026-09-21")
    assert "bytes" in hole.reason


def test_what_can_still_be_read_of_a_damaged_file_is_kept(keeping: LakeBench) -> None:
    """Row groups whose pages have the right checksum are whole, whatever the file's says."""
    forget(keeping)
    path = keeping.paths()[0]
    data = path.read_bytes()
    # A harmless word of the footer: the maker's name.
    path.write_bytes(data.replace(b"parquet-cpp", b"parquet-CPP"))
    (found,) = looked(keeping, repair=True).findings
    assert (found.done, found.missing) == ("repaired", 0)
    assert len(keeping.values()) == 9


def test_a_damaged_block_is_told(keeping: LakeBench) -> None:
    with keeping.database.write() as connection:
        connection.execute(
            schema.blocks.update().where(schema.blocks.c.id == 2).values(data=b"\x00" * 9)
        )
    (found,) = looked(keeping).findings
    assert (found.path, found.readings) == ("block 2", 3)
