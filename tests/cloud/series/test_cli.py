"""The commands, on a cloud's own configuration file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud.cli import app
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from contract.errors import StorageError
from tests.cloud.series.kit import LakeBench, add_series, lake_bench, rows


@dataclass
class Cloud:
    config: Path
    bench: LakeBench

    def run(self, *words: str | Path) -> Result:
        return CliRunner().invoke(app, list(map(str, words)), catch_exceptions=False)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    config = tmp_path / "cloud.yaml"
    config.write_text(
        "data: data\nbroker: {host: h}\nseries:\n  retention: {quantities: {gas_pressure:"
        " {raw_days: 1}}}\n"
    )
    (tmp_path / "data").mkdir()
    database = Database(sqlite_url(tmp_path / "data" / "state.sqlite"))
    migrate(database)
    add_series(database)
    bench = lake_bench(database, tmp_path / "data" / "lake")
    bench.commit(rows(5))
    bench.seal()
    return Cloud(config, bench)


def test_a_check_says_what_is_wrong_and_its_exit_code_too(cloud: Cloud) -> None:
    done = cloud.run("series", "check", cloud.config)
    assert done.exit_code == 0
    assert "1 files of 5 readings, 0 blocks: nothing wrong" in done.stdout
    (path,) = cloud.bench.paths()
    path.write_bytes(b"")
    done = cloud.run("series", "check", cloud.config, "--json")
    assert done.exit_code == 1
    (found,) = json.loads(done.stdout.splitlines()[-1])["findings"]
    assert (found["readings"], found["done"]) == (5, "nothing")
    done = cloud.run("series", "check", cloud.config, "--repair")
    assert done.exit_code == 1
    assert "quarantined, 5 readings missing" in done.stdout
    assert cloud.run("series", "check", cloud.config).exit_code == 0


def test_a_backup_can_be_restored_where_somebody_asked_too_early(
    cloud: Cloud, tmp_path: Path
) -> None:
    """A question made an empty database, and restore refused the folder because of it."""
    copy, other = tmp_path / "copy", tmp_path / "other.yaml"
    other.write_text("data: other\nbroker: {host: h}\n")
    done = cloud.run("backup", cloud.config, copy, "--json")
    assert json.loads(done.stdout) == {"files": 1, "readings": 5}
    with pytest.raises(StorageError, match=r"is not there; run: gridwarden cloud init"):
        cloud.run("count", other)
    done = cloud.run("restore", other, copy, "--json")
    assert json.loads(done.stdout) == {"files": 1, "readings": 5}
    assert json.loads(cloud.run("count", other, "--json").stdout)["stored"] == 5


def test_a_dry_run_deletes_nothing(cloud: Cloud) -> None:
    done = cloud.run("series", "retain", cloud.config, "--dry-run")
    assert "would delete 2026-09-21: everything of 5 readings" in done.stdout
    assert len(cloud.bench.values()) == 5
    done = cloud.run("series", "retain", cloud.config, "--json")
    assert json.loads(done.stdout.splitlines()[-1])["readings"] == 5
    assert cloud.bench.values() == []
    assert "nothing is past its time" in cloud.run("series", "retain", cloud.config).stdout
