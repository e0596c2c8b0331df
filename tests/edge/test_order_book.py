"""The book of orders: whatever became of its file, the agent starts and believes nothing old."""

from __future__ import annotations

from pathlib import Path

import pytest

from contract.clock import ManualClock
from edge.order_book import OrderBook


@pytest.mark.parametrize(
    "content",
    [
        b'{"since_ms": 1, "ids": {"\xff\xfe": 3}}',
        b'{"since_ms": 1, "other": ' + b"[" * 100_000,
        b'{"since_ms": "yesterday"}',
        b"\0" * 200,
        b"",
    ],
)
def test_a_damaged_file_is_begun_anew_and_believes_nothing_older(
    content: bytes, tmp_path: Path
) -> None:
    clock = ManualClock()
    (tmp_path / "b.orders").write_bytes(content)
    assert OrderBook(tmp_path / "b", clock).memory().since_ms == clock.now_ms()
    assert OrderBook(tmp_path / "b", clock).memory().since_ms == clock.now_ms()
