"""docs/edge.md names every key of the sections that all agents have, and every figure."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edge.config import EdgeFile
from edge.options import (
    BufferOptions,
    ChangeOptions,
    CommandOptions,
    DeviceOptions,
    Endpoint,
    PlaceOptions,
    PollingOptions,
    Section,
    UplinkOptions,
)
from edge.ports import Held

PAGE = (Path(__file__).parents[2] / "docs" / "edge.md").read_text(encoding="utf-8")
SECTIONS: list[type[Section]] = [
    EdgeFile,
    Endpoint,
    BufferOptions,
    UplinkOptions,
    PollingOptions,
    ChangeOptions,
    CommandOptions,
    DeviceOptions,
    PlaceOptions,
]
KEYS = [(section.__name__, key) for section in SECTIONS for key in section.model_fields]
FIGURES = [("Held", field.name) for field in msgspec.structs.fields(Held)]


@pytest.mark.parametrize(("where", "key"), KEYS + FIGURES)
def test_every_key_and_figure_is_documented(where: str, key: str) -> None:
    assert f"`{key}`" in PAGE, f"{key} of {where}"
