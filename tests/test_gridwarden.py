from __future__ import annotations

import subprocess
import sys

import pytest

from gridwarden import COMMANDS, main


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gridwarden", *words], capture_output=True, text=True, check=False
    )


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)


def test_no_command_is_refused_with_the_usage() -> None:
    done = run()
    assert done.returncode == 2
    assert "usage:" in done.stdout


def test_an_unknown_command_is_refused_with_those_allowed() -> None:
    done = run("egde")
    assert done.returncode == 2
    assert "unknown command 'egde'; allowed: demo, edge" in done.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("gridwarden 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help(name: str) -> None:
    done = run(name, "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_a_bad_configuration_is_a_message_and_not_a_trace(tmp_path: object) -> None:
    done = run("cloud", "intake", f"{tmp_path}/none.yaml")
    assert done.returncode == 2
    assert done.stderr.strip().endswith("cannot be read: No such file or directory")
    assert "Traceback" not in done.stderr


def test_a_word_that_a_command_does_not_know_is_refused() -> None:
    assert run("cloud", "fly").returncode == 2
