"""Where readings are kept: hot blocks, and the stores they are sealed into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cloud.ports import OpenedStore
from cloud.series.lake import LakeStore
from cloud.series.lake_files import LakeFiles
from cloud.state.database import Database
from contract.clock import Clock


def _lake(database: Database, data: Path, clock: Clock) -> OpenedStore:
    folder = data / "lake"
    return OpenedStore(
        series=LakeStore(database, folder, clock), cold=LakeFiles(database, folder, clock)
    )


# By the name that the configuration's series.store says; each is made for a data folder.
SERIES_STORES: dict[str, Callable[[Database, Path, Clock], OpenedStore]] = {
    "lake": _lake,
}
