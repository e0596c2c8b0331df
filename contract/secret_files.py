"""Passwords stand in files of their own that nobody else may read, never in a configuration."""

from __future__ import annotations

from pathlib import Path

from contract.errors import ConfigError


def check_private(path: Path, what: str) -> None:
    """See to it that nobody else may read a file. Raises: ConfigError with what to run."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigError(f"{path}: {what} cannot be read: {error}") from error
    if mode & 0o077:
        raise ConfigError(f"{path}: others may read {what}; run: chmod 600 {path}")


def read_secret(path: Path) -> str:
    """Read a password file. Raises: ConfigError if it cannot be read or others may read it."""
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the password cannot be read: {error}") from error
    check_private(path, "this password")
    if not secret:
        raise ConfigError(f"{path}: the password is empty")
    return secret
