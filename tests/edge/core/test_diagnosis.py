from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.commands import MAX_CHUNK, MAX_PARTS
from edge.core.diagnosis import WITHHELD, in_parts, without_secrets


def test_no_secret_leaves() -> None:
    config = {
        "broker": {"user": "me", "password_file": "/run/secret"},
        "devices": [{"id": "s-1", "password": "123456"}, {"id": "s-2"}],
    }
    told = without_secrets(config)
    assert "123456" not in str(told)
    assert told == {
        "broker": {"user": "me", "password_file": "/run/secret"},
        "devices": [{"id": "s-1", "password": WITHHELD}, {"id": "s-2"}],
    }


@given(st.integers(0, 5 * MAX_CHUNK))
def test_parts_joined_are_the_whole(length: int) -> None:
    text = "图" * length
    parts = in_parts(text)
    assert "".join(parts) == text
    assert all(len(part) <= MAX_CHUNK for part in parts)


def test_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="the most is"):
        in_parts("x" * (MAX_CHUNK * MAX_PARTS + 1))
