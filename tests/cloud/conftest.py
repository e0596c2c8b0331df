"""A real state database in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(sqlite_url(tmp_path / "state.sqlite"))
    migrate(opened)
    yield opened
    opened.close()
