"""Dataclasses as rows."""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from enum import Enum


def values_of(record: object) -> dict[str, object]:
    """Return a dataclass' fields as columns; enums as plain text, whatever the driver does."""
    if not is_dataclass(record) or isinstance(record, type):
        raise TypeError(f"{record!r} is no dataclass instance")
    return {
        key: value.value if isinstance(value, Enum) else value
        for key, value in asdict(record).items()
    }
