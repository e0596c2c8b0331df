"""Export and import are each other's inverse, whatever the format and the stores."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cloud.app import initialise, open_database, store
from cloud.cli import app
from cloud.config import load
from cloud.core.columns import Columns
from cloud.series import hot
from cloud.series.export import FORMATS
from cloud.series.importing import READERS
from cloud.state import schema
from cloud.state.lock import exclusive
from contract.errors import ConfigError
from contract.quality import Quality
from tests.suites.tsdb import influxdb

T0_MS = 1_790_000_000_000
SPAN = ("--from", "2026-09-21", "--to", "2026-09-23")
ROWS = 3_000


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["series", *map(str, words)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def folder(path: Path, series: str = "") -> Path:
    """Make an empty data folder; return its configuration."""
    path.mkdir()
    config = path / "cloud.yaml"
    config.write_text(f"data: data\nbroker: {{host: h, tls: false}}\n{series}")
    initialise(load(config)).close()
    return config


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Two series; values of every kind, among them none."""
    config = folder(tmp_path / "one")
    chance = np.random.default_rng(4)
    value = np.where(np.arange(ROWS) % 2, chance.normal(60, 9, ROWS).round(1), chance.random(ROWS))
    quality = np.zeros(ROWS, np.uint16)
    value[5], quality[5] = np.nan, Quality.COMMUNICATION
    quality[6] = Quality.OVER_RANGE | Quality.CLOCK_UNSURE
    database = open_database(load(config))
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="noise-01", gateway="g", kind="noise", profile="", period_s=60.0, name="",
                asset="", owner="", address="", tags={}, first_seen_ms=0,
            )
        )  # fmt: skip
        for number, name in enumerate(("noise_laeq", "noise_laeq.20min"), start=1):
            connection.execute(
                schema.series.insert().values(id=number, device="noise-01", measurement=name)
            )
        hot.append(
            connection,
            Columns(
                series=np.repeat([1, 2], ROWS // 2).astype(np.int32),
                observed_ms=T0_MS + np.tile(np.arange(ROWS // 2) * 60_001, 2).astype(np.int64),
                value=value,
                quality=quality,
            ),
            T0_MS,
        )
    database.close()
    return config


def everything(config: Path) -> dict[tuple[str, str], list[tuple[int, str, int]]]:
    database = open_database(load(config))
    with database.read() as connection:
        names = {row.id: row for row in connection.execute(sa.select(schema.series))}
    found: dict[tuple[str, str], list[tuple[int, str, int]]] = {}
    for part in store(load(config), database).read(None, 0, 2**42):
        for series, at_ms, value, quality in zip(
            part.series.tolist(),
            part.observed_ms.tolist(),
            part.value.tolist(),
            part.quality.tolist(),
            strict=True,
        ):
            name = names[series]
            found.setdefault((name.device, name.measurement), []).append(
                (at_ms, repr(value), quality)
            )
    database.close()
    return found


def test_there_is_a_reader_for_each_format() -> None:
    assert set(READERS) == set(FORMATS)


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_what_is_exported_comes_back_to_the_last_bit(
    form: str, filled: Path, tmp_path: Path
) -> None:
    file = tmp_path / f"all.{form}"
    run("export", filled, *SPAN, "--out", file)
    other = folder(tmp_path / "two")
    code, text, told = run("import", other, file, "--json")
    assert code == 0, told
    assert json.loads(text.splitlines()[-1]) == {"readings": ROWS, "there": 0, "conflicts": 0}
    assert everything(other) == everything(filled)
    code, text, _ = run("import", other, file)
    assert (code, text) == (0, f"0 readings stored, {ROWS} were there already\n")
    assert everything(other) == everything(filled)


@pytest.fixture
def influx_folder(tmp_path: Path) -> Iterator[Path]:
    server = influxdb(tmp_path)
    server.start()
    yield folder(
        tmp_path / "influx",
        f"series:\n  store: influxdb\n  influxdb: {{url: '{server.url}', write_api: v1}}\n",
    )
    server.kill()


def test_from_the_lake_to_influxdb_and_back(
    filled: Path, influx_folder: Path, tmp_path: Path
) -> None:
    there, back = tmp_path / "there.arrow", tmp_path / "back.parquet"
    run("export", filled, *SPAN, "--out", there)
    assert run("import", influx_folder, there)[0] == 0
    assert everything(influx_folder) == everything(filled)
    run("export", influx_folder, *SPAN, "--out", back)
    other = folder(tmp_path / "two")
    assert run("import", other, back)[0] == 0
    assert everything(other) == everything(filled)


def test_imported_history_wakes_nobody_and_outlives_a_restart(filled: Path, tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    run("export", filled, *SPAN, "--out", file)
    other = folder(tmp_path / "two", "rules: {presets: [noise-gb3096]}\n")
    run("import", other, file)
    run("import", other, file)  # the second begins with all that the engine has not seen
    database = open_database(load(other))
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.alerts)) == 0
    database.close()


HEAD = "device,measurement,unit,observed_at,value,quality\n"
GOOD = "noise-01,noise_laeq,dB(A),2026-09-21T00:00:00.000Z,60.5,\n"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("Noise 1,noise_laeq,dB(A),2026-09-21T00:00Z,60.5,", "row 2: device 'Noise 1' must"),
        ("noise-01,loudness,dB(A),2026-09-21T00:00Z,60.5,", "unknown measurement 'loudness'"),
        ("noise-01,noise_laeq,Pa,2026-09-21T00:00Z,60.5,", "unit 'Pa' of noise_laeq"),
        ("noise-01,noise_laeq,dB(A),1970-01-01T00:00Z,60.5,", "before 2020"),
        ("noise-01,noise_laeq,dB(A),2099-01-01T00:00Z,60.5,", "in the future"),
        ("noise-01,noise_laeq,dB(A),2026-09-21T00:00Z,inf,", "infinite"),
        ("noise-01,noise_laeq,dB(A),2026-09-21T00:00Z,,", "no quality says why"),
        ("noise-01,noise_laeq,dB(A),2026-09-21T00:00Z,60.5,x", "unknown quality 'x'"),
        ("noise-01,noise_laeq,dB(A),2026-09-21T00:00Z,loud,", "cannot be read as csv"),
        ("noise-01,noise_laeq", "cannot be read as csv"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(row: str, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(HEAD + GOOD + row + "\n")
    other = folder(tmp_path / "two")
    with pytest.raises(ConfigError) as refused:
        run("import", other, file)
    assert problem in str(refused.value)
    assert everything(other) == {}


def test_other_values_at_the_same_time_are_left_out_and_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text(HEAD + GOOD)
    second.write_text(HEAD + GOOD.replace("60.5", "99.9"))
    other = folder(tmp_path / "two")
    assert run("import", other, first)[0] == 0
    code, _, told = run("import", other, second)
    assert code == 1
    assert "1 are stored with another value" in told
    assert [row[1] for rows in everything(other).values() for row in rows] == ["60.5"]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("device,measurement,value\nnoise-01,noise_laeq,60.5\n")
    with pytest.raises(ConfigError, match="no column unit, observed_at, quality"):
        run("import", folder(tmp_path / "two"), file)


def test_beside_a_running_intake_it_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "good.csv"
    file.write_text(HEAD + GOOD)
    other = folder(tmp_path / "two")
    with (
        exclusive(other.parent / "data" / "intake.lock", "intake"),
        pytest.raises(ConfigError, match="another intake is running"),
    ):
        run("import", other, file)


def test_a_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    file = tmp_path / "twice.csv"
    file.write_text(
        "device,device,measurement,unit,observed_at,value,quality\n"
        "d,d,noise_laeq,dB(A),2026-09-21T00:00:00Z,60,N\n"
    )
    with pytest.raises(ConfigError, match="column device is there 2 times"):
        run("import", folder(tmp_path / "one"), file)
