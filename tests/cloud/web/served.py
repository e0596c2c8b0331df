"""Serves the made-up city on a free port: python -m tests.cloud.web.served FOLDER. Prints where.

It goes on: every second each device says something, except one that fell silent.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from cloud.cases.file_store import FileStore
from cloud.series.lake import LakeStore
from cloud.standing_rules import StandingRules
from cloud.state.database import Database, sqlite_url
from cloud.state.migrate import migrate
from cloud.web.server import serve
from cloud.web.services import Services
from contract.clock import SystemClock
from tests.cloud.web.seed import RULES, ZONE, City, fill

SILENT = ("dust-02",)


def main(folder: Path) -> None:
    """Seed, then serve until told to stop."""
    clock = SystemClock()
    database = Database(sqlite_url(folder / "state.sqlite"))
    migrate(database)
    city = fill(database, clock.now_ms())
    with database.write() as connection:
        StandingRules.load(connection, RULES, clock.now_ms())  # as intake does at its first start
    stop = threading.Event()
    living = threading.Thread(target=live, args=[city, clock, stop], name="city")
    living.start()
    try:
        serve(
            Services(
                database=database,
                series_store=LakeStore(database, folder / "lake", SystemClock()),
                files=FileStore(folder / "files"),
                rules=RULES,
                clock=clock,
                timezone=ZONE,
            ),
            "127.0.0.1",
            0,
            ready=lambda address: print(address, flush=True),  # noqa: T201
        )
    finally:
        stop.set()
        living.join()
        database.close()


def live(city: City, clock: SystemClock, stop: threading.Event) -> None:
    """Let the devices speak once a second."""
    while not stop.is_set():
        now_ms = clock.now_ms()
        city.write(list(city.readings(now_ms, silent=SILENT)), now_ms)
        stop.wait(1.0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
