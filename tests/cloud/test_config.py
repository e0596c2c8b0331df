from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from typer.testing import CliRunner

from cloud.cli import app
from cloud.config import SeriesSettings, load
from cloud.series import SERIES_STORES
from contract.errors import ConfigError


def write(folder: Path, text: str) -> Path:
    path = folder / "cloud.yaml"
    path.write_text(text)
    return path


def test_paths_count_from_the_files_own_folder(tmp_path: Path) -> None:
    config = load(write(tmp_path, "data: d\nbroker: {host: h}\n"))
    assert config.data == tmp_path / "d"
    assert config.database_url == f"sqlite:///{tmp_path}/d/state.sqlite"
    assert config.broker.tls


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, "data: d\nbroker: {hots: h, port: 70000}\ntimezone: Mars\n"))
    text = str(caught.value)
    assert "broker.hots: unknown key; did you mean host?" in text
    assert "broker.port" in text
    assert "unknown time zone 'Mars'" in text


def test_a_file_that_is_not_there_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cloud.yaml:2: broker.password_file: no such file"):
        load(write(tmp_path, "data: d\nbroker: {host: h, password_file: none}\n"))


def test_the_stores_that_may_be_named_are_those_there_are() -> None:
    allowed = get_args(SeriesSettings.model_fields["store"].annotation)
    assert set(allowed) == set(SERIES_STORES)


def test_influxdb_needs_its_server_and_blocks_to_write_again(tmp_path: Path) -> None:
    text = "data: d\nbroker: {host: h}\nseries:\n  store: influxdb\n"
    with pytest.raises(ConfigError, match=r"cloud.yaml:4: series.store: influxdb needs"):
        load(write(tmp_path, text))
    text += "  influxdb: {url: 'http://h:8086', again_s: 7200, token_file: none}\n"
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text))
    assert "series.influxdb.token_file: no such file: " in str(caught.value)
    assert "series.influxdb.again_s: 7200 s is longer than seal.keep_s, 3600 s" in str(caught.value)


def test_a_quantity_that_is_none_cannot_be_kept(tmp_path: Path) -> None:
    retention = "{quantities: {noise_lae: {raw_days: 1}}}"
    text = f"data: d\nbroker: {{host: h}}\nseries:\n  retention: {retention}\n"
    with pytest.raises(ConfigError, match="unknown quantity 'noise_lae'; did you mean noise_laeq"):
        load(write(tmp_path, text))


def test_a_bad_formula_is_found_before_anything_starts(tmp_path: Path) -> None:
    path, own = tmp_path / "cloud.yaml", tmp_path / "own"
    path.write_text("data: d\nbroker: {host: h}\ncases:\n  formulas: own\n")
    with pytest.raises(ConfigError, match=r"cloud.yaml:4: cases.formulas: .*own is no folder"):
        load(path)
    own.mkdir()
    (own / "2027-01-01.yaml").write_text(
        'version: "2"\neffective: 2027-01-01\nfigures:\n'
        "  - {key: good, title: {zh: 好, en: good}, as: count, numerator: [handeld],\n"
        "     source: ours, mark: M}\n",
        encoding="utf-8",
    )
    wrong = r"2027-01-01.yaml:4: figures\[0\].numerator\[0\]: .*'handled'.*found 'handeld'"
    with pytest.raises(ConfigError, match=wrong):
        load(path)


def test_check_reads_every_file(tmp_path: Path) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("data: d\nbroker: {host: h}\n")
    said = CliRunner().invoke(app, ["check", str(path)], catch_exceptions=False)
    assert "formulas of the assessment: 2020-01-01" in said.output
    assert said.output.endswith("cloud.yaml: ok\n")
    assert not (tmp_path / "d").exists()
