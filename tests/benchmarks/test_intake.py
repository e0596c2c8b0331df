"""The benchmark runs, small; what it measures is for a quiet machine."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from benchmarks import intake_load as load
from benchmarks.intake import QUICK, main
from benchmarks.intake_bare import bare_us
from contract import codec, messages, topics
from contract.messages import Birth

SHAPE = load.Shape(gateways=2, devices=3, channels=2)


def body(packet: bytes) -> tuple[str, bytes]:
    """Take a PUBLISH apart."""
    at = 1
    while packet[at] & 128:
        at += 1
    (length,) = struct.unpack_from(">H", packet, at + 1)
    name = packet[at + 3 : at + 3 + length]
    return name.decode(), packet[at + 5 + length :]


def test_the_load_is_what_an_edge_would_send(tmp_path: Path) -> None:
    path = tmp_path / "packets"
    assert load.write(path, load.batches(SHAPE, 2, 3, 1_790_000_000_000)) == 6
    packets = [body(packet) for packet in load.read(path)]
    decoded = [codec.decode_batch(payload) for _, payload in packets]
    assert [topics.parse(name).gateway for name, _ in packets[:2]] == ["bench-000", "bench-001"]
    assert [d.batch.seq for d in decoded] == [2, 2, 3, 3, 4, 4]
    assert all(len(d.batch.readings) == SHAPE.readings and not d.rejected for d in decoded)
    name, payload = body(load.births(SHAPE, 1)[1])
    assert topics.parse(name).gateway == messages.decode(payload, Birth).gateway


def test_the_bare_loop_takes_the_same_load(tmp_path: Path) -> None:
    payloads = [body(packet)[1] for packet in load.batches(SHAPE, 1, 2, 1_790_000_000_000)]
    assert bare_us(payloads, SHAPE, tmp_path) > 0


def test_all_that_was_sent_is_stored_and_the_last_line_is_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The benchmark itself fails if a reading is lost, doubled, or never alerted on."""
    main(["--quick", "--json"])
    assert set(json.loads(capsys.readouterr().out.splitlines()[-1])) == {
        "wide_readings_per_s",
        "wide_cpu_us_per_reading",
        "ratio_to_bare_loop",
        "thin_messages_per_s",
        "sensor_to_alert_p99_ms",
    }
    assert QUICK.wide_rounds
