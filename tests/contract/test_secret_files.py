from __future__ import annotations

from pathlib import Path

import pytest

from contract.errors import ConfigError
from contract.secret_files import read_secret


def test_a_password_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("secret\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_secret(path)
    path.chmod(0o600)
    assert read_secret(path) == "secret"


def test_an_empty_or_missing_password_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "password"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_secret(path)
    path.touch(0o600)
    with pytest.raises(ConfigError, match="empty"):
        read_secret(path)
