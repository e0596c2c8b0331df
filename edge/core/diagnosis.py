"""What a diagnostics bundle may say, and how it is cut into parts."""

from __future__ import annotations

from collections.abc import Sequence

from contract.commands import MAX_CHUNK, MAX_PARTS

SECRETS = frozenset(("password", "secret", "token", "key"))
WITHHELD = "(withheld)"


def without_secrets(data: object) -> object:
    """Return a configuration's plain data with what stands under a secret's name taken out."""
    if isinstance(data, dict):
        return {
            str(key): WITHHELD if key in SECRETS else without_secrets(value)
            for key, value in data.items()
        }
    if isinstance(data, list | tuple):
        return [without_secrets(item) for item in data]
    return data if isinstance(data, str | int | float | bool | None) else str(data)


def in_parts(text: str) -> Sequence[str]:
    """Cut a text into what replies carry. Raises: ValueError if that is too much of it."""
    parts = [text[at : at + MAX_CHUNK] for at in range(0, len(text), MAX_CHUNK)] or [""]
    if len(parts) > MAX_PARTS:
        raise ValueError(f"{len(text)} characters; the most is {MAX_CHUNK * MAX_PARTS}")
    return parts
