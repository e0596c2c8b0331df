"""Where readings are kept: hot blocks, and the stores they are sealed into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from cloud.config import InfluxSettings
from cloud.core.retention import FOREVER, RawRetention
from cloud.ports import OpenedStore
from cloud.series.hot_view import HotView
from cloud.series.lake import LakeStore
from cloud.series.lake_files import LakeFiles
from cloud.series.rolled_store import RolledStore
from cloud.series.rollups import Retention, RollingStore
from cloud.state.database import Database
from contract.clock import Clock
from contract.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a store is made of. data: the data folder."""

    database: Database
    data: Path
    clock: Clock
    hot_view: HotView = field(default_factory=HotView)
    influxdb: InfluxSettings | None = None
    retention: RawRetention = FOREVER


def _lake(site: Site) -> OpenedStore:
    folder = site.data / "lake"
    return OpenedStore(
        series=LakeStore(site.database, folder, site.clock, site.hot_view),
        cold=LakeFiles(site.database, folder, site.clock, site.retention),
    )


def _influxdb(site: Site) -> OpenedStore:
    settings = site.influxdb
    if settings is None:
        raise ConfigError("series.influxdb is missing; series.store is influxdb")
    try:
        from cloud.series.influx.cold import InfluxCold
        from cloud.series.influx.server import Server
        from cloud.series.influx.store import InfluxStore
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"series.store: influxdb needs the package {error.name};"
            " run: pip install 'gridwarden[influx]'"
        ) from error
    again_ms = round(settings.again_s * 1000)
    return OpenedStore(
        series=InfluxStore(site.database, Server(settings), site.clock, site.hot_view),
        cold=InfluxCold(site.database, Server(settings), site.clock, again_ms),
    )


# By the name that the configuration's series.store says.
SERIES_STORES: dict[str, Callable[[Site], OpenedStore]] = {
    "lake": _lake,
    "influxdb": _influxdb,
}


def open_store(name: str, site: Site, zone: ZoneInfo, keep: Retention) -> OpenedStore:
    """Open a store by its name, with rollups beside it in the data folder."""
    opened = SERIES_STORES[name](site)
    folder = site.data / "rollups"
    return OpenedStore(
        series=RolledStore(opened.series, site.database, folder, zone, site.hot_view),
        cold=RollingStore(
            opened.cold, opened.series, site.database, folder, site.clock, zone, keep
        ),
    )
