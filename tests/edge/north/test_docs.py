"""docs/hj212.md names every key of a north."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.north import NORTHS

PAGE = (Path(__file__).parents[3] / "docs" / "hj212.md").read_text(encoding="utf-8")
KEYS = [(name, key) for name, model in NORTHS.items() for key in model.model_fields]


@pytest.mark.parametrize(("north", "key"), KEYS)
def test_every_key_is_documented(north: str, key: str) -> None:
    assert f"`{key}`" in PAGE.partition("## Upload to a platform")[2], f"{key} of {north}"
