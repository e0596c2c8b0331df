"""The benchmark runs, small; what it measures is for a quiet machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.decode import floats, main, run, words
from device_profiles.core.decode import Block, compile_decoder

ROOT = Path(__file__).parents[2]


def test_it_decodes_what_it_says() -> None:
    values = compile_decoder(words(3), (Block(3, 0, 3),)).decode((b"\x01\x2c\x01\x2d\x01\x2e",))
    assert [value.value for value in values] == [30.0, 30.1, 30.2]
    swapped = compile_decoder(floats(2), (Block(3, 0, 2),)).decode((b"\x00\x00\x42\x48",))
    assert [value.value for value in swapped] == [50.0]


def test_every_row_is_measured() -> None:
    rows = run(devices=2, registers=10, rounds=2)
    assert [row.what for row in rows][:3] == [
        "decode, uint16 × 0.1",
        "bare struct loop",
        "bare NumPy loop",
    ]
    assert all(row.us_per_value >= 0 for row in rows)


def test_the_last_line_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--json", "--devices", "2", "--registers", "10", "--rounds", "2"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert set(json.loads(last)) == {"us_per_value", "bare_us_per_value"}


def test_it_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.decode", "--devices", "2", "--rounds", "1"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert "µs of CPU per value" in done.stdout
