"""`gridwarden prove` against a real state database: what it says, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cloud import app as build
from cloud.config import load
from cloud.core.columns import Columns
from cloud.series import hot
from cloud.state import schema
from tests.e2e.processes import gridwarden, last_json

T0 = 1_790_000_000_000


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "cloud.yaml"
    path.write_text(
        f"data: {tmp_path / 'cloud'}\n"
        "broker: {host: 127.0.0.1, port: 1, tls: false}\n"
        "timezone: Asia/Shanghai\n"
    )
    database = build.initialise(load(path))
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="noise-1", gateway="cabinet", kind="noise", profile="noise/x", period_s=1.0,
                name="", asset="", owner="", address="", tags={}, first_seen_ms=T0,
            )
        )  # fmt: skip
        connection.execute(
            schema.series.insert().values(id=1, device="noise-1", measurement="noise_la")
        )
        hot.append(
            connection,
            Columns(
                series=np.ones(10, np.int32),
                observed_ms=T0 + np.arange(10, dtype=np.int64) * 1000 + 4,
                value=np.arange(50, 60, dtype=np.float64),
                quality=np.zeros(10, np.uint16),
            ),
            T0,
        )
    database.close()
    return path


def ledger(tmp_path: Path, *lines: tuple[int, float]) -> Path:
    path = tmp_path / "served.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "device": "noise-1",
                    "measurement": "noise_la",
                    "value": value,
                    "served_ms": T0 + at_ms,
                    "to": "127.0.0.1:1",
                }
            )
            + "\n"
            for at_ms, value in lines
        )
    )
    return path


SERVED = [(n * 1000, n + 50.0) for n in range(10)]


def test_all_accounted_for(config: Path, tmp_path: Path) -> None:
    done = gridwarden("prove", ledger(tmp_path, *SERVED), "--cloud", config, "--json")
    found = last_json(done.stdout)
    assert (done.returncode, found["stored"], found["proven"]) == (0, 10, True), done.stderr


def test_a_lost_one_is_named_and_fails(config: Path, tmp_path: Path) -> None:
    served = [*SERVED, (4_500, 77.7)]
    done = gridwarden("prove", ledger(tmp_path, *served), "--cloud", config)
    assert done.returncode == 1
    assert "lost: noise-1 noise_la 2026-09-21T14:13:24.500Z: served 77.7, stored nothing" in (
        done.stderr
    )
    assert "NOT everything is accounted for" in done.stdout


def test_a_line_that_is_none_is_named(config: Path, tmp_path: Path) -> None:
    path = ledger(tmp_path, *SERVED)
    path.write_text(path.read_text() + "{}\n")
    done = gridwarden("prove", path, "--cloud", config)
    assert done.returncode == 2
    assert f"{path}:11: no line of a ledger: " in done.stderr


def test_a_line_cut_short_by_a_kill_is_left_out(config: Path, tmp_path: Path) -> None:
    path = ledger(tmp_path, *SERVED)
    path.write_text(path.read_text() + '{"device": "noi')
    assert gridwarden("prove", path, "--cloud", config).returncode == 0


def test_a_missing_ledger_is_refused(config: Path, tmp_path: Path) -> None:
    done = gridwarden("prove", tmp_path / "absent", "--cloud", config)
    assert done.returncode == 2
    assert "absent: cannot be read: No such file or directory" in done.stderr
