"""More than intake can take: what it cannot hold waits in the broker, and all is stored once."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import intake_load as load
from benchmarks.intake import prepare
from benchmarks.intake_rig import rig
from tests.suites.brokers import BROKERS

SHAPE = load.Shape(gateways=2, devices=5, channels=10)
SLOW = "commit_every_s: 0.05, block_readings: 500, queue_messages: 50"
ROUNDS = 700
FIRST_MS = 1_790_000_000_000


@pytest.mark.e2e
@pytest.mark.parametrize("broker", sorted(BROKERS))
def test_overloaded_and_stopped_it_stays_small_and_stores_all_that_was_published(
    broker: str, tmp_path: Path
) -> None:
    packets = list(load.batches(SHAPE, 2, ROUNDS, FIRST_MS))
    with rig(tmp_path, broker, SLOW) as there:
        prepare(there, SHAPE)
        small_mb = there.peak_mb()
        known = there.counted("readings_stored")
        wire = load.connect(there.port)
        assert load.push(wire, packets) == len(packets)
        wire.close()
        total = known + len(packets) * SHAPE.readings
        assert there.counted("readings_stored") < total, "it was not overloaded"
        assert there.stop() == 0
        there.start()
        there.wait_stored(total, within_s=100)
        assert there.peak_mb() < small_mb + 64
        assert there.stop() == 0
        assert "Traceback" not in (tmp_path / "intake.log").read_text()
