from __future__ import annotations

import os
from pathlib import Path

import pytest

from contract.folders import sync_folder

OPEN = Path("/proc/self/fd")


def test_a_folder_is_synced_and_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(OPEN.joinpath(str(fd)).readlink()))
    before = len(list(OPEN.iterdir()))
    sync_folder(tmp_path)
    assert synced == [tmp_path]
    assert len(list(OPEN.iterdir())) == before
    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "none")
