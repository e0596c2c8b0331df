from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from cloud.app import initialise, open_database, store
from cloud.cli import app
from cloud.config import load
from cloud.core.columns import Columns
from cloud.errors import NotFoundError
from cloud.ports import SeriesName, SeriesStore
from cloud.series import hot
from cloud.series.cli import moment
from cloud.series.export import FORMATS, Piece, choose, stream, to_file
from cloud.series.rollup_list import due_days
from cloud.state import schema
from contract.errors import ConfigError, StorageError
from contract.quality import LETTERS, Quality, from_letters

NAMES = {
    1: SeriesName(device="-cmd", measurement="noise_laeq"),
    2: SeriesName(device="gas-01", measurement="gas_pressure.inlet"),
}
T0_MS = 1_790_000_000_000
MIDNIGHT = "2026-09-21"


class Fake:
    """The part of a store that an export reads."""

    def __init__(self, *parts: Columns) -> None:
        self._parts = parts

    def read(self, series: object, from_ms: int, to_ms: int) -> Iterator[Columns]:
        yield from self._parts


def columns(rows: list[tuple[int, int, float, int]]) -> Columns:
    return Columns(
        series=np.array([row[0] for row in rows], np.int32),
        observed_ms=np.array([row[1] for row in rows], np.int64),
        value=np.array([row[2] for row in rows], np.float64),
        quality=np.array([row[3] for row in rows], np.uint16),
    )


def exported(form: str, *parts: Columns) -> bytes:
    fake: SeriesStore = Fake(*parts)  # type: ignore[assignment]  # only what is read
    return b"".join(piece.data for piece in stream(fake, NAMES, 0, 2**50, FORMATS[form]))


Row = tuple[str, str, str, int, float | None, str]


def read_back(form: str, data: bytes) -> list[Row]:
    """Read an export as another program would."""
    if form == "csv":
        found = list(csv.DictReader(io.StringIO(data.decode())))
        return [
            (
                row["device"].removeprefix("'"),
                row["measurement"],
                row["unit"],
                int(np.datetime64(row["observed_at"].removesuffix("Z"), "ms").astype(np.int64)),
                float(row["value"]) if row["value"] else None,
                row["quality"],
            )
            for row in found
        ]
    source = pa.BufferReader(data)
    table = pq.read_table(source) if form == "parquet" else pa.ipc.open_stream(source).read_all()
    at = table.column("observed_at").cast(pa.int64()).to_pylist()
    others = [
        table.column(name).to_pylist() for name in table.column_names if name != "observed_at"
    ]
    return [
        (device, measurement, unit, moment_ms, value, quality)
        for device, measurement, unit, value, quality, moment_ms in zip(*others, at, strict=True)
    ]


READINGS = st.lists(
    st.tuples(
        st.sampled_from(sorted(NAMES)),
        st.integers(1_600_000_000_000, 4_000_000_000_000),
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(0, 2 ** len(LETTERS) - 1),
    ),
    max_size=20,
)


@pytest.mark.parametrize("form", list(FORMATS))
@settings(max_examples=40, deadline=None)
@given(rows=READINGS, missing=st.booleans())
def test_nothing_is_lost(form: str, rows: list[tuple[int, int, float, int]], missing: bool) -> None:
    if missing and rows:
        rows[0] = (*rows[0][:2], math.nan, int(Quality.FAULT))
    parts = [columns(rows)] if rows else []
    found = read_back(form, exported(form, *parts))
    assert len(found) == len(rows)
    for row, (series, at_ms, value, quality) in zip(found, rows, strict=True):
        name = NAMES[series]
        assert row[:2] == (name.device, name.measurement)
        assert row[2] == ("dB(A)" if series == 1 else "kPa")
        assert row[3] == at_ms
        if math.isnan(value):
            assert row[4] is None
        else:
            assert row[4] is not None
            assert np.float64(row[4]).tobytes() == np.float64(value).tobytes()  # -0.0 too
        assert from_letters(row[5]) == quality


def test_no_cell_is_a_formula() -> None:
    text = exported("csv", columns([(1, T0_MS, -2.5, 0)])).decode()
    assert (
        text.splitlines()[1] == '"\'-cmd","noise_laeq","dB(A)","2026-09-21T14:13:20.000Z",-2.5,""'
    )


@pytest.mark.parametrize("form", list(FORMATS))
def test_an_export_comes_in_pieces(form: str) -> None:
    part = columns([(1, T0_MS + n, n / 3, 0) for n in range(40_000)])
    fake: SeriesStore = Fake(*[part] * 6)  # type: ignore[assignment]
    pieces = list(stream(fake, NAMES, 0, 2**50, FORMATS[form]))
    assert [piece.readings for piece in pieces] == [80_000, 160_000, 240_000, 240_000]
    assert len(pieces[1].data) > 50_000
    assert len(read_back(form, b"".join(piece.data for piece in pieces))) == 240_000


def test_a_file_is_there_only_when_it_is_whole(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")

    def broken() -> Iterator[Piece]:
        yield Piece(data=b"half", readings=1, upto_ms=0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        to_file(broken(), out, lambda _: None)
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text() == "old"
    told: list[int] = []
    whole = iter([Piece(data=b"new", readings=7, upto_ms=0)])
    assert to_file(whole, out, lambda piece: told.append(piece.readings)) == 7
    assert (out.read_text(), told) == ("new", [7])


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        to_file(iter([]), tmp_path / "nowhere" / "x.csv", lambda _: None)


# --- the command line --------------------------------------------------------------------------


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """A city with a day of noise, a reading a minute."""
    path = tmp_path / "cloud.yaml"
    path.write_text("data: data\nbroker: {host: localhost, tls: false}\n")
    database = initialise(load(path))
    midnight_ms = moment(MIDNIGHT, load(path).zone)
    with database.write() as connection:
        connection.execute(
            schema.devices.insert().values(
                id="noise-01", gateway="g", kind="noise", profile="", period_s=60.0, name="",
                asset="", owner="", address="", tags={}, first_seen_ms=0,
            )
        )  # fmt: skip
        connection.execute(
            schema.series.insert().values(id=1, device="noise-01", measurement="noise_laeq")
        )
        rows = [(1, midnight_ms + n * 60_000, 50.0 + n % 20, 0) for n in range(1_440)]
        hot.append(connection, columns(rows), midnight_ms)
    database.close()
    return path


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["series", *map(str, words)], catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


DAY = ("--from", MIDNIGHT, "--to", "2026-09-22")


def test_statistics_on_the_command_line(config_file: Path) -> None:
    _, text, _ = run("stats", config_file, "noise-01", "noise_laeq", *DAY, "--limit", 60)
    assert "1440 readings of 1440 due (100.0%)" in text
    assert "above 60: 648.0 min" in text
    _, text, _ = run("stats", config_file, "noise-01", "noise_laeq", *DAY, "--json")
    found = json.loads(text.splitlines()[-1])
    assert {figure["name"]: figure["readings"] for figure in found["figures"]}["Ln"] == 480


def test_an_export_on_the_command_line(config_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "day.parquet"
    _, text, told = run("export", config_file, *DAY, "--device", "noise-01", "--out", out)
    assert text == f"1440 readings in {out}\n"
    assert "100 %  1,440 readings" in told
    _, text, _ = run("export", config_file, *DAY, "--out", out, "--json")
    assert json.loads(text.splitlines()[-1]) == {"file": str(out), "readings": 1_440}
    assert pq.read_table(out).num_rows == 1_440


def test_days_are_had_made_anew(config_file: Path) -> None:
    _, text, _ = run("roll", config_file, *DAY)
    assert "2 days of UTC will be rolled up anew: 2026-09-20 to 2026-09-21" in text
    _, text, _ = run("roll", config_file, *DAY, "--json")
    assert json.loads(text) == {"days": ["2026-09-20", "2026-09-21"]}
    database = open_database(load(config_file))
    with database.read() as connection:
        assert due_days(connection) == ["2026-09-20", "2026-09-21"]
    database.close()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--from", "yesterday", "--to", "2026-09-22T00:00:00"), "no UTC offset"),
        (("--from", "yesterday", "--to", MIDNIGHT), "'yesterday' is no time; write 2026-11-22"),
        (("--from", "2026-09-22", "--to", MIDNIGHT), "must lie before"),
    ],
)
def test_times_that_are_none(config_file: Path, words: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        run("stats", config_file, "noise-01", "noise_laeq", *words)


def test_what_is_not_there_is_named(config_file: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="it has: noise_laeq"):
        run("stats", config_file, "noise-01", "tsp", *DAY)
    with pytest.raises(ConfigError, match="allowed: csv, parquet, arrow"):
        run("export", config_file, *DAY, "--out", tmp_path / "x.xlsx")
    with pytest.raises(NotFoundError, match="device 'x'"):
        run("export", config_file, *DAY, "--device", "x", "--out", tmp_path / "x.csv")


def test_series_are_chosen_by_device_and_measurement(config_file: Path) -> None:
    config = load(config_file)
    database = initialise(config)
    with database.read() as connection:
        assert list(choose(connection)) == [1]
        assert list(choose(connection, ["noise-01"], ["noise_laeq"])) == [1]
        with pytest.raises(NotFoundError, match="measurement 'tsp'"):
            choose(connection, (), ["tsp"])
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.blocks)) == 1
    assert store(config, database).count().hot == 1_440
    database.close()
