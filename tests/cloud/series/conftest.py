from __future__ import annotations

from pathlib import Path

import pytest

from cloud.state.database import Database
from tests.cloud.series.kit import LakeBench, add_series, lake_bench


@pytest.fixture
def bench(database: Database, tmp_path: Path) -> LakeBench:
    add_series(database)
    return lake_bench(database, tmp_path / "lake")
