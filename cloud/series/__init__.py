"""Where readings are kept: hot blocks, and the stores they are sealed into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

from cloud.ports import OpenedStore
from cloud.series.hot_view import HotView
from cloud.series.lake import LakeStore
from cloud.series.lake_files import LakeFiles
from cloud.series.rolled_store import RolledStore
from cloud.series.rollups import Retention, RollingStore
from cloud.state.database import Database
from contract.clock import Clock


def _lake(database: Database, data: Path, clock: Clock, hot_view: HotView) -> OpenedStore:
    folder = data / "lake"
    return OpenedStore(
        series=LakeStore(database, folder, clock, hot_view),
        cold=LakeFiles(database, folder, clock),
    )


# By the name that the configuration's series.store says; each is made for a data folder.
SERIES_STORES: dict[str, Callable[[Database, Path, Clock, HotView], OpenedStore]] = {
    "lake": _lake,
}


def open_store(
    name: str, database: Database, data: Path, clock: Clock, zone: ZoneInfo, keep: Retention
) -> OpenedStore:
    """Open a store by its name, with rollups beside it in the data folder."""
    hot_view = HotView()
    opened = SERIES_STORES[name](database, data, clock, hot_view)
    folder = data / "rollups"
    return OpenedStore(
        series=RolledStore(opened.series, database, folder, zone, hot_view),
        cold=RollingStore(opened.cold, opened.series, database, folder, clock, zone, keep),
    )
