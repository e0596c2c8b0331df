"""The ledger of what was served."""

from __future__ import annotations

from pathlib import Path

from simulators.ledger import Ledger, Served, read_ledger


def served(number: int) -> Served:
    return Served(
        device="one", measurement="pm10", value=number, served_ms=1000 * number, to="127.0.0.1:9"
    )


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    with Ledger(tmp_path / "served.jsonl") as ledger:
        ledger.record(served(1), served(2))
        ledger.record()
        ledger.record(served(3))
        assert read_ledger(tmp_path / "served.jsonl") == [served(1), served(2), served(3)]


def test_it_goes_on_where_it_was_and_forgives_a_line_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "served.jsonl"
    for number in (1, 2):
        with Ledger(path) as ledger:
            ledger.record(served(number))
    with path.open("ab") as file:
        file.write(b'{"device":"on')
    assert read_ledger(path) == [served(1), served(2)]


def test_it_is_bounded_and_keeps_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "served.jsonl"
    with Ledger(path, max_bytes=1000) as ledger:
        for number in range(100):
            ledger.record(served(number))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2200
    kept = read_ledger(path)
    assert kept == [served(number) for number in range(100 - len(kept), 100)]
    assert len(kept) >= 10


def test_without_a_path_nothing_is_kept() -> None:
    with Ledger(None) as ledger:
        ledger.record(served(1))
