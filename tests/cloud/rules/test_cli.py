from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cloud.rules.cli import table
from cloud.rules.loader import preset_names
from tests.cloud.core.rule_kit import make_rule

ROOT = Path(__file__).parents[3]


def gridwarden(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridwarden", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_check_without_files_shows_every_shipped_rule() -> None:
    done = gridwarden("rules", "check", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        "RULE",
        "WHEN",
        "LIMIT",
        "SEVERITY",
        "CATEGORY",
        "MARK",
        "EFFECTIVE",
        "SOURCE",
    ]
    summary = json.loads(lines[-1])
    assert summary["rules"] == len(lines) - 2
    (line,) = [one for one in lines if one.startswith("noise-gb3096.2.night ")]
    for word in ("night", "noise_laeq/noise_la > 50 dB(A)", "05-08", " S ", "GB 3096-2008"):
        assert word in line


def test_check_of_a_wrong_file_exits_2_with_every_problem(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("preset: x\nrulez: []\n", encoding="utf-8")
    done = gridwarden("rules", "check", str(wrong), str(tmp_path / "none.yaml"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{wrong}:2: rulez: unknown key; did you mean rules?" in done.stderr
    assert f"{tmp_path / 'none.yaml'}: cannot be read" in done.stderr


def test_list_names_the_presets_and_their_rules() -> None:
    done = gridwarden("rules", "list", "--json")
    assert list(json.loads(done.stdout.splitlines()[-1])["presets"]) == preset_names()
    one = gridwarden("rules", "list", "manhole-tilt")
    assert [line.split()[0] for line in one.stdout.splitlines()[1:]] == [
        "manhole-tilt.gone",
        "manhole-tilt.moved",
        "manhole-tilt.open",
    ]
    assert gridwarden("rules", "list", "manhole-tild").returncode == 2


def test_the_table_is_aligned() -> None:
    head, *lines = table([make_rule(id="a"), make_rule(id="a-longer-one")])
    assert len({line.index("a test") for line in lines}) == 1
    assert head.index("SOURCE") == lines[0].index("a test")
